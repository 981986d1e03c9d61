"""Records, compact frames and format frames from values: what meters send, the inverse of `records` and `compact`.

Everything here raises `ValueError` for what does not fit its field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Context, Decimal, DecimalException

from protocols.errors import ProtocolError
from protocols.mbus import datetypes
from protocols.mbus.compact import SIGNATURE_LENGTH, format_signature, full_frame_bytes, headers_of
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.header import RecordHeader, interpret
from protocols.mbus.records import parse_records, transmitted
from protocols.mbus.tables import EXTENSION_BIT, FUNCTIONS, MAX_DIFE, Coding, Form
from protocols.mbus.values import LVAR_TEXT_LAST
from protocols.media import MEDIA, manufacturer_code
from protocols.model import Function, Record, Value

Encodable = Value | bytes
"""A value as decoding gives it, or the data bytes themselves (without the LVAR byte)."""

_EXACT = Context(prec=120)
_MAX_FORMAT_LENGTH = 0xFF
_BINARY_LENGTHS = (1, 2, 3, 4, 6, 8)
_DATE_LENGTH = 2
_NOT_A_NUMBER = b"\x00\x00\xc0\x7f"

_WITHOUT_INVALID = frozenset({Coding.BITS, Coding.OPAQUE, Coding.RAW, Coding.DEVICE_TYPE, Coding.MANUFACTURER})
"""What is read from these integers is valid whatever the pattern."""


def encode_header(
    data_field: int,
    vif: bytes,
    *,
    function: Function = Function.INSTANTANEOUS,
    storage: int = 0,
    tariff: int = 0,
    subunit: int = 0,
) -> bytes:
    """Return DIF, the DIFEs that the registers need, and `vif` (VIF, VIFEs, plain text as transmitted)."""
    if not 0 <= data_field <= 0x0E:
        raise ValueError(f"not a data field: {data_field} (0 to 14)")
    if min(storage, tariff, subunit) < 0:
        raise ValueError("storage, tariff and subunit count from 0")
    dif = data_field | FUNCTIONS.index(function) << 4 | (storage & 1) << 6
    storage >>= 1
    chain = bytearray((dif,))
    while storage or tariff or subunit:
        chain[-1] |= EXTENSION_BIT
        chain.append(storage & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
        if len(chain) > MAX_DIFE + 1:
            raise ValueError(f"storage, tariff or subunit need more than {MAX_DIFE} DIFEs")
    return _interpreted(bytes(chain) + vif).raw


def encode_record(header: bytes, value: Encodable) -> bytes:
    """Return header and data of one record, the value scaled as its VIF says.

    None becomes the field's invalid pattern. Decimals must be whole multiples of the VIF's step: round them first.
    """
    return header + encode_data(header, value)


def encode_data(header: bytes, value: Encodable) -> bytes:
    """Return the data bytes of a record alone, LVAR byte included."""
    parsed = _interpreted(header)
    if isinstance(value, bytes):
        return _raw_data(parsed, value)
    if parsed.field.form is Form.NONE:
        return _fitting(parsed, value, b"" if value is None else None)
    if value is None:
        return _fitting(parsed, value, _invalid_pattern(parsed))
    if parsed.profile is not None and isinstance(value, str):
        return _raw_data(parsed, _from_hex(value))
    return _WRITERS[parsed.coding](parsed, value)


def encode_records(records: Iterable[tuple[bytes, Encodable]]) -> bytes:
    """Return several records, headers and data in turn."""
    return b"".join(encode_record(header, value) for header, value in records)


def compact_from_full(records: bytes) -> bytes:
    """Return the compact frame of a full frame's record bytes: signature, full-frame CRC, data of all records."""
    parsed = _parsed(records)
    signature = format_signature(headers_of(parsed))
    full_crc = crc16_en13757(full_frame_bytes(parsed))
    data = b"".join(record.data for record in parsed)
    return signature.to_bytes(SIGNATURE_LENGTH, "little") + full_crc.to_bytes(2, "little") + data


