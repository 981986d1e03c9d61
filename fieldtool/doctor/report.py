"""What was found out about one port: a ladder of rungs, each with what to do next, and the receiver at its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from protocols.model import RungState
from protocols.receivers.events import ReceiverInfo
from protocols.receivers.registry import receiver


class PortRung(StrEnum):
    """The questions in their order; over the network the first three do not arise."""

    PORT = "port"
    PERMISSION = "permission"
    FREE = "free"
    OPENS = "opens"
    ANSWERS = "answers"
    MODE = "mode"
    AIR = "air"


@dataclass(frozen=True, slots=True)
class PortStep:
    """One rung: what was found, and what to do (empty when there is nothing to do).

    `RungState.NOT_REACHED` also stands where the question cannot be answered, as on a system that does not tell.
    """

    rung: PortRung
    state: RungState
    detail: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class AirSum:
    """What was heard in so many seconds: telegrams by radio mode, how many of them came damaged, of how many meters.

    A mode is empty where the receiver hears several and does not tell which.

    `unusable` are pieces of a receiver's line that hold no frame; `lost` says why listening broke off, and what to do.
    """

    seconds: float
    by_mode: dict[str, int]
    damaged: int = 0
    unusable: int = 0
    meters: int = 0
    lost: tuple[str, str] | None = None

    @property
    def telegrams(self) -> int:
        """All that was heard, damaged or not."""
        return sum(self.by_mode.values())


@dataclass(frozen=True, slots=True)
class PortReport:
    """All that was found out about one port.

    `port` is empty when there is none at all; `kind` and `info` stand once a receiver answered, `url` (what `listen`
    takes) once it listens.
    """

    port: str
    steps: tuple[PortStep, ...]
    description: str = ""
    usb_id: tuple[int, int] | None = None
    driver: str = ""
    by_id: str = ""
    manufacturer: str = ""
    serial_number: str = ""
    kind: str = ""
    info: ReceiverInfo | None = None
    url: str = ""
    air: AirSum | None = None

    @property
    def title(self) -> str:
        """The name on the box of the receiver that answered, empty when none did."""
        return receiver(self.kind).TITLE if self.kind else ""

    @property
    def modes(self) -> tuple[str, ...]:
        """The radio modes that it can be asked for."""
        return receiver(self.kind).MODES if self.kind else ()

    @property
    def well(self) -> bool:
        """Whether no rung failed; that nothing was heard is no failure."""
        return all(step.state is not RungState.FAILED for step in self.steps)

    @property
    def unknown(self) -> bool:
        """Whether all is well but that no known receiver answered: the port may belong to something else."""
        failed = [step.rung for step in self.steps if step.state is RungState.FAILED]
        return failed == [PortRung.ANSWERS]
