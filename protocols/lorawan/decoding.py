"""What is known so far of one LoRaWAN frame while it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from protocols.lorawan.facts import LoraReception, LorawanFacts
from protocols.lorawan.keys import LorawanKeys
from protocols.lorawan.mic import JOIN_REQUEST_TYPE
from protocols.lorawan.sessions import Sessions
from protocols.model import Address, KeyLookup, Layer, RawFrame, Reading, Record, Security, Status
from protocols.verdict import Ladder

NO_RECEPTION: Final = LoraReception()


@dataclass(frozen=True, slots=True)
class Hints:
    """What somebody knows of a frame who has more than its bytes; all of it is optional.

    `fcnt` is the 32-bit counter, `conf_fcnt` the counter of the message that an acknowledgement is for. The next three
    belong to a join accept whose request was not heard; `plaintext_input` says that it is not encrypted.
    """

    fcnt: int | None = None
    conf_fcnt: int | None = None
    dev_eui: str | None = None
    join_eui: str | None = None
    dev_nonce: int | None = None
    request_type: int = JOIN_REQUEST_TYPE
    plaintext_input: bool = False


NO_HINTS: Final = Hints()


@dataclass(slots=True)
class LorawanDecoding:
    """What is known so far of one frame; becomes a `Telegram` and new `Sessions`.

    `plain` is `data` with decrypted regions replaced. `halves` bounds the search for the frame counter. `said` are the
    members of `LorawanFacts` so far, which are put together once, at the end.
    """

    frame: RawFrame
    keys: LorawanKeys
    sessions: Sessions
    mbus_keys: KeyLookup
    hints: Hints = NO_HINTS
    halves: int = 0
    ladder: Ladder = field(default_factory=Ladder)
    plain: bytes = b""
    layers: list[Layer] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    meter: Address | None = None
    security: Security | None = None
    status: Status | None = None
    records: tuple[Record, ...] = ()
    readings: tuple[Reading, ...] = ()
    profile: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """The PHYPayload as received."""
        return self.frame.data

    @property
    def reception(self) -> LoraReception:
        """What the receiver said beside the bytes."""
        return self.frame.lora or NO_RECEPTION

    @property
    def position(self) -> int:
        """Offset behind the last layer."""
        return self.layers[-1].end if self.layers else 0

    def say(self, **members: object) -> None:
        """Add members of `LorawanFacts`."""
        self.said.update(members)

    @property
    def dev_eui(self) -> str | None:
        """The DevEUI so far."""
        found: str | None = self.said.get("dev_eui")
        return found

    @property
    def facts(self) -> LorawanFacts:
        """What the frame says, as far as it was read."""
        return LorawanFacts(**self.said)

    def replace_plain(self, start: int, plaintext: bytes) -> None:
        """Put decrypted bytes in their place."""
        self.plain = self.plain[:start] + plaintext + self.plain[start + len(plaintext) :]
