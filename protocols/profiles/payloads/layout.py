"""Fixed layouts of proprietary payloads as tables: one row a field, read in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from protocols.errors import Truncated
from protocols.mbus.datetypes import date_g, year_of
from protocols.mbus.values import bcd
from protocols.model import Function, Quality, Value
from protocols.profiles.payloads.model import Item, Payload

Read = tuple[Value, Quality]

NO_DATE: Read = (None, Quality.INVALID)
NO_SIGNED_16 = frozenset((-0x8000,))
"""The lowest number of two signed bytes, which says "no value" (EN 13757-3, Annex A, type B)."""


class Coding(StrEnum):
    """How a field's bytes are read; the least significant byte comes first in all of them."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    BCD = "bcd"
    DATE_G = "date_g"
    DATE_16 = "date_16"
    DATE_BCD = "date_bcd"
    FIXED_8_8 = "fixed_8_8"


@dataclass(frozen=True, slots=True)
class Field:
    """One value at a fixed place: `size` bytes at `offset` from the payload's first byte.

    value = number x `scale`, an int without one. Numbers in `empty`, and those from `empty_from` on, say "no value", as
    do unsigned numbers with a scale whose bits are all set (`is_unset`); a word of bits has no scale.
    Dates are `DATE_G` (type G), `DATE_16` (day in bits 0-4, month in 5-8, year since 2000 in 9-13) or `DATE_BCD`
    (year, month, day). `FIXED_8_8` counts 256ths of the unit.
    """

    name: str
    quantity: str
    offset: int
    size: int
    unit: str = ""
    scale: Decimal | None = None
    coding: Coding = Coding.UNSIGNED
    empty: frozenset[int] = frozenset()
    empty_from: int | None = None
    function: Function = Function.INSTANTANEOUS
    storage: int = 0


def read_fields(fields: Sequence[Field], plain: bytes, start: int, end: int, name: str) -> Payload:
    """Read the fields of the payload called `name` that lie within `start:end`; the first one that does not is the
    payload's problem.
    """
    items: list[Item] = []
    for field in fields:
        if start + field.offset + field.size > end:
            message = f"{name} ends before its {field.name.replace('_', ' ')}"
            return Payload(tuple(items), problem=Truncated(message, layer="records", offset=end))
        items.append(read_field(field, plain, start))
    return Payload(tuple(items))


def read_field(field: Field, plain: bytes, start: int) -> Item:
    """Read one field of the payload that begins at `start`; its bytes must be there."""
    first = start + field.offset
    last = first + field.size
    value, quality = _READERS[field.coding](field, plain[first:last])
    return Item(
        field.name, field.quantity, value, field.unit, first, last, quality, field.function, storage=field.storage
    )


def date_16(data: bytes) -> Read:
    """Read a two-byte date: day in bits 0-4, month in 5-8, year since 2000 in 9-13; None when there is no such day."""
    word = int.from_bytes(data, "little")
    if not word:
        return None, Quality.NOT_AVAILABLE
    return calendar_date(2000 + (word >> 9 & 0x1F), word >> 5 & 0x0F, word & 0x1F)


def date_bcd(data: bytes) -> Read:
    """Read a three-byte date in BCD: year, month, day; None when there is no such day."""
    if not any(data):
        return None, Quality.NOT_AVAILABLE
    parts = [bcd(data[place : place + 1]) for place in range(3)]
    year = None if parts[0] is None else year_of(parts[0])
    if year is None or parts[1] is None or parts[2] is None:
        return NO_DATE
    return calendar_date(year, parts[1], parts[2])


def calendar_date(year: int, month: int, day: int) -> Read:
    """Return the day, None with quality invalid when the calendar has none such."""
    try:
        return date(year, month, day), Quality.GOOD
    except ValueError:
        return NO_DATE


def is_unset(data: bytes) -> bool:
    """Whether a count was never stored: memory that was not written to has all bits set, which no count reaches."""
    return len(data) > 1 and data.count(0xFF) == len(data)


def counted(data: bytes, scale: Decimal) -> Read:
    """Read an unsigned count, the least significant byte first."""
    if is_unset(data):
        return None, Quality.NOT_AVAILABLE
    return int.from_bytes(data, "little") * scale, Quality.GOOD


def _binary(field: Field, data: bytes) -> Read:
    if field.coding is Coding.UNSIGNED and field.scale is not None and is_unset(data):
        return None, Quality.NOT_AVAILABLE
    return _scaled(field, int.from_bytes(data, "little", signed=field.coding is Coding.SIGNED))


def _bcd(field: Field, data: bytes) -> Read:
    number = bcd(data)
    return (None, Quality.INVALID) if number is None else _scaled(field, number)


def _scaled(field: Field, number: int) -> Read:
    if number in field.empty or (field.empty_from is not None and number >= field.empty_from):
        return None, Quality.NOT_AVAILABLE
    return (number if field.scale is None else number * field.scale), Quality.GOOD


def _fixed_8_8(field: Field, data: bytes) -> Read:
    number = int.from_bytes(data, "little")
    if number in field.empty:
        return None, Quality.NOT_AVAILABLE
    # A step of 1/256 is no decimal resolution: trailing zeros would say nothing.
    value = (Decimal(number) / 256).normalize()
    return (value.quantize(Decimal(1)) if value == value.to_integral_value() else value), Quality.GOOD


_READERS: Mapping[Coding, Callable[[Field, bytes], Read]] = {
    Coding.UNSIGNED: _binary,
    Coding.SIGNED: _binary,
    Coding.BCD: _bcd,
    Coding.DATE_G: lambda field, data: date_g(data),
    Coding.DATE_16: lambda field, data: date_16(data),
    Coding.DATE_BCD: lambda field, data: date_bcd(data),
    Coding.FIXED_8_8: _fixed_8_8,
}
