"""What one telegram alone shows, without any before it: error state, dates, the meter's clock, a hop on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from protocols.mbus.datetypes import Timed, date_g, datetime_f, datetime_i
from protocols.model import Finding, FindingKind, Function, Quality, Reading, Status, Value
from protocols.plausibility.limits import (
    CLOCK_TOLERANCE,
    EARLIEST_YEAR,
    FUTURE,
    FUTURE_OF_THE_PAST,
    HAPPENED,
)

ERROR_BITS = 0x18
"""Permanent and temporary error in the status byte (EN 13757-7, 7.5.4)."""

REPEATED = Finding(FindingKind.REPEATED_BY_HOP, "a repeater sent this telegram again")

DATE_QUANTITIES = frozenset({"date", "datetime"})
_CLOCKS = frozenset({"meter_datetime", "meter_date", "datetime"})
_ERRORS = ((0x08, "permanent_error"), (0x10, "temporary_error"))
"""By bit, with the name that the standard gives it: a maker may have given it another meaning."""

_EVERY_YEAR = 127
_EVERY_MONTH = 15
_EVERY_HOUR = 31
_EVERY_MINUTE = 63
_TYPES: Final[dict[int, tuple[Callable[[bytes], Timed], int, int | None]]] = {
    2: (date_g, 0, None),
    4: (datetime_f, 2, 0),
    6: (datetime_i, 3, 1),
}
"""Types G, F and I by length, with where day and minute stand; the month follows the day, the hour the minute."""


def error_remark(status: Status) -> Finding | None:
    """What a status byte says against all values of its telegram."""
    raw = status.raw or 0
    words = [word.replace("_", " ") for bit, word in _ERRORS if raw & bit and word in status.flags]
    return (
        Finding(FindingKind.ERROR_STATE, f"read while the meter reports a {' and a '.join(words)}") if words else None
    )


def is_clock(reading: Reading) -> bool:
    """Whether a date reading is the meter's own clock."""
    in_place = not (reading.storage or reading.tariff or reading.subunit)
    return reading.name in _CLOCKS and in_place and reading.function is Function.INSTANTANEOUS


def date_remark(
    name: str, value: Value, quality: Quality, data: bytes, received_at: datetime | None, *, clock: bool
) -> Finding | None:
    """What is wrong with a date; `data` are its bytes, `received_at` is aware or None."""
    if value is None:
        if quality is Quality.INVALID and impossible_date(data):
            return Finding(FindingKind.IMPOSSIBLE_DATE, f"{name} is no date of the calendar ({data.hex().upper()})")
        return None
    if not isinstance(value, date) or quality is not Quality.GOOD:
        return None
    if value.year < EARLIEST_YEAR:
        return Finding(FindingKind.IMPOSSIBLE_DATE, f"{name} is {value.isoformat()}, before {EARLIEST_YEAR}")
    if received_at is None:
        return None
    at = received_at.astimezone(UTC).replace(tzinfo=None)
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if clock:
        # A date without time stands for the whole of its day.
        tolerance = CLOCK_TOLERANCE if isinstance(value, datetime) else 2 * CLOCK_TOLERANCE
        if abs(moment - at) > tolerance:
            detail = f"{name} is {value.isoformat()}, the telegram was received {at.isoformat(timespec='seconds')} UTC"
            return Finding(FindingKind.CLOCK_FAR_OFF, detail)
        return None
    if moment - at > (FUTURE_OF_THE_PAST if name.startswith(HAPPENED) else FUTURE):
        detail = f"{name} is {value.isoformat()}, later than the telegram ({at.date().isoformat()})"
        return Finding(FindingKind.IMPOSSIBLE_DATE, detail)
    return None


@lru_cache(maxsize=4096)
def impossible_date(data: bytes) -> bool:
    """Whether the bytes of type F, G or I name a day, month or year that no calendar has.

    Patterns that stand for "none" or "every" are not impossible: all ones, day 0, month 0 or 15, year 127, hour 31,
    minute 63.
    """
    if len(data) not in _TYPES or data.count(0xFF) == len(data):
        return False
    read, day_at, minute_at = _TYPES[len(data)]
    if read(data)[0] is not None:
        return False
    if minute_at is not None and (data[minute_at] & 0x3F == _EVERY_MINUTE or data[minute_at + 1] & 0x1F == _EVERY_HOUR):
        return False
    day, month = data[day_at] & 0x1F, data[day_at + 1] & 0x0F
    year = data[day_at] >> 5 | (data[day_at + 1] & 0xF0) >> 1
    return bool(day) and month not in (0, _EVERY_MONTH) and year != _EVERY_YEAR
