"""Dates and times as meters send them: data types F, G, I and J (EN 13757-3, Annex A).

They are naive: a meter's clock runs on its own local time, and no record says which that is.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final

from protocols.model import Quality

Timed = tuple[date | datetime | time | None, Quality]
"""What a date field gives: None where a part is "every", unspecified or impossible."""

_INVALID: Final[Timed] = (None, Quality.INVALID)

LAST_2000_YEAR = 80
"""Two-digit years up to this one are 20xx, the others 19xx."""


def year_of(two_digits: int, century: int = 0) -> int | None:
    """Return the year of the seven-bit year field; None for 100-127, of which 127 is "every year".

    `century` is type F's hundred-year field, counted from 1900; meters that know nothing of it send 0.
    """
    if two_digits > 99:
        return None
    if century:
        return 1900 + 100 * century + two_digits
    return (2000 if two_digits <= LAST_2000_YEAR else 1900) + two_digits


def _joined_year(day_byte: int, month_byte: int) -> int:
    return day_byte >> 5 | (month_byte & 0xF0) >> 1


def date_g(data: bytes) -> Timed:
    """Read type G: day and month with the year's bits above both; 2 bytes."""
    year = year_of(_joined_year(data[0], data[1]))
    if year is None:
        return _INVALID
    try:
        return date(year, data[1] & 0x0F, data[0] & 0x1F), Quality.GOOD
    except ValueError:
        return _INVALID


def datetime_f(data: bytes) -> Timed:
    """Read type F: minute, hour, day, month, year; 4 bytes.

    A set IV bit says that the clock was not set: the time is kept, with quality invalid.
    """
    year = year_of(_joined_year(data[2], data[3]), data[1] >> 5 & 3)
    if year is None:
        return _INVALID
    try:
        at = datetime(year, data[3] & 0x0F, data[2] & 0x1F, data[1] & 0x1F, data[0] & 0x3F)  # noqa: DTZ001
    except ValueError:
        return _INVALID
    return at, Quality.INVALID if data[0] & 0x80 else Quality.GOOD


def datetime_i(data: bytes) -> Timed:
    """Read type I: second, minute, hour, day, month, year, week; 6 bytes. IV as in type F."""
    year = year_of(_joined_year(data[3], data[4]))
    if year is None:
        return _INVALID
    try:
        at = datetime(  # noqa: DTZ001
            year, data[4] & 0x0F, data[3] & 0x1F, data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F
        )
    except ValueError:
        return _INVALID
    return at, Quality.INVALID if data[1] & 0x80 else Quality.GOOD


def time_j(data: bytes) -> Timed:
    """Read type J: second, minute, hour; 3 bytes. All zero is midnight, as the 2018 edition has it."""
    try:
        return time(data[2], data[1], data[0]), Quality.GOOD
    except ValueError:
        return _INVALID


def encode_g(day: date) -> bytes:
    """Build type G; `ValueError` for years that it cannot tell."""
    low, high = _split_year(day.year)
    return bytes((low << 5 | day.day, high << 4 | day.month))


def encode_f(at: datetime) -> bytes:
    """Build type F with its hundred-year field; `ValueError` for years before 1981 and after 2299.

    Seconds are not part of the type.
    """
    century, two_digits = divmod(at.year - 1900, 100)
    if not 0 <= century <= 3 or year_of(two_digits, century) != at.year:
        raise ValueError(f"year {at.year} does not fit date type F (1981 to 2299)")
    low, high = two_digits & 7, two_digits >> 3
    return bytes((at.minute, century << 5 | at.hour, low << 5 | at.day, high << 4 | at.month))


def encode_i(at: datetime) -> bytes:
    """Build type I with day and number of the week, no summer time; `ValueError` for years that it cannot tell."""
    low, high = _split_year(at.year)
    leap = at.year % 4 == 0 and (at.year % 100 != 0 or at.year % 400 == 0)
    _, week, weekday = at.isocalendar()
    return bytes(
        (
            leap << 7 | at.second,
            at.minute,
            weekday << 5 | at.hour,
            low << 5 | at.day,
            high << 4 | at.month,
            week,
        )
    )


def encode_j(at: time) -> bytes:
    """Build type J."""
    return bytes((at.second, at.minute, at.hour))


def _split_year(year: int) -> tuple[int, int]:
    two_digits = year % 100
    if year_of(two_digits) != year:
        raise ValueError(f"year {year} does not fit the date type (1981 to 2080)")
    return two_digits & 7, two_digits >> 3
