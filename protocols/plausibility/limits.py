"""What is plausible: the most that meters count in an hour, how far a clock may be off, which dates may lie ahead.

All of it is generous: a finding must be worth a technician's look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

CLOCK_TOLERANCE: Final = timedelta(hours=26)
"""A meter's clock runs on local time of a zone that it does not tell: at most 14 hours from UTC, and half a day off."""

EARLIEST_YEAR: Final = 1990
"""No meter with radio or bus remembers anything older."""

FUTURE_OF_THE_PAST: Final = timedelta(days=2)
"""How far a date of something that has happened may lie ahead: zones, and a clock that is a little fast."""

FUTURE: Final = timedelta(days=400)
"""How far any other date may lie ahead: a due date to come is at most a year away."""

HAPPENED: Final = (
    "error_",
    "history_",
    "installation_",
    "last_",
    "leak_",
    "maximum_",
    "minimum_",
    "month_end_",
    "previous_period_",
    "reading_",
    "seal_broken_",
    "tamper_",
)
"""How the names of dates begin that cannot lie ahead."""

SAME_TRANSMISSION: Final = timedelta(seconds=5)
"""Two receivers hand over one transmission within this time."""

REPEATER_DELAY: Final = timedelta(seconds=30)
"""A repeater sends a telegram again within 5 to 25 seconds (OMS Vol. 2, 8)."""

SHORTEST_INTERVAL: Final = timedelta(seconds=2)
"""No meter sends more often for long; so long takes an access number for each step forward."""

STEPS_BACK_WITHOUT_TIME: Final = 16
"""Without receive times an access number counts as gone back by at most so many steps; more may be a long gap."""

SHORTEST_TIME: Final = timedelta(minutes=1)
"""Meters measure less often than they send, and round: consumption is judged over no less than this."""

SECONDS_AN_HOUR: Final = 3600

ROLLOVER_FROM, ROLLOVER_TO = Decimal("0.99"), Decimal("0.01")
"""A register that was filled to the first part of its range and now holds less than the second has run over."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What is plausible for a total: the most in an hour, by device type and in all, and what one count stands for.

    `counts_an_hour` bounds it by the register's own resolution, as a register of litres belongs to a small meter, but
    never below `never_below`. `resets` is set for counts that start anew every year.
    """

    an_hour: Decimal
    by_medium: Mapping[str, Decimal]
    counts_an_hour: int
    never_below: Decimal
    resets: bool = False

    def most_in_an_hour(self, value: Decimal, medium: str) -> Decimal:
        """The most that a meter of this device type counts in an hour, given a value at its register's resolution."""
        exponent = value.as_tuple().exponent
        step = Decimal(1).scaleb(min(0, exponent)) if isinstance(exponent, int) else Decimal(1)
        bound = max(self.counts_an_hour * step, self.never_below)
        return min(bound, self.by_medium.get(medium, self.an_hour))

    def never_too_much(self, medium: str) -> Decimal:
        """What the total may rise by from one telegram to the next, whatever the register and the time between."""
        most = min(self.never_below, self.by_medium.get(medium, self.an_hour))
        return most * Decimal(SHORTEST_TIME.total_seconds()) / SECONDS_AN_HOUR


_WATER: Final = ("water", "cold water", "warm water", "hot water", "dual water", "irrigation water", "waste water")
_HEAT: Final = ("heat", "heat (inlet)", "heat/cooling", "cooling", "cooling (inlet)")

_KWH: Final = Counter(
    an_hour=Decimal(200_000),
    by_medium={"electricity": Decimal(100_000)},
    counts_an_hour=1_000_000,
    never_below=Decimal(1_000),
)

COUNTERS: Final[Mapping[tuple[str, str], Counter]] = {
    ("volume", "m3"): Counter(
        an_hour=Decimal(25_000),
        by_medium={**dict.fromkeys(_WATER, Decimal(2_500)), **dict.fromkeys(_HEAT, Decimal(5_000))},
        counts_an_hour=300_000,
        never_below=Decimal(100),
    ),
    ("energy", "kWh"): _KWH,
    ("energy", "MJ"): Counter(Decimal(720_000), {}, 1_000_000, Decimal(3_600)),
    ("mass", "kg"): Counter(Decimal(1_000_000), {}, 1_000_000, Decimal(100_000)),
    ("hca_units", ""): Counter(Decimal(1_000), {}, 1_000, Decimal(1_000), resets=True),
}
"""By quantity and unit. Meters of the largest sizes count 25,000 m³ of gas or 2,500 m³ of water an hour."""
