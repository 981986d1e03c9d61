"""What the processes of a replay say to the one that started them, and what they are told: through a pipe each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fieldtool.replay.block_replay import Replayed
from protocols.captures.model import BadLine
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, Key, Outcome

if TYPE_CHECKING:
    from protocols.lorawan.sessions import Sessions


@dataclass(frozen=True, slots=True)
class AskedForKeys:
    """A process wants the keys of these addresses, and is answered with `FoundKeys`."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The keys of each address; why none can be looked up and what to do, as the look-up says it."""

    keys: Mapping[Address, tuple[Key, ...]]
    unavailable: str = ""
    how_to_unlock: str = ""


@dataclass(frozen=True, slots=True)
class AskedForRevoked:
    """A process wants the check values of an address's revoked keys."""

    address: Address


@dataclass(frozen=True, slots=True)
class AskedForFormats:
    """A process has a compact frame whose format it does not know."""


@dataclass(frozen=True, slots=True)
class AskedForRootKeys:
    """A process wants the root keys of a LoRaWAN device."""

    dev_eui: str


@dataclass(frozen=True, slots=True)
class AskedForSessionKeys:
    """A process wants the session keys of a LoRaWAN address."""

    dev_addr: str


@dataclass(frozen=True, slots=True)
class AskedForSessions:
    """A process wants the LoRaWAN sessions to begin with."""


@dataclass(frozen=True, slots=True)
class AskedForRevokedDeviceKeys:
    """A process wants the check values of the revoked keys under a DevEUI or DevAddr."""

    identifier: str


@dataclass(frozen=True, slots=True)
class BegunSessions:
    """The LoRaWAN sessions to begin with; why no keys can be looked up, and what to do then."""

    sessions: Sessions
    unavailable: str = ""
    how_to_unlock: str = ""


@dataclass(frozen=True, slots=True)
class TellSessions:
    """A process is to tell what it has heard of LoRaWAN devices."""


@dataclass(frozen=True, slots=True)
class HeardSessions:
    """What a process has heard of LoRaWAN devices; None where there were none."""

    sessions: Sessions | None


class Text(NamedTuple):
    """A process has put a part of a block's text into its shared memory; more of it comes."""

    start: int
    size: int


class Taken(NamedTuple):
    """The text that starts there was taken out of the shared memory, which may be written to again."""

    start: int


class Done(NamedTuple):
    """A block's share is done: what became of it, and all formats when there are new ones.

    The last part of its text, or all of it, is `text`; None when there is none. With `Text` and `Taken` it is what is
    said thousands of times, so it is made of what is quickly sent.
    """

    text: Text | None
    lengths: list[int]
    outcomes: dict[str, int]
    bad_lines: list[BadLine]
    formats: FormatLibrary | None

    def replayed(self) -> Replayed:
        """What became of it, without its text."""
        outcomes = Counter({Outcome(name): count for name, count in self.outcomes.items()})
        return Replayed([], self.lengths, outcomes, self.bad_lines)


@dataclass(frozen=True, slots=True)
class Failed:
    """What ended a process."""

    error: Exception


Question: TypeAlias = (
    AskedForKeys
    | AskedForRevoked
    | AskedForRootKeys
    | AskedForSessionKeys
    | AskedForRevokedDeviceKeys
    | AskedForSessions
)
"""What is answered at once."""

Message: TypeAlias = Question | AskedForFormats | HeardSessions | Text | Done | Failed
"""What a process says; what it is told are blocks, `Taken`, `TellSessions`, and answers."""
