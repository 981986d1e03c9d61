"""BFW 240 radio: a heat cost allocator with a fixed payload in the place of records."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from protocols.errors import Truncated
from protocols.mbus.values import bcd
from protocols.model import Quality
from protocols.profiles.payloads.layout import NO_DATE, calendar_date, counted
from protocols.profiles.payloads.model import Item, Payload, behind_fillers

SIZE = 38
"""Bytes behind the check bytes 2F 2F."""

_PREVIOUS = slice(2, 4)
_CURRENT = slice(4, 6)
_MONTHS = range(8, 35, 3)
"""Groups of three bytes with an older and a newer month, 12 bits each, oldest group first."""

_NO_MONTH = 0xFFF
"""Twelve bits that were never written."""

_DATE = slice(35, 38)


def decode_bfw_240(plain: bytes, start: int, end: int) -> Payload:
    """Counts of both billing periods, counts at the last eighteen ends of months, the meter's date."""
    start = behind_fillers(plain, start, end)
    if end - start < SIZE:
        return Payload(problem=Truncated("BFW 240 payload ends before its date", layer="records", offset=end))
    return Payload(
        (
            _count("previous_period_hca_units", plain, start, _PREVIOUS, storage=1),
            _count("hca_units", plain, start, _CURRENT),
            *_history(plain, start),
            _meter_date(plain, start),
        )
    )


def _count(name: str, plain: bytes, start: int, place: slice, storage: int = 0) -> Item:
    first, last = start + place.start, start + place.stop
    count, quality = counted(plain[first:last][::-1], Decimal(1))
    return Item(name, "hca_units", count, "", first, last, quality, storage=storage)


def _history(plain: bytes, start: int) -> Iterator[Item]:
    number = 2 * len(_MONTHS)
    for offset in _MONTHS:
        at = start + offset
        low, both, newer = plain[at : at + 3]
        yield _month(number, (both & 0xF0) << 4 | low, at, at + 2)
        yield _month(number - 1, (both & 0x0F) << 8 | newer, at + 2, at + 3)
        number -= 2


def _month(number: int, count: int, start: int, end: int) -> Item:
    value, quality = (None, Quality.NOT_AVAILABLE) if count == _NO_MONTH else (Decimal(count), Quality.GOOD)
    return Item(f"history_{number}_hca_units", "hca_units", value, "", start, end, quality, storage=number)


def _meter_date(plain: bytes, start: int) -> Item:
    first, last = start + _DATE.start, start + _DATE.stop
    day, month, year = (bcd(plain[place : place + 1]) for place in range(first, last))
    value, quality = NO_DATE
    if day is not None and month is not None and year is not None:
        value, quality = calendar_date(2000 + year, month, day)
    return Item("meter_date", "date", value, "", first, last, quality)
