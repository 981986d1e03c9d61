"""Techem: heat cost allocators, water and heat meters and smoke detectors behind CI A0 to A2.

Most send the count at the end of the previous billing period and the count since then. What follows those, a history
of half months, is read for MK Radio 3a alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from protocols.errors import Truncated
from protocols.model import Quality, Value
from protocols.profiles.payloads.layout import NO_SIGNED_16, Coding, Field, Read, calendar_date, counted, read_fields
from protocols.profiles.payloads.model import Item, Payload

VERSION = 8
"""Offset in the frame of the device version, which some layouts depend on."""

_PREVIOUS_DATE = slice(1, 3)
_TENTH = Decimal("0.1")
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class _Layout:
    """A payload of two billing periods: previous and current count first, then what else there is.

    `day` gives the place of the current day within the payload; `total` names the sum of both counts.
    """

    name: str
    fields: Sequence[Field]
    day: Callable[[bytes, int], tuple[slice, Read]]
    total: str = ""


def date_in_word(data: bytes) -> Read:
    """Read a whole date: day in bits 0-4, month in 5-8, year since 2000 in 9-15."""
    word = int.from_bytes(data, "little")
    if not word:
        return None, Quality.NOT_AVAILABLE
    return calendar_date(2000 + (word >> 9), word >> 5 & 0x0F, word & 0x1F)


def date_behind(previous: Value, month: int, day: int) -> Read:
    """Complete a date that is sent without its year: the first such day behind the end of the previous period."""
    if not isinstance(previous, date):
        return None, Quality.NOT_AVAILABLE
    return calendar_date(previous.year + ((month, day) <= (previous.month, previous.day)), month, day)


def _day_in_word(body: bytes, version: int) -> tuple[slice, Read]:
    """Day in bits 4-8, month in bits 9-12 of the word at 5."""
    place = slice(5, 7)
    word = int.from_bytes(body[place], "little")
    return place, date_behind(date_in_word(body[_PREVIOUS_DATE])[0], word >> 9 & 0x0F, word >> 4 & 0x1F)


_DAY_OF_HEAT_METER: Mapping[int, int] = {0x27: 10, 0x45: 10, 0x71: 10, 0x22: 11, 0x39: 11, 0x57: 11}
"""Where heat meters send the day, by version; the month is in byte 6."""


def _day_of_heat_meter(body: bytes, version: int) -> tuple[slice, Read]:
    """Month in bits 3-6 of byte 6, day in bits 7-11 of a word of its own."""
    offset = _DAY_OF_HEAT_METER.get(version, 11)
    place = slice(offset, offset + 2)
    month = body[6] >> 3 & 0x0F if len(body) > 6 else 0
    day = int.from_bytes(body[place], "little") >> 7 & 0x1F
    return place, date_behind(date_in_word(body[_PREVIOUS_DATE])[0], month, day)


def _heat_fields(unit: str) -> tuple[Field, ...]:
    return (
        Field("previous_period_energy", "energy", 3, 3, unit, Decimal(1), storage=1),
        Field("current_period_energy", "energy", 7, 3, unit, Decimal(1)),
    )


_ALLOCATOR_COUNTS = (
    Field("previous_period_hca_units", "hca_units", 3, 2, scale=Decimal(1), storage=1),
    Field("hca_units", "hca_units", 7, 2, scale=Decimal(1)),
)
_ALLOCATOR = _Layout("allocator payload", _ALLOCATOR_COUNTS, _day_in_word)


def _allocator_with_sensors(offset: int) -> _Layout:
    sensors = (
        Field("room_temperature", "external_temperature", offset, 2, "C", _HUNDREDTH, Coding.SIGNED, NO_SIGNED_16),
        Field("radiator_temperature", "flow_temperature", offset + 2, 2, "C", _HUNDREDTH, Coding.SIGNED, NO_SIGNED_16),
    )
    return _Layout(_ALLOCATOR.name, (*_ALLOCATOR_COUNTS, *sensors), _day_in_word)


_ALLOCATORS: Mapping[int, _Layout] = {0x69: _allocator_with_sensors(9), 0x94: _allocator_with_sensors(10)}
"""Allocators that send what their sensors measure, by version."""

_WATER = _Layout(
    "water meter payload",
    (
        Field("previous_period_volume", "volume", 3, 2, "m3", _TENTH, storage=1),
        Field("current_period_volume", "volume", 7, 2, "m3", _TENTH),
    ),
    _day_in_word,
    total="total_volume",
)
_HEAT_KWH = _Layout("heat meter payload", _heat_fields("kWh"), _day_of_heat_meter, total="total_energy")
_HEAT_MJ = _Layout("heat meter payload", _heat_fields("MJ"), _day_of_heat_meter, total="total_energy")


def decode_allocator(plain: bytes, start: int, end: int) -> Payload:
    """FHKV radio, data II and data III: counts of two billing periods, temperatures from data III on."""
    return _two_periods(plain, start, end, _ALLOCATORS.get(_version(plain), _ALLOCATOR))


def decode_water(plain: bytes, start: int, end: int) -> Payload:
    """MK Radio 3 and 4: volumes of two billing periods."""
    return _two_periods(plain, start, end, _WATER)


def decode_heat_kwh(plain: bytes, start: int, end: int) -> Payload:
    """Compact V, Ve and vario 3: energies of two billing periods."""
    return _two_periods(plain, start, end, _HEAT_KWH)


def decode_heat_mj(plain: bytes, start: int, end: int) -> Payload:
    """Vario 4 type 4.5.1: the same counted in MJ."""
    return _two_periods(plain, start, end, _HEAT_MJ)


def _version(plain: bytes) -> int:
    return plain[VERSION] if len(plain) > VERSION else 0


def _two_periods(plain: bytes, start: int, end: int, layout: _Layout) -> Payload:
    counts = read_fields(layout.fields, plain, start, end, layout.name)
    body = plain[start:end]
    place, current = layout.day(body, _version(plain))
    items = list(counts.items)
    if len(body) >= _PREVIOUS_DATE.stop:
        previous = date_in_word(body[_PREVIOUS_DATE])
        items.append(_dated("previous_period_date", previous, start, _PREVIOUS_DATE, storage=1))
    if len(body) >= place.stop:
        items.append(_dated("current_period_date", current, start, place))
    items.sort(key=_start)
    if layout.total and counts.problem is None:
        items.append(_total(layout.total, *counts.items))
    return Payload(tuple(items), problem=counts.problem)


def _dated(name: str, dated: Read, start: int, place: slice, storage: int = 0) -> Item:
    value, quality = dated
    return Item(name, "date", value, "", start + place.start, start + place.stop, quality, storage=storage)


def _start(item: Item) -> int:
    return item.start


def _total(name: str, previous: Item, current: Item) -> Item:
    counts = [item.value for item in (previous, current) if isinstance(item.value, Decimal)]
    both = len(counts) == 2
    total, quality = (sum(counts, Decimal(0)), Quality.GOOD) if both else (None, Quality.NOT_AVAILABLE)
    return Item(name, current.quantity, total, current.unit, previous.start, current.end, quality)


_3A_DATE = slice(2, 4)
_3A_TOTAL = slice(4, 7)
_3A_HISTORY = 7
_3A_MONTHS = 12
_3A_SECOND_HALF_FROM = 16
"""From this day of the month on, both halves of the running month stand in the first group."""


def decode_mk_radio_3a(plain: bytes, start: int, end: int) -> Payload:
    """MK Radio 3a: date, total, and the consumption of the running month and of the eleven before it."""
    body = plain[start:end]
    if len(body) < _3A_TOTAL.stop:
        return Payload(problem=Truncated("water meter payload ends before its total", layer="records", offset=end))
    today = date_in_word(body[_3A_DATE])
    total, quality = counted(body[_3A_TOTAL], _TENTH)
    items = [
        _dated("meter_date", today, start, _3A_DATE),
        Item("total_volume", "volume", total, "m3", start + _3A_TOTAL.start, start + _3A_TOTAL.stop, quality),
    ]
    day = today[0]
    if not isinstance(day, date):
        return Payload(tuple(items), notes=("without the meter's date its half months cannot be told apart",))
    items += _months(body, start, day.day < _3A_SECOND_HALF_FROM)
    if len(body) < _3A_HISTORY + 3 * _3A_MONTHS:
        message = "water meter payload ends inside its history"
        return Payload(tuple(items), problem=Truncated(message, layer="records", offset=end))
    return Payload(tuple(items))


def _months(body: bytes, start: int, in_first_half: bool) -> Iterator[Item]:
    """Add up half months, youngest first: two bytes in every group of three, the first byte of which is unknown.

    In the first half of a month there is one half of it so far, and every other month lies in two groups.
    """
    halves = [_3A_HISTORY + 3 * group + offset for group in range(_3A_MONTHS) for offset in (1, 2)]
    for month in range(_3A_MONTHS):
        newest = 2 * month - in_first_half
        first, last = halves[max(newest, 0)], halves[newest + 1]
        if last >= len(body):
            return
        tenths = body[last] if first == last else body[first] + body[last]
        name = f"month_{month}_volume" if month else "current_month_volume"
        yield Item(name, "volume", tenths * _TENTH, "m3", start + first, start + last + 1, storage=month)


_SMOKE_STATES: Mapping[int, tuple[str, ...]] = {0: (), 1: ("smoke",)}
_SMOKE_DATES = (("previous_period_date", _PREVIOUS_DATE, 1), ("meter_date", slice(3, 5), 0))


def decode_smoke_detector(plain: bytes, start: int, end: int) -> Payload:
    """TSD2: what the detector says, and two dates.

    The state is worth having alone: a payload that ends behind it is complete, with no dates.
    """
    if start >= end:
        return Payload(problem=Truncated("smoke detector payload is empty", layer="records", offset=end))
    body = plain[start:end]
    items = [Item("info_code", "info_code", body[0], "", start, start + 1)]
    missing = []
    for name, place, storage in _SMOKE_DATES:
        if len(body) >= place.stop:
            items.append(_dated(name, date_in_word(body[place]), start, place, storage))
        else:
            missing.append(name.replace("_", " "))
    notes = (f"the payload ends before {' and '.join(missing)}",) if missing else ()
    return Payload(tuple(items), _SMOKE_STATES.get(body[0], (f"code_{body[0]}",)), notes=notes)
