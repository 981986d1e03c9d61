"""Compact profiles: a series of values in one record, spread out into records of their own (EN 13757-3, Annex F)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum

from protocols.mbus.header import RecordHeader, interpret
from protocols.mbus.tables import DATA_FIELDS, Coding, DataField, Form
from protocols.mbus.tables_vife import INVERSE_COMPACT_PROFILE, PROFILES
from protocols.mbus.values import raw_number, scale
from protocols.model import Function, Quality, Record
from protocols.plural import counted

FIRST_ELEMENT = 3
"""LVAR, control and spacing byte stand before the first element."""

EXTENSION = 0x80
LAST_SPACING_NUMBER = 250
_HALF_MONTH = 253
_NAMED = 254


class Increment(IntEnum):
    """Control bits 7-6: what an element is, relative to its older neighbour."""

    ABSOLUTE = 0
    INCREASE = 1
    DECREASE = 2
    DIFFERENCE = 3


_DAY = timedelta(days=1)
_STEPS = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), _DAY)
"""Control bits 5-4: the unit of the spacing byte."""

_NAMED_MONTHS: dict[tuple[int, int], float] = {
    (_HALF_MONTH, 3): 0.5,
    (_NAMED, 3): 1,
    (_NAMED, 2): 3,
    (_NAMED, 1): 6,
}
"""Spacing byte and unit that together mean months."""

Running = Decimal | int | None


@dataclass(frozen=True, slots=True)
class _Profile:
    """A profile record taken apart."""

    record: Record
    header: RecordHeader
    increment: Increment
    unit: int
    spacing: int
    element: DataField

    @property
    def direction(self) -> int:
        return -1 if self.header.profile == INVERSE_COMPACT_PROFILE else 1

    @property
    def left_over(self) -> int:
        """Bytes after the last element that are less than one."""
        return (len(self.record.data) - FIRST_ELEMENT) % self.element.length

    def elements(self) -> Iterator[tuple[int, bytes]]:
        """Yield offset in the record's data and bytes of every complete element."""
        length = self.element.length
        for at in range(FIRST_ELEMENT, len(self.record.data) - length + 1, length):
            yield at, self.record.data[at : at + length]


