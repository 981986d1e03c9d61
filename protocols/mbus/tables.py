"""How the rows of the DIF, VIF and VIFE tables are written down, and the table of the DIF's data field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from protocols.model import Function

EXTENSION_BIT = 0x80
"""Bit 7 of DIF, DIFE, VIF and VIFE: another byte of the same kind follows (EN 13757-3, 6.3.2, 6.4.1)."""

MAX_DIFE = 10
MAX_VIFE = 10
"""Longest chains of extension bytes (EN 13757-3, 6.3.3 and 6.4.1)."""

FILLER = 0x2F
"""Idle filler between records; one byte."""

MANUFACTURER_DATA = 0x0F
MANUFACTURER_DATA_MORE = 0x1F
"""The rest of the message is the manufacturer's; 1F says that more records follow in the next telegram."""

READOUT_REQUEST = 0x7F
"""Global readout request; one byte without data, sent to meters."""

FUNCTIONS = (Function.INSTANTANEOUS, Function.MAXIMUM, Function.MINIMUM, Function.ERROR)
"""DIF bits 5-4 (EN 13757-3, Table 3)."""


class Form(StrEnum):
    """How the data field codes a number (EN 13757-3, Table 4)."""

    NONE = "no data"
    INTEGER = "integer"
    REAL = "real"
    BCD = "BCD"
    VARIABLE = "variable length"


@dataclass(frozen=True, slots=True)
class DataField:
    """One value of DIF bits 3-0; `length` is in bytes, 0 for variable length, whose first data byte tells it."""

    form: Form
    length: int
    words: str


DATA_FIELDS: tuple[DataField | None, ...] = (
    DataField(Form.NONE, 0, "no data"),
    DataField(Form.INTEGER, 1, "8-bit integer"),
    DataField(Form.INTEGER, 2, "16-bit integer"),
    DataField(Form.INTEGER, 3, "24-bit integer"),
    DataField(Form.INTEGER, 4, "32-bit integer"),
    DataField(Form.REAL, 4, "32-bit real"),
    DataField(Form.INTEGER, 6, "48-bit integer"),
    DataField(Form.INTEGER, 8, "64-bit integer"),
    DataField(Form.NONE, 0, "selection for readout"),
    DataField(Form.BCD, 1, "2-digit BCD"),
    DataField(Form.BCD, 2, "4-digit BCD"),
    DataField(Form.BCD, 3, "6-digit BCD"),
    DataField(Form.BCD, 4, "8-digit BCD"),
    DataField(Form.VARIABLE, 0, "variable length"),
    DataField(Form.BCD, 6, "12-digit BCD"),
    None,
)
"""By DIF bits 3-0 (EN 13757-3, Table 4); F is not a data field but marks the special functions."""


class Coding(StrEnum):
    """What a VIF's data are, and with that which of the data types A-M they take (EN 13757-3, Annex A)."""

    NUMBER = "number"
    """Signed: type B, A or H."""
    COUNTER = "counter"
    """Type B, A or H of something that only counts up."""
    UNSIGNED = "unsigned"
    """Type C where the field is an integer."""
    BITS = "bits"
    """Type D: a bit field, every pattern is valid."""
    DATE = "date"
    """Type G."""
    TIMEPOINT = "time point"
    """Type G, J, F, I or M, told apart by their length."""
    DIGITS = "digits"
    """A number that is a name: kept as its digits."""
    MANUFACTURER = "manufacturer"
    DEVICE_TYPE = "device type"
    RAW = "raw"
    """Bytes whose inner layout is not of this layer."""
    SECRET = "secret"  # noqa: S105 - a word, not a secret
    """A key in transit: never becomes a value."""
    OPAQUE = "opaque"
    """Manufacturer's own or reserved: the plain number, none of the invalid patterns."""


OUR_UNITS: dict[str, tuple[str, int]] = {
    "Wh": ("kWh", -3),
    "MWh": ("kWh", 3),
    "J": ("MJ", -6),
    "GJ": ("MJ", 3),
    "W": ("kW", -3),
    "MW": ("kW", 3),
    "J/h": ("MJ/h", -6),
    "GJ/h": ("MJ/h", 3),
    "t": ("kg", 3),
}
"""Units of the standard that are shown in another one, with the power of ten between the two."""


@dataclass(frozen=True, slots=True)
class VifRange:
    """A row of a VIF table as the standard prints it: `count` codes whose exponent of ten grows by one each.

    `unit` and `exponent` are the standard's; `factor` multiplies where the step is no power of ten.
    """

    first: int
    count: int
    quantity: str
    unit: str = ""
    exponent: int = 0
    coding: Coding = Coding.NUMBER
    factor: Decimal | None = None


@dataclass(frozen=True, slots=True)
class VifCode:
    """One VIF: value = data x 10^`exponent` x `factor`, in `unit` (a code of `protocols.units`).

    `unit_exponent` is the part of the exponent that changes the standard's unit into ours.
    """

    quantity: str
    unit: str
    exponent: int
    unit_exponent: int
    coding: Coding
    factor: Decimal | None
    clause: str


def vif_table(ranges: Iterable[VifRange], clause: str) -> dict[int, VifCode]:
    """Spread rows out by code; `ValueError` when two rows claim the same code."""
    codes: dict[int, VifCode] = {}
    for row in ranges:
        unit, unit_exponent = OUR_UNITS.get(row.unit, (row.unit, 0))
        for step in range(row.count):
            code = row.first + step
            if code in codes:
                raise ValueError(f"two rows for VIF {code:02X}: {codes[code].quantity} and {row.quantity}")
            exponent = row.exponent + step + unit_exponent
            codes[code] = VifCode(row.quantity, unit, exponent, unit_exponent, row.coding, row.factor, clause)
    return codes


def one_each(
    first: int, quantity: str, units: str = "s min h d", coding: Coding = Coding.NUMBER
) -> tuple[VifRange, ...]:
    """Return one row a unit, for the durations: `one_each(0x20, "on_time")` is 20 s, 21 min, 22 h, 23 d."""
    return tuple(VifRange(first + step, 1, quantity, unit, coding=coding) for step, unit in enumerate(units.split()))


def reserved(code: int, clause: str) -> VifCode:
    """Return the row of a code that the table does not give."""
    return VifCode("reserved", "", 0, 0, Coding.OPAQUE, None, f"{clause}, code {code:02X} reserved")
