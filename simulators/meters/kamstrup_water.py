"""A Kamstrup MULTICAL 21 or flowIQ: cold or warm water."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from simulators.consumption import month_start, temperature
from simulators.meters.kamstrup import KamstrupMeter
from simulators.meters.model import Item, scaled


class KamstrupWater(KamstrupMeter):
    """Info code, volume, volume at the month's beginning, water and ambient temperature (format signature A8ED).

    Not simulated: the info code's durations; `status` of the scenario is sent as it is.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x06, 0x16})

    def items(self, now: datetime) -> Sequence[Item]:
        counter = self.meter.counter
        water = temperature(self.meter.seed + "/water", now, Decimal(12), Decimal(2))
        room = temperature(self.meter.seed + "/room", now, Decimal(19), Decimal(3))
        return (
            (bytes.fromhex("02FF20"), self.meter.status),
            (bytes.fromhex("0413"), scaled(counter.at(now), -3)),
            (bytes.fromhex("4413"), scaled(counter.at(month_start(now)), -3)),
            (bytes.fromhex("615B"), scaled(water, 0)),
            (bytes.fromhex("6167"), scaled(room, 0)),
        )
