"""The data of a record as a value: data types A-M and the variable length LVAR (EN 13757-3, 6.3.6 and Annex A).

Whatever a standard or the field uses to say "no value" becomes None with a quality, never a number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Context, Decimal

from protocols.errors import BadField, Truncated
from protocols.mbus import datetypes
from protocols.mbus.header import LAYER, RecordHeader
from protocols.mbus.tables import Coding, DataField, Form
from protocols.media import manufacturer_letters, medium_name
from protocols.model import Function, Quality, Value
from protocols.plural import counted
from protocols.text import text_from_bytes

Result = tuple[Value, Quality]
Raw = int | Decimal | str | None
"""Data before scaling: a number, the text of an LVAR string, or None where the pattern says that it is invalid."""

INVALID: Result = (None, Quality.INVALID)
NOT_AVAILABLE: Result = (None, Quality.NOT_AVAILABLE)

_EXACT = Context(prec=120)
"""More digits than the longest number that scales: 32 bytes binary, or 12.5 digits of a real with any exponent."""

LONGEST_NUMBER = 8
"""Binary LVAR data of more bytes are shown as hexadecimal digits."""

LVAR_TEXT_LAST = 0xBF
_BCD_POSITIVE = range(0xC0, 0xCA)
_BCD_NEGATIVE = range(0xD0, 0xDA)
_BINARY = range(0xE0, 0xF0)
_BINARY_LONG = range(0xF0, 0xF5)
_BINARY_FIXED = {0xF5: 48, 0xF6: 64}
"""The ranges of the LVAR byte (EN 13757-3, 6.3.6); F7-FF are reserved."""


def lvar_length(lvar: int) -> int | None:
    """Return the bytes that follow an LVAR byte, None for the reserved ones."""
    if lvar <= LVAR_TEXT_LAST:
        return lvar
    if lvar in _BCD_POSITIVE or lvar in _BCD_NEGATIVE or lvar in _BINARY:
        return lvar & 0x0F
    if lvar in _BINARY_LONG:
        return 4 * (lvar - 0xEC)
    return _BINARY_FIXED.get(lvar)


def data_end(header: RecordHeader, data: bytes, start: int, end: int) -> int:
    """Return where the data that start at `start` end, LVAR byte included.

    Raises `Truncated` when that is beyond `end`, `BadField` when a reserved LVAR byte makes it unknown.
    """
    length = header.data_length
    if length is None:
        if start >= end:
            raise Truncated("the message ends before the length of a record", layer=LAYER, offset=end)
        following = lvar_length(data[start])
        if following is None:
            message = f"reserved length byte {data[start]:02X} in a record: where it ends is unknown"
            raise BadField(message, layer=LAYER, offset=start)
        length = 1 + following
    if start + length > end:
        left = f"{end - start} {'is' if end - start == 1 else 'are'} left"
        message = f"record {header.raw.hex().upper()} announces {counted(length, 'byte')} of data, {left}"
        raise Truncated(message, layer=LAYER, offset=start)
    return start + length


def decode_value(header: RecordHeader, data: bytes) -> Result:
    """Return value and quality of a record; `data` are its data bytes, of variable length with the LVAR byte.

    A value read during an error state of the meter is kept, with quality error_state. Dates and times are naive, in
    the meter's own local time. Profile series come out as hexadecimal digits; `compact_profiles` spreads them out.
    """
    if header.quality is not Quality.GOOD:
        return None, header.quality
    if header.field.form is Form.NONE:
        return NOT_AVAILABLE
    if header.profile is not None:
        return _raw_bytes(header, data)
    value, quality = _READERS[header.coding](header, data)
    if header.function is Function.ERROR and quality is Quality.GOOD:
        return value, Quality.ERROR_STATE
    return value, quality


def raw_number(field: DataField, data: bytes, *, signed: bool = True) -> Raw:
    """Return the unscaled number, None for the field's invalid pattern, or the text of an LVAR string."""
    match field.form:
        case Form.INTEGER:
            return integer(data, signed=signed)
        case Form.BCD:
            return bcd(data)
        case Form.REAL:
            return real(data)
        case Form.VARIABLE:
            return _variable(data, signed=signed)
        case Form.NONE:
            return None


