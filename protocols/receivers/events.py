"""What a receiver's host side tells the program that moves its bytes.

Every receiver family speaks through the same six events, so that a source needs to know none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from protocols.lorawan.facts import LoraReception
from protocols.model import FrameFormat, Link


@dataclass(frozen=True, slots=True)
class ReceiverInfo:
    """Which receiver answered: model, serial, firmware version, and the radio modes that it listens to.

    `note` is what the user should know of how it is set up, in a few words.
    """

    model: str
    serial: str
    firmware: str
    mode: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to be written to the port now."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is done: from now on frames arrive."""

    info: ReceiverInfo


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame off the air: of wireless M-Bus, L field first and without link-layer CRCs; of LoRaWAN, the PHYPayload.

    `link` says which, `lora` what the receiver says of a LoRaWAN frame beside its bytes. `timestamp_s` is the
    receiver's own clock in seconds, None when it sends none. `frame_format` stands with a wireless M-Bus frame whose
    link-layer CRCs are still there, and unchecked. `mode` is the radio mode of this frame: None where the receiver
    hears several and does not tell which, empty where it is the one that was asked for.
    """

    data: bytes
    rssi_dbm: int | None = None
    timestamp_s: int | None = None
    link: Link = Link.MBUS
    lora: LoraReception | None = None
    frame_format: FrameFormat | None = None
    mode: str | None = ""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes from the receiver that could not be used, and why."""

    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over: what happened, and what to do about it.

    `identified` says that a receiver of this family answered before, and does not do what is asked of it.
    """

    reason: str
    hint: str
    identified: bool = False


HostEvent: TypeAlias = Send | Ready | Frame | Damaged | Failed


class HostSession(Protocol):
    """The host side of one receiver on one port, sans-IO: it is handed bytes and the time, and hands back events."""

    def start(self) -> bytes:
        """Return the first bytes to send; a session is started once."""

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port, in pieces of any size."""

    def tick(self, now_s: float) -> list[HostEvent]:
        """Tell the time, in seconds of any monotonic clock; at least every 0.1 s while a request is open."""
