"""A heat meter after OMS: security mode 5."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from simulators.consumption import month_start, temperature
from simulators.meters.kamstrup_heat import KWH_PER_M3_K
from simulators.meters.mode_5 import Mode5Meter
from simulators.meters.model import Item, meter_date, meter_time, scaled


class OmsHeat(Mode5Meter):
    """Energy, volume, power, flow, temperatures, clock, due date and energy at it, error flags.

    Not simulated: tariffs, and cooling.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x04, 0x0C, 0x0D})
    CURVE: ClassVar[str] = "heating"

    FLOW_C: ClassVar[Decimal] = Decimal(62)
    RETURN_C: ClassVar[Decimal] = Decimal(41)

    def items(self, now: datetime) -> Sequence[Item]:
        counter = self.meter.counter
        kwh_per_m3 = KWH_PER_M3_K * (self.FLOW_C - self.RETURN_C)
        due = month_start(now)
        flow_c = temperature(self.meter.seed + "/flow", now, self.FLOW_C, Decimal(4))
        return_c = temperature(self.meter.seed + "/return", now, self.RETURN_C, Decimal(2))
        return (
            (bytes.fromhex("0C06"), scaled(counter.at(now), 0)),
            (bytes.fromhex("0C13"), scaled(counter.at(now) / kwh_per_m3, -3)),
            (bytes.fromhex("0B2D"), scaled(counter.per_hour(now), -1)),
            (bytes.fromhex("0B3B"), scaled(counter.per_hour(now) / kwh_per_m3, -3)),
            (bytes.fromhex("0A5A"), scaled(flow_c, -1)),
            (bytes.fromhex("0A5E"), scaled(return_c, -1)),
            (bytes.fromhex("046D"), meter_time(now)),
            (bytes.fromhex("426C"), meter_date(due)),
            (bytes.fromhex("4C06"), scaled(counter.at(due), 0)),
            (bytes.fromhex("02FD17"), 0),
        )