def format_from_full(records: bytes) -> bytes:
    """Return the format frame of a full frame's record bytes: LEN, signature, headers of all records."""
    headers = headers_of(_parsed(records))
    length = SIGNATURE_LENGTH + len(headers)
    if length > _MAX_FORMAT_LENGTH:
        raise ValueError(f"{len(headers)} bytes of record headers do not fit a format frame")
    return bytes((length,)) + format_signature(headers).to_bytes(SIGNATURE_LENGTH, "little") + headers


def _parsed(records: bytes) -> tuple[Record, ...]:
    parsed = parse_records(records, 0, len(records))
    if parsed.problem is not None:
        raise ValueError(f"not a full frame: {parsed.problem}")
    if parsed.tail is not None:
        raise ValueError("manufacturer specific data (DIF 0F or 1F) have no place in a compact frame")
    return transmitted(parsed.records)


def _interpreted(header: bytes) -> RecordHeader:
    try:
        return interpret(header)
    except ProtocolError as error:
        raise ValueError(f"not a record header: {header.hex().upper()} ({error})") from error


def _fitting(header: RecordHeader, value: Encodable, data: bytes | None) -> bytes:
    if data is None:
        shown = "the value" if header.coding is Coding.SECRET else repr(value)
        raise ValueError(f"{shown} does not fit record {header.raw.hex().upper()} ({header.field.words})")
    return data


def _raw_data(header: RecordHeader, content: bytes) -> bytes:
    if header.field.form is not Form.VARIABLE:
        return _fitting(header, content, content if len(content) == header.field.length else None)
    return _fitting(header, content, bytes((len(content),)) + content if len(content) <= LVAR_TEXT_LAST else None)


def _invalid_pattern(header: RecordHeader) -> bytes | None:
    """Return what says "no value" in this field; None where every pattern is one."""
    length = header.field.length
    if header.coding in _WITHOUT_INVALID and header.field.form is Form.INTEGER:
        return None
    match header.field.form:
        case Form.INTEGER if header.coding in (Coding.NUMBER, Coding.COUNTER):
            return bytes(length - 1) + b"\x80"
        case Form.INTEGER | Form.BCD:
            return b"\xff" * length
        case Form.REAL:
            return _NOT_A_NUMBER
        case _:
            return None


def _write_number(header: RecordHeader, value: Value) -> bytes:
    match value:
        case str():
            return _fitting(header, value, _text(header, value))
        case bool() | date() | time() | None:
            return _fitting(header, value, None)
        case _:
            pass
    number = Decimal(value)
    if not number.is_finite():
        return _fitting(header, value, None)
    if header.field.form is Form.REAL:
        return _fitting(header, value, _real(_unscaled(header, number)))
    raw = _unscaled(header, number)
    if raw != raw.to_integral_value(context=_EXACT):
        step = f"10^{header.exponent}" if header.factor is None else str(header.factor)
        raise ValueError(f"{value} is no multiple of the step {step} of record {header.raw.hex().upper()}")
    return _fitting(header, value, _integral(header, int(raw)))


def _unscaled(header: RecordHeader, number: Decimal) -> Decimal:
    if header.offset is not None:
        number = _EXACT.subtract(number, header.offset)
    if header.factor is not None:
        number = _EXACT.divide(number, header.factor)
    return _EXACT.scaleb(number, -header.exponent)


def _real(number: Decimal) -> bytes | None:
    try:
        return struct.pack("<f", float(number))
    except (OverflowError, DecimalException):
        return None


def _integral(header: RecordHeader, number: int) -> bytes | None:
    signed = header.coding not in (Coding.UNSIGNED, Coding.BITS)
    match header.field.form:
        case Form.INTEGER:
            return _integer(number, header.field.length, signed=signed)
        case Form.BCD:
            return _bcd(number, header.field.length)
        case Form.VARIABLE:
            for length in _BINARY_LENGTHS:
                data = _integer(number, length, signed=signed or header.coding is Coding.OPAQUE)
                if data is not None:
                    return bytes((0xE0 + length,)) + data
            return None
        case _:
            return None


