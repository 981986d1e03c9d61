"""Data types A-M, LVAR, and everything that means "no value"."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest

from protocols.errors import BadField, Truncated
from protocols.mbus import datetypes
from protocols.mbus.header import interpret
from protocols.mbus.records import parse_records
from protocols.mbus.spans import data_words
from protocols.mbus.values import data_end, decode_value, lvar_length
from protocols.model import Quality, Value


def value_of(record: str) -> tuple[Value, Quality]:
    """Decode `header data`, both in hexadecimal digits."""
    header, _, data = record.partition(" ")
    parsed = interpret(bytes.fromhex(header))
    raw = bytes.fromhex(data)
    assert data_end(parsed, raw, 0, len(raw)) == len(raw)
    return decode_value(parsed, raw)


def at(text: str) -> datetime:
    """Return a meter's own local time, which has no zone."""
    return datetime.fromisoformat(text)


NUMBERS: dict[str, str] = {
    "0C14 27048502": "28504.27",  # OMS Vol. 2, N.2.1
    "02FD48 4409": "237.2",
    "02FB1A CC02": "71.6",
    "0265 A5FA": "-13.71",  # type B below zero
    "0B5E 4000F0": "-4.0",  # type A: top nibble F is a minus
    "0413 08190000": "6.408",
    "0413 00000000": "0.000",
    "0416 03000000": "3",
    "0417 03000000": "30",
    "0C13 88999999": "99999.988",  # as transmitted, though the counter ran below zero
    "02FDBA73 13FF": "-0.237",
    "02FDFD02 B400": "180",
    "04FB8275 CF0C0000": "327.9",
    "02FB68 0018": "1.5",
    "02FC0348522574 440D": "33.96",
    "0413 FFFFFFFF": "-0.001",  # type B, in the current value
    "4465 FFFFFFFF": "-0.01",  # temperatures go below zero in any storage
    "04837A 05000000": "0.0051",  # additive correction
    "01FD71 A7": "-89",
    "0172 01": "1",
    "0778 0100000000000000": "0000000000000001",
    "0D06 C20500": "5",  # LVAR: positive BCD
    "0D06 D20500": "-5",  # negative BCD
    "0D06 C0": "0",
    "0D06 E2FEFF": "-2",  # binary
    "0D06 E0": "0",
    # Reals keep the digits that 32 bits hold, no more.
    "055B 22F32642": "41.737434",
    "05FDC9FF01 00406643": "230.25",
    "0513 CDCCCC3D": "0.0001",  # 0.1 litres
    "0517 0024744B": "160000000",  # no 1.6E+8
    "0513 00000000": "0.000",
}


@pytest.mark.parametrize("record", NUMBERS)
def test_numbers_are_exact(record: str) -> None:
    value, quality = value_of(record)
    shown = format(value, "f") if isinstance(value, Decimal) else str(value)
    assert (shown, quality) == (NUMBERS[record], Quality.GOOD)


VALUES: dict[str, Value] = {
    # Plain numbers and bit fields are ints.
    "0B6E 341200": 1234,
    "0BFD3A 563412": 123456,
    "02FD17 0004": 1024,
    "02FD17 FFFF": 65535,
    "02FD1B 3083": 33584,
    "04FD08 2A000000": 42,
    "02FF20 7100": 113,
    "027F 10B5": -19184,  # the maker's data are read as the DIF says
    "027F 0080": -32768,  # ... and no pattern of theirs is invalid
    "0CFF9200 00000001": 1000000,
    # Numbers that are names.
    "0C78 56000000": "00000056",
    "0478 4E61BC00": "12345678",
    "0D78 083430363030383332": "23800604",
    "0779 7989956793443E04": "043E449367958979",  # Qundis: a whole address
    "0D79 C478563412": "12345678",
    "02FD0A 2D2C": "KAM",
    "01FD09 07": "water",
    "0DFD0F 05312E302E31": "1.0.1",
    "0DFD8E00 07302E34322E3142": "B1.24.0",
    # Bytes of other layers.
    "0DFD3B 03443344": "443344",
    "04FD72 01020304": "01020304",
    "0D6D E3010203": "010203",
    "0DFF5F 020102": "0102",
    "0D7C025750 F096075B2A27A693013DB51AB3DCD13E17": "173ED1DCB31AB53D0193A6272A5B0796",
    # Dates and times.
    "426C BF2C": date(2021, 12, 31),
    "426C FE04": date(2007, 4, 30),
    "026C 21C1": date(1997, 1, 1),
    "046D 32371F15": at("2008-05-31 23:50"),  # OMS Vol. 2, N.2.1
    "046D 00200101": at("2000-01-01 00:00"),
    "066D 221AE0100100": at("2000-01-16 00:26:34"),
    "036D 1E3B17": time(23, 59, 30),
    "036D 000000": time(0, 0),  # midnight since the edition of 2018
    "029339 BF2C": date(2021, 12, 31),
    "04EDFF0E 00000101": at("2000-01-01 00:00"),  # a maker's VIFE on a date
}


@pytest.mark.parametrize("record", VALUES)
def test_values(record: str) -> None:
    value, quality = value_of(record)
    assert (value, quality) == (VALUES[record], Quality.GOOD)
    assert type(value) is type(VALUES[record])


