"""Axioma Qalcosonic W1: clock, status and volume, and what was used in each of the last 15 hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar, Final

from construct import Array, Int8ul, Int16ul, Int32ul, Struct

from simulators.devices.model import EndDevice

FPORT: Final = 100
HOURS: Final = 15
HOUR: Final = timedelta(hours=1)
LITRES: Final = 1000
LARGEST: Final = 0xFFFF

_LOG: Final = Struct(
    "clock" / Int32ul,
    "status" / Int8ul,
    "volume" / Int32ul,
    "log_clock" / Int32ul,
    "log_volume" / Int32ul,
    "used" / Array(HOURS, Int16ul),
)


class AxiomaW1(EndDevice):
    """The log message of port 100; `status` is the status byte.

    Not simulated: alarms on port 103, the template on port 101, and the packed log.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x06, 0x07})
    MANUFACTURERS: ClassVar[tuple[str, ...]] = ("AXI",)
    PROFILE: ClassVar[str] = "axioma-w1"

    def payload(self, sequence: int, now: datetime) -> tuple[int, bytes]:
        hour = now.replace(minute=0, second=0, microsecond=0)
        volumes = [self._litres(hour - HOUR * back) for back in range(HOURS, -1, -1)]
        return FPORT, bytes(
            _LOG.build(
                {
                    "clock": int(now.timestamp()),
                    "status": self.device.status & 0xFF,
                    "volume": self._litres(now),
                    "log_clock": int((hour - HOUR * HOURS).timestamp()),
                    "log_volume": volumes[0],
                    "used": [min(later - sooner, LARGEST) for sooner, later in pairwise(volumes)],
                }
            )
        )

    def _litres(self, at: datetime) -> int:
        return int(self.device.counter.at(at) * LITRES)