def _integer(number: int, length: int, *, signed: bool) -> bytes | None:
    try:
        return number.to_bytes(length, "little", signed=signed)
    except OverflowError:
        return None


def _bcd(number: int, length: int) -> bytes | None:
    """Build type A; a minus takes the top digit."""
    digits = 2 * length
    text = f"{number:0{digits}d}" if number >= 0 else f"f{-number:0{digits - 1}d}"
    return bytes.fromhex(text)[::-1] if len(text) == digits else None


def _text(header: RecordHeader, text: str) -> bytes | None:
    """Build an LVAR string, last character first."""
    if header.field.form is not Form.VARIABLE or len(text) > LVAR_TEXT_LAST:
        return None
    try:
        return bytes((len(text),)) + text.encode("latin-1")[::-1]
    except UnicodeEncodeError:
        return None


def _write_date(header: RecordHeader, value: Value) -> bytes:
    if isinstance(value, datetime) or header.field.form is not Form.INTEGER or header.field.length != _DATE_LENGTH:
        return _fitting(header, value, None)
    return datetypes.encode_g(value) if isinstance(value, date) else _fitting(header, value, None)


def _write_timepoint(header: RecordHeader, value: Value) -> bytes:
    if isinstance(value, str) and header.field.form is Form.VARIABLE:
        return _raw_data(header, _from_hex(value))
    length = header.field.length if header.field.form is Form.INTEGER else 0
    match value:
        case datetime() if length == 4:
            return datetypes.encode_f(value)
        case datetime() if length == 6:
            return datetypes.encode_i(value)
        case time() if length == 3:
            return datetypes.encode_j(value)
        case _:
            return _write_date(header, value)


def _write_digits(header: RecordHeader, value: Value) -> bytes:
    if not isinstance(value, str) or header.field.form is Form.VARIABLE:
        return _write_number(header, value)
    length = header.field.length
    if header.field.form is Form.BCD:
        fits = value.isdecimal() and value.isascii() and len(value) <= 2 * length
        return _fitting(header, value, bytes.fromhex(value.zfill(2 * length))[::-1] if fits else None)
    if header.field.form is Form.INTEGER and length == 8:
        return _raw_data(header, _from_hex(value)[::-1])
    number = int(value) if value.isdecimal() else -1
    return _fitting(header, value, _integer(number, length, signed=False) if number >= 0 else None)


def _write_manufacturer(header: RecordHeader, value: Value) -> bytes:
    if isinstance(value, str) and header.field.form is Form.INTEGER:
        return _fitting(header, value, _integer(manufacturer_code(value), header.field.length, signed=False))
    return _write_number(header, value)


def _write_device_type(header: RecordHeader, value: Value) -> bytes:
    if isinstance(value, str) and header.field.form is Form.INTEGER:
        codes = [code for code, name in MEDIA.items() if name == value]
        return _fitting(header, value, _integer(codes[0], header.field.length, signed=False) if codes else None)
    return _write_number(header, value)


def _write_raw(header: RecordHeader, value: Value) -> bytes:
    if isinstance(value, str):
        return _raw_data(header, _from_hex(value))
    return _write_number(header, value)


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("the data of this record are given as hexadecimal digits") from None


def _write_secret(header: RecordHeader, value: Value) -> bytes:
    raise ValueError(f"a key goes into record {header.raw.hex().upper()} as bytes")


_WRITERS: dict[Coding, Callable[[RecordHeader, Value], bytes]] = {
    Coding.NUMBER: _write_number,
    Coding.COUNTER: _write_number,
    Coding.UNSIGNED: _write_number,
    Coding.BITS: _write_number,
    Coding.DATE: _write_date,
    Coding.TIMEPOINT: _write_timepoint,
    Coding.DIGITS: _write_digits,
    Coding.MANUFACTURER: _write_manufacturer,
    Coding.DEVICE_TYPE: _write_device_type,
    Coding.RAW: _write_raw,
    Coding.SECRET: _write_secret,
    Coding.OPAQUE: _write_raw,
}