INVALID = {
    "type B, most negative": "0413 00000080",
    "type B, 8 bits": "015B 80",
    "type B, 64 bits": "0703 0000000000000080",
    "type C, all ones": "04FD08 FFFFFFFF",
    "type C by VIFE": "0493FC11 FFFFFFFF",
    "type A, all F": "0C13 FFFFFFFF",
    "type A, hex digits": "3B3B DDBDEB",
    "type A, F inside": "0A5A FF12",
    "identification with hex digits": "0C78 5600000A",
    "identification, all ones": "0478 FFFFFFFF",
    "real, not a number": "055B 0000C07F",
    "real, infinite": "055B 000080FF",
    "date, all ones": "426C FFFF",
    "date, day 0": "426C 2001",
    "date, month 0": "426C 2100",
    "date, month 15": "426C 210F",
    "date, 30 February": "426C 3E02",
    "date, every year": "426C E1F1",
    "date in the wrong field": "046C BF2C0000",
    "date in BCD": "0A6C BF2C",
    "time point, minute 63": "046D 3F171F15",
    "time point, hour 31": "046D 321F1F15",
    "time point, all ones": "046D FFFFFFFF",
    "time of day, all ones": "036D FFFFFF",
    "time of day, second 60": "036D 3C0000",
    "LVAR BCD with hex digits": "0D06 C20A00",
    "record error": "049318 01000000",
    "premature end": "04931C 01000000",
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_patterns_give_no_number(name: str) -> None:
    assert value_of(INVALID[name]) == (None, Quality.INVALID)


@pytest.mark.parametrize(
    ("record", "quality"),
    [
        ("4413 FFFFFFFF", Quality.NOT_AVAILABLE),  # a history slot that was never written
        ("840306 FFFFFFFF", Quality.NOT_AVAILABLE),
        ("4213 FFFF", Quality.NOT_AVAILABLE),
        ("4226 FFFF", Quality.NOT_AVAILABLE),  # a duration
        ("4474 FFFFFFFF", Quality.NOT_AVAILABLE),
        ("049315 01000000", Quality.NOT_AVAILABLE),
        ("049316 01000000", Quality.OVERFLOW),
        ("049317 01000000", Quality.UNDERFLOW),
        ("0013 ", Quality.NOT_AVAILABLE),
        ("0813 ", Quality.NOT_AVAILABLE),
    ],
)
def test_no_value_with_its_reason(record: str, quality: Quality) -> None:
    assert value_of(record) == (None, quality)


def test_a_key_never_becomes_a_value() -> None:
    assert value_of("0DFD19 10" + "AB" * 16) == (None, Quality.NOT_AVAILABLE)


@pytest.mark.parametrize(
    "vifes", ["FF01", "7F", "FC11", "FC12", "14", "1E", "13", "1F", "39", "3D", "3F", "41", "50", "00FF01"]
)
def test_no_vife_brings_a_key_to_light(vifes: str) -> None:
    last = len(bytes.fromhex(vifes)) - 1
    chain = bytes(byte | 0x80 if place < last else byte for place, byte in enumerate(bytes.fromhex(vifes))).hex()
    for record in (f"04FD99{chain} 41424344", f"0DFD99{chain} 08 0102434445464748"):
        data = bytes.fromhex(record)
        parsed = parse_records(data, 0, len(data))
        assert [(one.value, one.quality) for one in parsed.records] == [(None, Quality.NOT_AVAILABLE)]
        assert data_words(parsed.records[0]).endswith(": withheld")


def test_clock_that_is_marked_invalid_keeps_its_time() -> None:
    # Engelmann: IV bit set, fields plausible.
    assert value_of("046D A4303A39") == (at("2025-09-26 16:36"), Quality.INVALID)


def test_value_during_error_state_is_kept() -> None:
    assert value_of("3C22 01000000") == (Decimal(1), Quality.ERROR_STATE)
    assert value_of("3C22 FFFFFFFF") == (None, Quality.INVALID)


def test_text_is_safe() -> None:
    value, _ = value_of("0DFD0F 04" + b"]x/[".hex())
    assert value == "[/x]"
    value, _ = value_of("0DFD0F 02" + "411B")
    assert value == "\N{REPLACEMENT CHARACTER}A"


def test_long_numbers_lose_no_digit() -> None:
    value, _ = value_of("0713 FFFFFFFFFFFFFF7F")
    assert value == Decimal("9223372036854775.807")


@pytest.mark.parametrize(
    ("lvar", "length"),
    [
        (0x00, 0),
        (0xBF, 191),
        (0xC0, 0),
        (0xC9, 9),
        (0xCA, None),
        (0xD9, 9),
        (0xDF, None),
        (0xE0, 0),
        (0xEF, 15),
        (0xF0, 16),
        (0xF4, 32),
        (0xF5, 48),
        (0xF6, 64),
        (0xF7, None),
        (0xFF, None),
    ],
)
def test_lvar_lengths(lvar: int, length: int | None) -> None:
    assert lvar_length(lvar) == length


@pytest.mark.parametrize("record", ["0413 081900", "0D78 0534", "0D78 "])
def test_data_that_are_not_there(record: str) -> None:
    header, _, data = record.partition(" ")
    raw = bytes.fromhex(data)
    with pytest.raises(Truncated):
        data_end(interpret(bytes.fromhex(header)), raw, 0, len(raw))


def test_reserved_length_byte() -> None:
    with pytest.raises(BadField, match="reserved length byte FF"):
        data_end(interpret(b"\x0d\x78"), b"\xff\x00", 0, 2)


@pytest.mark.parametrize(
    ("two_digits", "century", "year"),
    [
        (0, 0, 2000),
        (80, 0, 2080),
        (81, 0, 1981),
        (99, 0, 1999),
        (8, 1, 2008),
        (95, 1, 2095),
        (7, 2, 2107),
        (100, 0, None),
    ],
)
def test_years(two_digits: int, century: int, year: int | None) -> None:
    assert datetypes.year_of(two_digits, century) == year
