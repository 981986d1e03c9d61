"""Plausible consumption: a day's curve, a week's pattern, and a counter that only grows.

Everything is a pure function of the time, in exact decimals: the same meter asked twice for the same moment says the
same, in whatever order it is asked.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

DAY_CURVES: Final[dict[str, tuple[int, ...]]] = {
    "household": (1, 1, 1, 1, 1, 3, 9, 12, 9, 5, 4, 4, 6, 5, 3, 3, 4, 7, 10, 11, 9, 7, 4, 2),
    "heating": (4, 4, 4, 4, 5, 8, 11, 11, 9, 7, 6, 5, 5, 5, 5, 6, 7, 8, 9, 9, 8, 7, 5, 4),
    "steady": (1,) * 24,
}
"""Share of each hour in a day's consumption, as weights."""

_EPOCH: Final = datetime(2000, 1, 3, tzinfo=UTC)
"""A Monday, so that the week's pattern starts with one."""

_DAY: Final = timedelta(days=1)
_HOUR_US: Final = Decimal(3_600_000_000)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Consumption:
    """A counter: what it showed at `since`, how much a day adds on average, and how that is spread.

    `weekdays` are seven factors whose mean is 1, Monday first.
    """

    since: datetime
    start_value: Decimal
    per_day: Decimal
    curve: str = "household"
    weekdays: tuple[Decimal, ...] = (Decimal(1),) * 7

    @classmethod
    def seeded(
        cls, rng: random.Random, since: datetime, start_value: Decimal, per_day: Decimal, curve: str
    ) -> Consumption:
        """Build with a week's pattern that differs from meter to meter."""
        weights = [Decimal(rng.randint(70, 130)) for _ in range(7)]
        mean = sum(weights, Decimal(0)) / 7
        return cls(since, start_value, per_day, curve, tuple(weight / mean for weight in weights))

    def at(self, now: datetime) -> Decimal:
        """Return the counter's value; it never falls as time goes on, and never below zero."""
        grown = self.per_day * (self._days(now) - self._days(self.since))
        return max(self.start_value + grown, Decimal(0))

    def per_hour(self, now: datetime) -> Decimal:
        """Return how fast the counter runs at this moment, in units an hour."""
        whole, rest = divmod(now - _EPOCH, _DAY)
        weights = DAY_CURVES[self.curve]
        return self.per_day * self.weekdays[whole % 7] * weights[rest // timedelta(hours=1)] / sum(weights)

    def _days(self, now: datetime) -> Decimal:
        """Days since the epoch, each stretched by its weekday and bent by the day's curve."""
        whole, rest = divmod(now - _EPOCH, _DAY)
        weights = DAY_CURVES[self.curve]
        hour, within = divmod(rest, timedelta(hours=1))
        passed = sum(weights[:hour]) + weights[hour] * Decimal(within // _MICROSECOND) / _HOUR_US
        return whole // 7 * 7 + sum(self.weekdays[: whole % 7]) + self.weekdays[whole % 7] * passed / sum(weights)


def month_start(now: datetime) -> datetime:
    """Return the beginning of the month, when meters file their due values."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def temperature(seed: str, now: datetime, mean: Decimal, swing: Decimal) -> Decimal:
    """Return a temperature that goes up and down around its mean once a day, two digits behind the point."""
    minutes = now.hour * 60 + now.minute
    # A triangle instead of a sine: the same on every platform.
    triangle = Decimal(abs(minutes - 720) - 360) / 360
    offset = Decimal(random.Random(f"{seed}/{now:%Y-%m-%d}").randint(-50, 50)) / 100
    return (mean - swing * triangle + offset).quantize(Decimal("0.01"))
