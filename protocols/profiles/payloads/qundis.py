"""Qundis, Landis & Staefa, Siemens: the walk-by block, record 0D FF 5F of heat meters, water meters and allocators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from protocols.model import Function
from protocols.profiles.payloads.layout import NO_SIGNED_16, Coding, Field, read_field
from protocols.profiles.payloads.model import Payload

BLOCK_SIZE = 53
"""Bytes behind the length byte; shorter blocks hold something else, and some blocks of this size are encrypted."""

SET_TYPE = 0x82
FAMILIES = frozenset((0xB0, 0xC0, 0xC1))
"""Heat cost allocator, heat meter, water meter."""

MONTHS = 12
DUE_DATE, MONTH_END = 1, 17
"""Storage numbers under which the same meters send these values as records."""

_SET_TYPE_OFFSET, _FAMILY_OFFSET, _VIF_OFFSET = 1, 8, 9
_NEWEST_MONTH_OFFSET = 50


@dataclass(frozen=True, slots=True)
class _Quantity:
    """What the block counts: a value and a monthly difference are numbers of `scale` and `month_scale` units."""

    total: str
    quantity: str
    unit: str
    scale: Decimal
    month_scale: Decimal


def _same(total: str, quantity: str, unit: str, scale: str) -> _Quantity:
    return _Quantity(total, quantity, unit, Decimal(scale), Decimal(scale))


_QUANTITIES: Mapping[int, _Quantity] = {
    0x6E: _same("hca_units", "hca_units", "", "1"),
    0x05: _same("total_energy", "energy", "kWh", "0.1"),
    0x06: _same("total_energy", "energy", "kWh", "1"),
    0x0D: _same("total_energy", "energy", "MJ", "0.1"),
    0x0E: _same("total_energy", "energy", "MJ", "1"),
    # Months of water come in steps of ten litres: only so do they add up to the difference of the two dates' values.
    0x13: _Quantity("total_volume", "volume", "m3", Decimal("0.001"), Decimal("0.01")),
}
"""By the VIF in the block."""

_ERROR_DATE = Field("error_date", "date", 10, 2, coding=Coding.DATE_G, function=Function.ERROR)
_DUE_DATE = Field("due_date", "date", 16, 2, coding=Coding.DATE_G, storage=DUE_DATE)
_MONTH_END_DATE = Field("month_end_date", "date", 22, 2, coding=Coding.DATE_G, storage=MONTH_END)


def decode_walk_by(plain: bytes, start: int, end: int) -> Payload:
    """Value now, at the due date and at the end of the month, and what each of the last twelve months used.

    Blocks of another length, of another set type or without a known VIF are left alone.
    """
    block = plain[start + 1 : end]
    if len(block) != BLOCK_SIZE or plain[start] != BLOCK_SIZE or block[_SET_TYPE_OFFSET] != SET_TYPE:
        return Payload()
    counted = _QUANTITIES.get(block[_VIF_OFFSET])
    if counted is None or block[_FAMILY_OFFSET] not in FAMILIES:
        return Payload(notes=("walk-by block of an unknown kind, perhaps encrypted",))
    fields = (_ERROR_DATE, *_values(counted), *_months(counted))
    return Payload(tuple(read_field(field, plain, start + 1) for field in fields))


def _values(counted: _Quantity) -> tuple[Field, ...]:
    def value(name: str, offset: int, storage: int) -> Field:
        return Field(name, counted.quantity, offset, 4, counted.unit, counted.scale, Coding.BCD, storage=storage)

    return (
        value(counted.total, 12, 0),
        _DUE_DATE,
        value(f"due_date_{counted.quantity}", 18, DUE_DATE),
        _MONTH_END_DATE,
        value(f"month_end_{counted.quantity}", 24, MONTH_END),
    )


def _months(counted: _Quantity) -> tuple[Field, ...]:
    """The month that ended last stands behind the others; it is number 1."""
    return tuple(
        Field(
            f"month_{n}_{counted.quantity}",
            counted.quantity,
            _NEWEST_MONTH_OFFSET - 2 * (n - 1),
            2,
            counted.unit,
            counted.month_scale,
            Coding.SIGNED,
            NO_SIGNED_16,
            storage=n,
        )
        for n in range(MONTHS, 0, -1)
    )
