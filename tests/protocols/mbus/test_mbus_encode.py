"""Encoding is the inverse of decoding, and refuses what does not fit."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.mbus.encode import (
    Encodable,
    compact_from_full,
    encode_data,
    encode_header,
    encode_record,
    encode_records,
    format_from_full,
)
from protocols.mbus.header import interpret
from protocols.mbus.records import parse_records, transmitted
from protocols.model import Function, Quality, Value


def decode(data: bytes) -> tuple[Value, Quality]:
    parsed = parse_records(data, 0, len(data))
    assert parsed.problem is None
    assert len(transmitted(parsed.records)) == 1
    return parsed.records[0].value, parsed.records[0].quality


@pytest.mark.parametrize(
    ("header", "value", "wire"),
    [
        # The records of OMS Vol. 2, N.2.1 and N.5.3, and of published telegrams.
        ("0C14", Decimal("28504.27"), "27048502"),
        ("046D", datetime.fromisoformat("2008-05-31 23:50"), "32371F15"),
        ("02FD17", 0, "0000"),
        ("0B6E", 1234, "341200"),
        ("426C", date(2007, 4, 30), "FE04"),
        ("0CFD10", "12345678", "78563412"),
        ("0B5E", Decimal("-4.0"), "4000F0"),
        ("02FB1A", Decimal("71.6"), "CC02"),
        ("0265", Decimal("-13.71"), "A5FA"),
        ("04FB8275", Decimal("327.9"), "CF0C0000"),
        ("02FC0348522574", Decimal("33.96"), "440D"),
        ("0D78", "23800604", "083430363030383332"),
        ("0779", "043E449367958979", "7989956793443E04"),
        ("0DFD3B", "443344", "03443344"),
        ("0DFD3B", b"\x44\x33\x44", "03443344"),
        ("02FF20", 113, "7100"),
        ("02FD0A", "KAM", "2D2C"),
        ("01FD09", "water", "07"),
        ("0478", "12345678", "4E61BC00"),
        ("02FB68", Decimal("1.5"), "0018"),
        ("05FDC9FF01", Decimal("230.25"), "00406643"),
        ("036D", time(23, 59, 30), "1E3B17"),
        ("04837A", Decimal("0.0051"), "05000000"),
        ("8D04951F", "6901030211", "056901030211"),
        ("0D06", Decimal(300), "E22C01"),
        ("0016", None, ""),
        ("0416", 30, "1E000000"),
        # "No value" is the invalid pattern of the type.
        ("0413", None, "00000080"),
        ("04FD08", None, "FFFFFFFF"),
        ("0C13", None, "FFFFFFFF"),
        ("426C", None, "FFFF"),
        ("046D", None, "FFFFFFFF"),
        ("055B", None, "0000C07F"),
    ],
)
def test_known_encodings(header: str, value: Encodable, wire: str) -> None:
    assert encode_data(bytes.fromhex(header), value) == bytes.fromhex(wire)
    back, quality = decode(encode_record(bytes.fromhex(header), value))
    if value is None:
        assert (back, quality is Quality.GOOD) == (None, False)
    else:
        assert back == (value.hex().upper() if isinstance(value, bytes) else value)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("0213", Decimal("32.768")),
        ("0213", Decimal("-32.769")),
        ("04FD08", -1),
        ("0413", Decimal("0.0001")),
        ("0A13", Decimal(10)),
        ("0A13", Decimal("-1.000")),
        ("0413", Decimal("NaN")),
        ("0413", "text"),
        ("0413", True),
        ("0413", date(2020, 1, 1)),
        ("0413", b"\x00\x01"),
        ("426C", datetime.fromisoformat("2020-01-01 00:00")),
        ("426C", date(2090, 1, 1)),
        ("426C", 5),
        ("046D", date(2020, 1, 1)),
        ("046D", datetime.fromisoformat("1950-01-01 00:00")),
        ("0C78", "123456789"),
        ("0C78", "12345X78"),
        ("0478", "x"),
        ("0D78", "€"),
        ("0D78", "x" * 192),
        ("0DFD3B", "no hex"),
        ("0DFD3B", b"\x00" * 192),
        ("0779", "12"),
        ("02FD0A", "TOOLONG"),
        ("01FD09", "lemonade"),
        ("02FD17", None),
        ("0D06", None),
        ("0016", Decimal(1)),
        ("01FD19", 3),
        ("0513", Decimal("1e60")),
        ("04", Decimal(1)),
        ("2F", None),
    ],
)
def test_what_does_not_fit_is_refused(header: str, value: Encodable) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_record(bytes.fromhex(header), value)


def test_a_key_is_in_no_message() -> None:
    with pytest.raises(ValueError, match="as bytes") as caught:
        encode_record(bytes.fromhex("0DFD19"), "00112233445566778899AABBCCDDEEFF")
    assert "0011" not in str(caught.value)
    assert encode_data(bytes.fromhex("0DFD19"), bytes(16)) == b"\x10" + bytes(16)


@given(
    data_field=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]),
    function=st.sampled_from(Function),
    storage=st.integers(0, (1 << 41) - 1),
    tariff=st.integers(0, (1 << 20) - 1),
    subunit=st.integers(0, (1 << 10) - 1),
)
def test_headers_round_trip(data_field: int, function: Function, storage: int, tariff: int, subunit: int) -> None:
    raw = encode_header(data_field, b"\x13", function=function, storage=storage, tariff=tariff, subunit=subunit)
    parsed = interpret(raw)
    assert (parsed.data_field, parsed.function) == (data_field, function)
    assert (parsed.storage, parsed.tariff, parsed.subunit) == (storage, tariff, subunit)


@pytest.mark.parametrize(
    ("header", "raw"),
    [
        ({"data_field": 4, "vif": b"\x13", "storage": 1}, "4413"),
        ({"data_field": 4, "vif": b"\x14", "subunit": 1}, "844014"),
        ({"data_field": 4, "vif": b"\x03", "storage": 32, "tariff": 1}, "84900103"),
        ({"data_field": 2, "vif": b"\x3b", "storage": 2, "function": Function.MAXIMUM}, "92013B"),
    ],
)
def test_known_headers(header: dict[str, object], raw: str) -> None:
    assert encode_header(**header) == bytes.fromhex(raw)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "header",
    [
        {"data_field": 15, "vif": b"\x13"},
        {"data_field": 4, "vif": b""},
        {"data_field": 4, "vif": b"\x93"},
        {"data_field": 4, "vif": b"\x13", "storage": -1},
        {"data_field": 4, "vif": b"\x13", "storage": 1 << 41},
    ],
)
def test_impossible_headers(header: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_header(**header)  # type: ignore[arg-type]


VIFS = st.sampled_from(["03", "06", "0E", "13", "2B", "3B", "5A", "FB01", "FB8275", "FD48", "FD3A", "937D", "83F93B"])


@given(field=st.sampled_from([1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 14]), vif=VIFS, data=st.data())
def test_numbers_round_trip(field: int, vif: str, data: st.DataObject) -> None:
    header = encode_header(field, bytes.fromhex(vif))
    length = interpret(header).field.length
    if field < 8:
        limit = 1 << 8 * length - 1
        raw = data.draw(st.integers(1 - limit, limit - 1)).to_bytes(length, "little", signed=True)
    else:
        raw = bytes.fromhex(str(data.draw(st.integers(0, 10 ** (2 * length) - 1))).zfill(2 * length))
    value, quality = decode(header + raw)
    assert quality is Quality.GOOD
    assert encode_record(header, value) == header + raw


@given(st.datetimes(datetime(1981, 1, 1), datetime(2099, 12, 31)))  # noqa: DTZ001
def test_times_round_trip(moment: datetime) -> None:
    minute = moment.replace(second=0, microsecond=0)
    assert decode(encode_record(b"\x04\x6d", minute)) == (minute, Quality.GOOD)
    if moment.year <= 2080:
        second = moment.replace(microsecond=0)
        assert decode(encode_record(b"\x06\x6d", second)) == (second, Quality.GOOD)
        assert decode(encode_record(b"\x02\x6c", moment.date())) == (moment.date(), Quality.GOOD)


def test_compact_and_format_frames_of_the_standard() -> None:
    # EN 13757-3:2018, G.5.2
    full = encode_records(
        [(b"\x02\x02", Decimal("0.1234")), (b"\x02\x15", Decimal("567.8")), (b"\x02\x2a", Decimal("0.9012"))]
    )
    assert full == bytes.fromhex("0202D20402152E16022A3423")
    assert compact_from_full(full) == bytes.fromhex("313B42A6D2042E163423")
    assert compact_from_full(full + b"\x2f\x2f") == compact_from_full(full)
    assert format_from_full(full) == bytes.fromhex("08313B02020215022A")


@pytest.mark.parametrize("records", ["0413", "0413081900000F01"])
def test_what_has_no_compact_frame(records: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compact_from_full(bytes.fromhex(records))


def test_format_frame_has_a_longest() -> None:
    with pytest.raises(ValueError, match="do not fit a format frame"):
        format_from_full(bytes.fromhex("0113 00") * 127)