def bcd(data: bytes) -> int | None:
    """Read type A: digits, least significant pair first; a top nibble F is a minus; None for other non-digits."""
    digits = data[::-1].hex()
    if digits.isdecimal():
        return int(digits)
    if digits[:1] == "f" and digits[1:].isdecimal():
        return -int(digits[1:])
    return None


def real(data: bytes) -> Decimal | None:
    """Read type H as the shortest decimal that means the same 32-bit real; None for NaN and infinity."""
    number: float = struct.unpack("<f", data)[0]
    if number != number or number in (float("inf"), float("-inf")):
        return None
    for digits in (6, 7, 8):
        text = f"{number:.{digits}g}"
        if struct.pack("<f", float(text)) == data:
            return _plain(Decimal(text))
    return _plain(Decimal(f"{number:.9g}"))


def _plain(number: Decimal) -> Decimal:
    """Return the same number without a positive exponent, which would print as 1E+3."""
    if number.is_zero():
        return Decimal(0)
    return Decimal(int(number)) if number == number.to_integral_value(context=_EXACT) else number


def scale(header: RecordHeader, raw: int | Decimal) -> Decimal | int:
    """Return the value in the header's unit; a plain integer stays one."""
    if not header.scaled:
        return raw
    exponent = header.exponent
    if isinstance(raw, int):
        value = Decimal(raw * 10**exponent) if exponent >= 0 else _EXACT.scaleb(Decimal(raw), exponent)
    else:
        value = _EXACT.scaleb(raw, exponent)
        if exponent > 0:
            value = _plain(value)
    if header.factor is not None:
        # A step of 2^-12 is no decimal resolution: its zeros say nothing.
        value = _plain(_EXACT.normalize(_EXACT.multiply(value, header.factor)))
    return value if header.offset is None else _EXACT.add(value, header.offset)


def integer(data: bytes, *, signed: bool) -> int | None:
    """Read type B or, unsigned, type C; None for the pattern that says "no value"."""
    if not signed:
        number = int.from_bytes(data, "little")
        return None if number == (1 << 8 * len(data)) - 1 and data else number
    number = int.from_bytes(data, "little", signed=True)
    return None if number < 0 and number == -1 << 8 * len(data) - 1 else number


def _variable(data: bytes, *, signed: bool) -> Raw:
    lvar, content = data[0], data[1:]
    if lvar <= LVAR_TEXT_LAST:
        return _text(content)
    if lvar in _BCD_POSITIVE or lvar in _BCD_NEGATIVE:
        digits = content[::-1].hex()
        if not digits:
            return 0
        if not digits.isdecimal():
            return None
        return int(digits) if lvar in _BCD_POSITIVE else -int(digits)
    if len(content) > LONGEST_NUMBER:
        return content[::-1].hex().upper()
    return integer(content, signed=signed)


def _text(content: bytes) -> str | None:
    """Return a string, which is transmitted last character first, without the zero bytes that fill it up.

    None for one that was never written.
    """
    if content and content.count(0xFF) == len(content):
        return None
    return text_from_bytes(content[::-1].strip(b"\0"))


def _scaled(header: RecordHeader, raw: Raw) -> Result:
    if raw is None:
        return INVALID
    return (raw if isinstance(raw, str) else scale(header, raw)), Quality.GOOD


def _number(header: RecordHeader, data: bytes) -> Result:
    return _scaled(header, raw_number(header.field, data))


def _counter(header: RecordHeader, data: bytes) -> Result:
    # FF..FF is -1 by the standard, but what only counts up cannot be -1: in storage slots that were never written
    # meters send it for "no value".
    if header.storage and header.field.form is Form.INTEGER and data.count(0xFF) == len(data):
        return NOT_AVAILABLE
    return _scaled(header, raw_number(header.field, data))


def _unsigned(header: RecordHeader, data: bytes) -> Result:
    return _scaled(header, raw_number(header.field, data, signed=False))


