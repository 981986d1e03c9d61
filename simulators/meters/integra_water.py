"""Water meters of INTEGRA Metering: Aquametro's TOPAS ES KR (AMT) and the Aquastream (IMT), security mode 5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final

from simulators.consumption import month_start, temperature
from simulators.meters.mode_5 import Mode5Meter
from simulators.meters.model import Item, SimulatedMeter, meter_date, meter_time, scaled

BATTERY_DAYS: Final = 16 * 365
"""A new battery's life; what is left of it is sent."""

BACKWARD_SHARE: Final = Decimal("0.002")
"""A little always flows back through a check valve."""


def _year_start(now: datetime) -> datetime:
    return month_start(now).replace(month=1)


def _battery_days(meter: SimulatedMeter, now: datetime) -> int:
    return max(0, BATTERY_DAYS - (now - meter.counter.since) // timedelta(days=1))


def _topas(meter: SimulatedMeter, now: datetime) -> Sequence[Item]:
    counter, year, month = meter.counter, _year_start(now), month_start(now)
    return (
        (bytes.fromhex("046D"), meter_time(now)),
        (bytes.fromhex("0413"), scaled(counter.at(now), -3)),
        (bytes.fromhex("023B"), scaled(counter.per_hour(now), -3)),
        (bytes.fromhex("0259"), temperature(meter.seed + "/water", now, Decimal(11), Decimal(1))),
        (bytes.fromhex("4413"), scaled(counter.at(year), -3)),
        (bytes.fromhex("C41013"), scaled(counter.at(year) * BACKWARD_SHARE, -3)),
        (bytes.fromhex("426C"), meter_date(year)),
        (bytes.fromhex("C40113"), scaled(counter.at(month), -3)),
        (bytes.fromhex("C4016D"), meter_time(month)),
        (bytes.fromhex("02FD74"), _battery_days(meter, now)),
    )


def _aquastream(meter: SimulatedMeter, now: datetime) -> Sequence[Item]:
    counter, year = meter.counter, _year_start(now)
    return (
        (bytes.fromhex("0413"), scaled(counter.at(now), -3)),
        (bytes.fromhex("046D"), meter_time(now)),
        (bytes.fromhex("4413"), scaled(counter.at(year), -3)),
        (bytes.fromhex("426C"), meter_date(year)),
        (bytes.fromhex("02FD17"), 0),
        (bytes.fromhex("841013"), scaled(counter.at(now) * BACKWARD_SHARE, -3)),
        (bytes.fromhex("02FD74"), _battery_days(meter, now)),
    )


_ITEMS: Final[dict[str, Callable[[SimulatedMeter, datetime], Sequence[Item]]]] = {"AMT": _topas, "IMT": _aquastream}
"""Manufacturer to what its meters send."""


class IntegraWater(Mode5Meter):
    """Volume forward and backward, flow, water temperature, due values and remaining battery life.

    Not simulated: error flags, the due date that a customer can choose (the year's beginning is sent).
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x06, 0x07})
    MANUFACTURERS: ClassVar[tuple[str, ...]] = tuple(_ITEMS)

    def items(self, now: datetime) -> Sequence[Item]:
        return _ITEMS[self.meter.address.manufacturer](self.meter, now)
