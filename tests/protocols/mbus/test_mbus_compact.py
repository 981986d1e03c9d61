"""Compact and format frames: EN 13757-3, Annex G, telegrams of real meters, and the formats that are shipped."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated, Unsupported
from protocols.mbus.compact import (
    CompactRecords,
    FormatLibrary,
    expand_compact,
    format_signature,
    full_frame_bytes,
    headers_of,
    parse_format_frame,
    shipped_formats,
)
from protocols.mbus.header import parse_header
from protocols.mbus.records import parse_records
from protocols.mbus.spans import application_spans

# EN 13757-3:2018, G.5.2
HEADERS = bytes.fromhex("0202 0215 022A")
FULL = bytes.fromhex("0202D204 02152E16 022A3423")
COMPACT = bytes.fromhex("313B 42A6 D2042E163423")
FORMAT = bytes.fromhex("08 313B 02020215022A")


def expand(text: str, library: FormatLibrary | None = None) -> CompactRecords:
    data = bytes.fromhex(text)
    return expand_compact(data, 0, len(data), shipped_formats() if library is None else library)


def shipped_rows() -> list[dict[str, str]]:
    text = resources.files("protocols.mbus").joinpath("formats.toml").read_text(encoding="utf-8")
    rows: list[dict[str, str]] = tomllib.loads(text)["format"]
    return rows


def test_example_of_the_standard() -> None:
    parsed = parse_records(FULL, 0, len(FULL))
    assert headers_of(parsed.records) == HEADERS
    assert format_signature(HEADERS) == 0x3B31
    library = FormatLibrary().learn(parse_format_frame(FORMAT, 0, len(FORMAT)))
    found = expand_compact(COMPACT, 0, len(COMPACT), library)
    assert full_frame_bytes(found.records) == FULL
    assert (found.signature, found.full_crc, found.crc_matches) == (0x3B31, 0xA642, True)
    assert [r.value for r in found.records] == [r.value for r in parsed.records]


def test_spans_cover_the_data_only() -> None:
    found = expand_compact(COMPACT, 0, len(COMPACT), shipped_formats())
    assert [(r.start, r.data_start, r.end, r.data.hex()) for r in found.records] == [
        (4, 4, 6, "d204"),
        (6, 6, 8, "2e16"),
        (8, 8, 10, "3423"),
    ]
    leaves = application_spans(found.records, 4, len(COMPACT), COMPACT, None)
    assert [(leaf.start, leaf.end, leaf.name) for leaf in leaves] == [(4, 6, "data"), (6, 8, "data"), (8, 10, "data")]


@pytest.mark.parametrize(
    ("frame", "full"),
    [
        # Multical 21, signature A8ED
        (
            "EDA8E47571000919000009190000 7F16",
            "02FF207100 041309190000 441309190000 615B7F 616716",
        ),
        # Kamstrup heat, signature F1E7 (exmbus compact_frame_test)
        (
            "E7F1A3FCED2400E723002E5E00BF2C0D0000",
            "0306ED24004306E7230003142E5E00426CBF2C022D0D0001FF2100",
        ),
        # Kamstrup electricity, signature 2274
        (
            "7422F58D0B0B00005A0F0000000000000000000000",
            "04050B0B000004FB82755A0F000004853C0000000004FB82F53C0000000001FD1700",
        ),
        # Idle fillers at the end are outside the CRC.
        ("313B42A6D2042E163423 2F2F2F", "0202D20402152E16022A3423"),
    ],
    ids=["A8ED", "F1E7", "2274", "fillers"],
)
def test_published_frames(frame: str, full: str) -> None:
    found = expand(frame)
    assert full_frame_bytes(found.records) == bytes.fromhex(full)
    assert (found.crc_matches, found.problem, found.notes) == (True, None, ())
    assert found.stopped_at == len(bytes.fromhex(frame))


def test_wrong_full_frame_crc_is_a_note() -> None:
    found = expand("313B42A7D2042E163423")
    assert len(found.records) == 3
    assert (found.crc_matches, found.problem) == (False, None)
    assert found.notes == ("full-frame CRC A742 does not match format 3B31",)


def test_bytes_behind_the_format_are_a_note() -> None:
    found = expand("313B42A6D2042E163423 AA")
    assert found.notes == ("1 byte after the last record of format 3B31",)
    assert found.stopped_at == 10


def test_a_format_that_fits_neither_in_length_nor_in_crc_is_another_meters() -> None:
    # Two formats may share a signature: the values would be those of the wrong places.
    found = expand("313B42A7D2042E163423 AA")
    assert (found.records, found.notes, found.stopped_at) == ((), (), 4)
    assert isinstance(found.problem, BadChecksum)
    assert str(found.problem) == (
        "format 3B31 does not fit this frame: 1 byte is left, and the full-frame CRC A742 is another"
    )


def test_missing_data_keep_what_was_there() -> None:
    found = expand("313B42A6D2042E16")
    assert len(found.records) == 2
    assert isinstance(found.problem, Truncated)
    assert not found.crc_matches


def test_unknown_format_says_what_is_needed() -> None:
    with pytest.raises(Unsupported, match="unknown format 3412: needs a full frame of the same meter type first"):
        expand("1234 0000 0000")


def test_variable_length_data_carry_their_length_byte() -> None:
    full = bytes.fromhex("0D78083430363030383332 041308190000")
    parsed = parse_records(full, 0, len(full))
    library = FormatLibrary().learn(headers_of(parsed.records))
    signature = format_signature(headers_of(parsed.records)).to_bytes(2, "little")
    body = signature + b"\0\0" + b"".join(r.data for r in parsed.records)
    found = expand_compact(body, 0, len(body), library)
    assert full_frame_bytes(found.records) == full


@pytest.mark.parametrize("frame", ["", "31", "313B42"])
def test_no_room_for_signature_and_crc(frame: str) -> None:
    with pytest.raises(Truncated):
        expand(frame)


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ("08", Truncated),
        ("01 313B", BadField),
        ("09 313B 02020215022A", Truncated),
        ("08 323B 02020215022A", BadChecksum),
        ("04 FFFF 0202", BadChecksum),
    ],
)
def test_damaged_format_frames(frame: str, error: type[ProtocolError]) -> None:
    data = bytes.fromhex(frame)
    with pytest.raises(error):
        parse_format_frame(data, 0, len(data))


def test_format_frame_whose_headers_are_none() -> None:
    headers = bytes.fromhex("0202 84")
    data = bytes((2 + len(headers),)) + format_signature(headers).to_bytes(2, "little") + headers
    with pytest.raises(Truncated):
        parse_format_frame(data, 0, len(data))


def test_library_is_a_value() -> None:
    empty = FormatLibrary()
    known = empty.learn(HEADERS)
    assert (len(empty), len(known)) == (0, 1)
    assert known.learn(HEADERS) is known
    assert known.learn(b"") is known
    assert known.get(0x3B31) == (b"\x02\x02", b"\x02\x15", b"\x02\x2a")
    assert known.get(0x1234) is None
    with pytest.raises(Truncated):
        known.learn(b"\x02")


@pytest.mark.parametrize("row", shipped_rows(), ids=lambda row: row["signature"])
def test_shipped_signature_is_that_of_its_headers(row: dict[str, str]) -> None:
    headers = bytes.fromhex(row["headers"])
    assert f"{format_signature(headers):04X}" == row["signature"]
    assert row["device"]
    separate = [bytes.fromhex(header) for header in row["headers"].split()]
    assert [parse_header(header, 0).raw for header in separate] == separate
    assert shipped_formats().get(int(row["signature"], 16)) == tuple(separate)


def test_shipped_formats_are_all_different() -> None:
    assert len(shipped_formats()) == len(shipped_rows())


@given(st.binary(max_size=60))
def test_any_bytes_expand_or_say_why(data: bytes) -> None:
    signature = (0xA8ED).to_bytes(2, "little")
    frame = signature + data
    try:
        found = expand_compact(frame, 0, len(frame), shipped_formats())
    except Truncated:
        assert len(frame) < 4
        return
    assert found.problem is None or len(frame) < 18 or not found.records
    position = 4
    for leaf in application_spans(found.records, 4, len(frame), frame, found.tail):
        assert leaf.start == position < leaf.end
        position = leaf.end
    assert position == len(frame)


@given(st.binary(max_size=40))
def test_any_format_frame_parses_or_says_why(data: bytes) -> None:
    try:
        headers = parse_format_frame(data, 0, len(data))
    except ProtocolError as error:
        offset = error.offset
    else:
        assert data[3:].startswith(headers)
        return
    assert 0 <= offset <= len(data)
