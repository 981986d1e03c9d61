"""Who takes part in the air both ways: what goes down to a meter, and a meter that listens after it has sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from protocols.model import FrameFormat
from protocols.wmbus.link_timing import time_on_air_s


@dataclass(frozen=True, slots=True)
class Uplink:
    """What a two-way meter sends: a frame without CRCs, in a one-way mode (`S1`, `T1`, `C1`)."""

    frame: bytes
    mode: str
    frame_format: FrameFormat
    rssi_dbm: int


@dataclass(frozen=True, slots=True)
class Downlink:
    """What a stick sends: a frame as coded on the air, in the mode that its link mode makes of it; `at` it begins."""

    at: datetime
    mode: str
    frame_format: FrameFormat
    coded: bytes

    @property
    def ends(self) -> datetime:
        """When the last bit is sent."""
        return self.at + time_on_air(self.mode, len(self.coded))


class Station(Protocol):
    """A meter that sends and listens, as the air sees it; it belongs to the thread of the air."""

    @property
    def name(self) -> str:
        """What the meter is called on this air."""

    @property
    def next_at(self) -> datetime | None:
        """When it begins to send next; None when it will not."""

    def send(self, at: datetime) -> Uplink | None:
        """Return what it sends now, None while its radio is off; afterwards `next_at` is later."""

    def hear(self, downlink: Downlink) -> None:
        """Take what was on the air; whether it listens at that moment is its own affair."""


@runtime_checkable
class Transmitter(Protocol):
    """A receiver that can send as well."""

    def downlinks(self, now: datetime) -> list[Downlink]:
        """Return what its host has told it to send since it was last asked, `now` being the air's time."""


def time_on_air(mode: str, size: int) -> timedelta:
    """Return how long a coded frame takes; `KeyError` for a mode without two ways."""
    return timedelta(seconds=time_on_air_s(mode, size))
