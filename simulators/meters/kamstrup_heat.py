"""A Kamstrup MULTICAL heat meter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

from simulators.consumption import month_start, temperature
from simulators.meters.kamstrup import KamstrupMeter
from simulators.meters.model import Item, meter_date, scaled

KWH_PER_M3_K: Final = Decimal("1.15")
"""Heat that one cubic metre of water gives off for each kelvin that it cools down."""


class KamstrupHeat(KamstrupMeter):
    """Energy, volume, flow, temperatures and last month's values (format signature B34D).

    Energy and volume fit each other at the mean temperature difference; the momentary temperatures swing around it.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x04, 0x0C, 0x0D})
    CURVE: ClassVar[str] = "heating"

    FLOW_C: ClassVar[Decimal] = Decimal(68)
    RETURN_C: ClassVar[Decimal] = Decimal(38)

    def items(self, now: datetime) -> Sequence[Item]:
        counter = self.meter.counter
        kwh_per_m3 = KWH_PER_M3_K * (self.FLOW_C - self.RETURN_C)
        energy, due_energy = counter.at(now), counter.at(month_start(now))
        volume = energy / kwh_per_m3
        return (
            (bytes.fromhex("0406"), scaled(energy, 0)),
            (bytes.fromhex("04FF07"), int(volume * self.FLOW_C)),
            (bytes.fromhex("04FF08"), int(volume * self.RETURN_C)),
            (bytes.fromhex("0414"), scaled(volume, -2)),
            (bytes.fromhex("043B"), scaled(counter.per_hour(now) / kwh_per_m3, -3)),
            (bytes.fromhex("0259"), temperature(self.meter.seed + "/flow", now, self.FLOW_C, Decimal(4))),
            (bytes.fromhex("025D"), temperature(self.meter.seed + "/return", now, self.RETURN_C, Decimal(2))),
            (bytes.fromhex("04FF22"), self.meter.status),
            (bytes.fromhex("026C"), meter_date(now)),
            (bytes.fromhex("4406"), scaled(due_energy, 0)),
            (bytes.fromhex("4414"), scaled(due_energy / kwh_per_m3, -2)),
            (bytes.fromhex("426C"), meter_date(month_start(now))),
        )