def expand_profiles(records: Sequence[Record]) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Return the records that the profiles among `records` hold, indexed after them, and notes on what was left out.

    Each element gives a value record, after a date record where the base time is known, both with the element's
    bytes as their span, its storage number, and `expanded_from`. Elements that the meter marks as unused are None.
    """
    expanded: list[Record] = []
    notes: list[str] = []
    for record in records:
        if PROFILES.isdisjoint(record.modifiers):
            continue
        profile = _take_apart(record)
        if isinstance(profile, str):
            notes.append(f"profile {record.source} is not spread out: {profile}")
            continue
        left = profile.left_over
        if left:
            notes.append(f"profile {record.source} ends inside a value: {counted(left, 'byte')} left over")
        for found in _series(profile, records):
            expanded.append(replace(found, index=len(records) + len(expanded)))
    return tuple(expanded), tuple(notes)


def _take_apart(record: Record) -> _Profile | str:
    """Return the profile, or why it is none."""
    header = interpret(record.header)
    if header.profile is None:
        return "its values are withheld"
    if header.field.form is not Form.VARIABLE:
        return "its data are not of variable length"
    if len(record.data) < FIRST_ELEMENT:
        return "no control and spacing byte"
    control, spacing = record.data[1], record.data[2]
    element = DATA_FIELDS[control & 0x0F]
    unit = control >> 4 & 3
    if element is None or not element.length:
        return f"illegal element type in control byte {control:02X}"
    if spacing == 0:
        return "it is an array without times"
    if spacing > LAST_SPACING_NUMBER and (spacing, unit) not in _NAMED_MONTHS:
        return f"reserved spacing byte {spacing:02X}"
    return _Profile(record, header, Increment(control >> 6), unit, spacing, element)


def _series(profile: _Profile, records: Sequence[Record]) -> Iterator[Record]:
    record = profile.record
    modifiers = tuple(name for name in record.modifiers if name not in PROFILES)
    base_time = _base_time(record, records)
    running = _base_value(profile, modifiers, records)
    for number, (at, data) in enumerate(profile.elements(), start=1):
        running, quality = _next_value(profile, running, data)
        storage = record.storage + number
        start = record.data_start + at
        place = replace(
            record,
            start=start,
            data_start=start,
            end=start + len(data),
            data=data,
            unit=profile.header.unit,
            storage=storage,
            modifiers=modifiers,
            expanded_from=record.index,
        )
        moment = None if base_time is None else _moment(profile, base_time, number)
        if moment is not None:
            quantity = "datetime" if isinstance(moment, datetime) else "date"
            yield replace(
                place, quantity=quantity, unit="", value=moment, quality=Quality.GOOD,
                function=Function.INSTANTANEOUS, modifiers=(),
            )  # fmt: skip
        yield replace(place, value=running, quality=quality)


def _next_value(profile: _Profile, running: Running, data: bytes) -> tuple[Running, Quality]:
    """Return the value of the next element; after an invalid increment nothing more can be summed up."""
    signed = profile.increment in (Increment.ABSOLUTE, Increment.DIFFERENCE)
    if profile.header.coding is Coding.UNSIGNED and profile.increment is Increment.ABSOLUTE:
        signed = False
    raw = raw_number(profile.element, data, signed=signed)
    if raw is None or isinstance(raw, str) or (raw == -1 and _is_unused(profile, data)):
        return None, Quality.NOT_AVAILABLE
    if profile.increment is Increment.ABSOLUTE:
        return scale(profile.header, raw), Quality.GOOD
    if running is None:
        return None, Quality.NOT_AVAILABLE
    change = scale(replace(profile.header, offset=None), raw)
    if (profile.increment is Increment.DECREASE) != (profile.direction < 0):
        change = -change
    return _sum(running, change), Quality.GOOD


def _is_unused(profile: _Profile, data: bytes) -> bool:
    """Tell whether all bits are set in an absolute value of something that only counts up."""
    return (
        profile.increment is Increment.ABSOLUTE
        and profile.header.coding is Coding.COUNTER
        and data.count(0xFF) == len(data)
    )


def _sum(running: Decimal | int, change: Decimal | int) -> Decimal | int:
    if isinstance(running, int) and isinstance(change, int):
        return running + change
    return Decimal(running) + Decimal(change)


def _base_value(profile: _Profile, modifiers: tuple[str, ...], records: Iterable[Record]) -> Running:
    """Find the value before the first element: same registers and VIF as the profile, but no profile.

    The same quantity in another resolution is taken where there is none with the same VIF.
    """
    record = profile.record
    found = [
        other
        for other in records
        if other.quantity == record.quantity
        and other.unit == profile.header.unit
        and other.modifiers == modifiers
        and (other.storage, other.tariff, other.subunit) == (record.storage, record.tariff, record.subunit)
        and other.function is record.function
        and isinstance(other.value, (Decimal, int))
    ]
    vif = _vif_chain(record)
    same = [other for other in found if _vif_chain(other) == vif[:-1]]
    base = next(iter(same or found), None)
    return base.value if base is not None and isinstance(base.value, (Decimal, int)) else None


def _vif_chain(record: Record) -> list[int]:
    """VIF and VIFEs without their extension bits; a profile's last one says that it is a profile."""
    behind_dif = next(at for at, byte in enumerate(record.header) if not byte & EXTENSION) + 1
    return [byte & ~EXTENSION for byte in record.header[behind_dif:]]


def _base_time(record: Record, records: Iterable[Record]) -> date | None:
    """Find the date or date and time of the profile's storage number; its tariff may be another."""
    for other in records:
        if (
            other.storage == record.storage
            and other.quantity in ("date", "datetime")
            and not other.modifiers
            and isinstance(other.value, date)
            and other.quality is Quality.GOOD
        ):
            return other.value
    return None


def _moment(profile: _Profile, base: date, number: int) -> date | None:
    """Return the time of the element `number`; None where it is out of the calendar."""
    months = _NAMED_MONTHS.get((profile.spacing, profile.unit))
    try:
        if months == _NAMED_MONTHS[_HALF_MONTH, 3]:
            return _half_months(base, profile.direction * number)
        if months is not None:
            return _months(base, profile.direction * number * int(months))
        step = _STEPS[profile.unit] * (profile.spacing * number * profile.direction)
        if not isinstance(base, datetime) and profile.unit != len(_STEPS) - 1:
            base = datetime.combine(base, time())
        return base + step
    except (ValueError, OverflowError):
        return None


def _months(base: date, months: int) -> date:
    """Step whole months: from the last of one to the last of another; other days are cut to the month's length."""
    year, month = divmod(base.year * 12 + base.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        raise ValueError(f"year {year} is out of the calendar")
    last = monthrange(year, month + 1)[1]
    at_end = base.day == monthrange(base.year, base.month)[1]
    return base.replace(year=year, month=month + 1, day=last if at_end else min(base.day, last))


def _half_months(base: date, halves: int) -> date | None:
    """Step from the 1st to the 16th and on, or from the 15th to the last of the month.

    Other days of the month do not say where its half is.
    """
    if base.day not in (1, 16):
        following = base + _DAY
        if following.day not in (1, 16):
            return None
        stepped = _half_months(following, halves)
        return None if stepped is None else stepped - _DAY
    months, second = divmod(halves + (base.day == 16), 2)
    return _months(base.replace(day=1), months).replace(day=16 if second else 1)
