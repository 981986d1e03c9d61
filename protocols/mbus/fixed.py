"""The fixed data structure of old wired meters: identification, status and two counters (EN 1434-3; CI 73 and 77)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from protocols.errors import Truncated
from protocols.mbus.spans import data_words
from protocols.mbus.tables import OUR_UNITS
from protocols.mbus.values import bcd, integer
from protocols.model import Function, Quality, Record, Span, Value

LAYER = "wired"
CLAUSE = "EN 1434-3, fixed data structure"

FIXED_LENGTH = 16
"""Bytes after the CI field. A CI 73 frame of any other length is a compact frame (EN 13757-7)."""

CI_LSB_FIRST = 0x73
CI_MSB_FIRST = 0x77

_BINARY_BIT = 0x80
_STORED_BIT = 0x40
_UNIT_MASK = 0x3F
_SAME_BUT_HISTORIC = 0x3E

_MEDIA = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0F, 0x03, 0x04, 0x06, 0x07, 0x08, 0x0F)
"""Device type of EN 13757-7 by the four medium bits; A-E are the media of "mode 2", 9 and F are reserved."""

_TRIPLES: tuple[tuple[str, str, int], ...] = (
    ("energy", "Wh", 0),
    ("energy", "Wh", 3),
    ("energy", "Wh", 6),
    ("energy", "J", 3),
    ("energy", "J", 6),
    ("energy", "J", 9),
    ("power", "W", 0),
    ("power", "W", 3),
    ("power", "W", 6),
    ("power", "J/h", 3),
    ("power", "J/h", 6),
    ("power", "J/h", 9),
    ("volume", "m3", -6),
    ("volume", "m3", -3),
    ("volume", "m3", 0),
    ("volume_flow", "m3/h", -6),
    ("volume_flow", "m3/h", -3),
    ("volume_flow", "m3/h", 0),
)
"""Unit codes 02-37: each row stands for three codes, x 1, x 10 and x 100."""

_FIRST_TRIPLE = 0x02

_SINGLES: dict[int, tuple[str, str, int]] = {
    0x38: ("temperature", "C", -3),
    0x39: ("hca_units", "", 0),
    0x3F: ("dimensionless", "", 0),
}

_DIGIT_FIELDS: dict[int, str] = {0x00: "time", 0x01: "date"}
"""Hours, minutes, seconds and day, month, year: kept as their digits, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class FixedData:
    """The sixteen bytes, taken apart; `number` as printed, `medium_code` a device type of EN 13757-7."""

    start: int
    number: str
    access_number: int
    status: int
    medium_code: int
    records: tuple[Record, ...]

    def spans(self) -> tuple[Span, ...]:
        """Return leaves that tile the sixteen bytes."""
        at = self.start
        fields = (
            (at, at + 4, "identification", self.number),
            (at + 4, at + 5, "access number", str(self.access_number)),
            (at + 5, at + 6, "status", f"{self.status:02X}"),
            (at + 6, at + 7, "unit 1 and medium", _unit_words(self.records[0])),
            (at + 7, at + 8, "unit 2 and medium", _unit_words(self.records[1])),
        )
        head = tuple(Span(first, last, "application", name, meaning, CLAUSE) for first, last, name, meaning in fields)
        counters = tuple(
            Span(record.start, record.end, "application", f"counter {record.index + 1}", data_words(record), CLAUSE,
                 record.index)
            for record in self.records
        )  # fmt: skip
        return head + counters


def _unit_words(record: Record) -> str:
    return f"{record.quantity.replace('_', ' ')} {record.unit}".strip()


def parse_fixed(data: bytes, start: int, end: int, *, msb_first: bool = False) -> FixedData:
    """Read the fixed data structure after CI 73, or after CI 77 with `msb_first`; raises `Truncated`."""
    if min(end, len(data)) - start < FIXED_LENGTH:
        message = f"the fixed data structure has {min(end, len(data)) - start} bytes of {FIXED_LENGTH}"
        raise Truncated(message, layer=LAYER, offset=end)
    status, unit_1, unit_2 = data[start + 5], data[start + 6], data[start + 7]
    number = data[start : start + 4]
    first = _counter(data, 0, start + 8, unit_1 & _UNIT_MASK, status, msb_first=msb_first)
    code = unit_2 & _UNIT_MASK
    historic = code == _SAME_BUT_HISTORIC
    if historic:
        code = unit_1 & _UNIT_MASK
    second = _counter(data, 1, start + 12, code, status | (_STORED_BIT if historic else 0), msb_first=msb_first)
    return FixedData(
        start=start,
        number=(number if msb_first else number[::-1]).hex(),
        access_number=data[start + 4],
        status=status,
        medium_code=_MEDIA[unit_1 >> 6 | (unit_2 >> 6) << 2],
        records=(first, second),
    )


def _counter(data: bytes, index: int, start: int, code: int, status: int, *, msb_first: bool) -> Record:
    raw = data[start : start + 4]
    ordered = raw[::-1] if msb_first else raw
    quantity, unit, exponent = _unit(code)
    value: Value
    if code in _DIGIT_FIELDS:
        value = ordered[::-1].hex()
    else:
        number = integer(ordered, signed=True) if status & _BINARY_BIT else bcd(ordered)
        value = None if number is None else _scaled(number, unit, exponent)
    return Record(
        index=index,
        start=start,
        data_start=start,
        end=start + len(raw),
        header=b"",
        data=raw,
        quantity=quantity,
        unit=unit,
        value=value,
        quality=Quality.INVALID if value is None else Quality.GOOD,
        function=Function.INSTANTANEOUS,
        storage=1 if status & _STORED_BIT else 0,
    )


def _scaled(number: int, unit: str, exponent: int) -> Decimal | int:
    if not unit:
        return number
    return Decimal(number * 10**exponent) if exponent >= 0 else Decimal(number).scaleb(exponent)


def _unit(code: int) -> tuple[str, str, int]:
    """Return quantity, our unit and the exponent of ten for a unit code."""
    if code in _DIGIT_FIELDS:
        return _DIGIT_FIELDS[code], "", 0
    triple, step = divmod(code - _FIRST_TRIPLE, 3)
    row = _TRIPLES[triple] if triple < len(_TRIPLES) else _SINGLES.get(code)
    if row is None:
        return "reserved", "", 0
    quantity, unit, exponent = row
    if code in _SINGLES:
        step = 0
    ours, unit_exponent = OUR_UNITS.get(unit, (unit, 0))
    return quantity, ours, exponent + unit_exponent + step