def _bits(header: RecordHeader, data: bytes) -> Result:
    if header.field.form is Form.INTEGER:
        return int.from_bytes(data, "little"), Quality.GOOD
    if header.field.form is Form.VARIABLE and data[0] in _BINARY:
        return int.from_bytes(data[1:], "little"), Quality.GOOD
    return _scaled(header, raw_number(header.field, data, signed=False))


def _opaque(header: RecordHeader, data: bytes) -> Result:
    if header.field.form is Form.INTEGER:
        return scale(header, int.from_bytes(data, "little", signed=True)), Quality.GOOD
    if header.field.form is Form.VARIABLE:
        return _raw_bytes(header, data)
    return _scaled(header, raw_number(header.field, data))


def _date(header: RecordHeader, data: bytes) -> Result:
    if header.field.form is Form.INTEGER and len(data) == 2:
        return datetypes.date_g(data)
    return INVALID


_TIME_TYPES: dict[int, Callable[[bytes], datetypes.Timed]] = {
    2: datetypes.date_g,
    3: datetypes.time_j,
    4: datetypes.datetime_f,
    6: datetypes.datetime_i,
}
"""By length in bytes (EN 13757-3, 6.3.4.2 and Annex A)."""


def _timepoint(header: RecordHeader, data: bytes) -> Result:
    if header.field.form is Form.VARIABLE:
        # Type M: its bit layout is not known here, so its bytes are handed on.
        return _raw_bytes(header, data)
    read = _TIME_TYPES.get(len(data)) if header.field.form is Form.INTEGER else None
    return INVALID if read is None else read(data)


def _digits(header: RecordHeader, data: bytes) -> Result:
    match header.field.form:
        case Form.BCD:
            return _digit_text(data)
        case Form.INTEGER:
            if data.count(0xFF) == len(data):
                return INVALID
            # Eight bytes are a whole address, MSB first: type, version, manufacturer, number.
            if len(data) == LONGEST_NUMBER:
                return data[::-1].hex().upper(), Quality.GOOD
            return str(int.from_bytes(data, "little")), Quality.GOOD
        case Form.VARIABLE if data[0] in _BCD_POSITIVE:
            return _digit_text(data[1:])
        case Form.VARIABLE if data[0] <= LVAR_TEXT_LAST and not _is_text(data[1:]):
            return _raw_bytes(header, data)
        case _:
            raw = raw_number(header.field, data)
            return INVALID if raw is None else (str(raw), Quality.GOOD)


def _digit_text(data: bytes) -> Result:
    digits = data[::-1].hex()
    return (digits, Quality.GOOD) if digits.isdecimal() else INVALID


def _is_text(content: bytes) -> bool:
    filled = content.strip(b"\0")
    return filled.decode("latin-1").isprintable() and (bool(filled) or not content)


def _manufacturer(header: RecordHeader, data: bytes) -> Result:
    if header.field.form is Form.INTEGER and len(data) == 2 and data != b"\xff\xff":
        return manufacturer_letters(int.from_bytes(data, "little")), Quality.GOOD
    return _unsigned(header, data)


def _device_type(header: RecordHeader, data: bytes) -> Result:
    if header.field.form is Form.INTEGER and len(data) == 1 and data != b"\xff":
        return medium_name(data[0]), Quality.GOOD
    return _unsigned(header, data)


def _raw_bytes(header: RecordHeader, data: bytes) -> Result:
    """Return the data as hexadecimal digits in the order of transmission, without the LVAR byte."""
    content = data[1:] if header.field.form is Form.VARIABLE else data
    return content.hex().upper(), Quality.GOOD


def _withheld(header: RecordHeader, data: bytes) -> Result:
    return NOT_AVAILABLE


_READERS: dict[Coding, Callable[[RecordHeader, bytes], Result]] = {
    Coding.NUMBER: _number,
    Coding.COUNTER: _counter,
    Coding.UNSIGNED: _unsigned,
    Coding.BITS: _bits,
    Coding.DATE: _date,
    Coding.TIMEPOINT: _timepoint,
    Coding.DIGITS: _digits,
    Coding.MANUFACTURER: _manufacturer,
    Coding.DEVICE_TYPE: _device_type,
    Coding.RAW: _raw_bytes,
    Coding.SECRET: _withheld,
    Coding.OPAQUE: _opaque,
}
