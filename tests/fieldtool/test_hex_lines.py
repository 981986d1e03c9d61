"""Captures of one telegram a line, however they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.captures.hex_lines import LINE_LIMIT, format_line, parse_hex, parse_line
from protocols.captures.lines import parse_lines
from protocols.captures.model import BadLine, CaptureEntry
from protocols.model import RawFrame

HEX = "1844AE4C4455223368077A55000000041389E20100023B0000"
DATA = bytes.fromhex(HEX)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        HEX,
        HEX.lower(),
        f"0x{HEX}",
        f"|{HEX}|",
        f"telegram=|{HEX}|",
        f"telegram={HEX}",
        f"  {HEX}  # outside, third floor",
        f"\ufeff{HEX}",
        f"{HEX[:22]}_{HEX[22:]}",
        f"{HEX[:22]}|{HEX[22:]}",
        DATA.hex(" "),
        f"0x{DATA.hex(' ')}",
    ],
)
def test_spellings_of_the_same_telegram(text: str) -> None:
    parsed = parse_line(text)
    assert parsed is not None
    assert parsed[0].data == DATA


@pytest.mark.parametrize(
    ("text", "offset_s"),
    [(f"telegram=|{HEX}|+12", 12.0), (f"telegram=|{HEX}|+0.25s", 0.25), (f"{HEX} +3", 3.0), (HEX, None)],
)
def test_offsets(text: str, offset_s: float | None) -> None:
    parsed = parse_line(text)
    assert parsed is not None
    assert parsed == (RawFrame(DATA), offset_s)


@pytest.mark.parametrize(
    ("text", "at", "rssi_dbm", "mode"),
    [
        (f"2026-01-02T03:04:05Z;-71;C1;{HEX}", AT, -71, "C1"),
        (f"2026-01-02 03:04:05,-71 dBm,{HEX}", AT, -71, None),
        (f"2026-01-02 03:04:05.250\t{HEX}\t-71.5", AT + timedelta(milliseconds=250), -71, None),
        (f"2026-01-02T04:04:05+01:00 {HEX}", AT, None, None),
        (f"{HEX};2026-01-02 04:04:05+0100", AT, None, None),
        (f"T1;1;1;2026-01-02 03:04:05.000;-71;-90;33225544;0x{HEX}", AT, -71, "T1"),
        (f"00028954; ELV;20;1B;00; -83; T;{HEX};", None, -83, None),
    ],
)
def test_columns(text: str, at: datetime | None, rssi_dbm: int | None, mode: str | None) -> None:
    parsed = parse_line(text)
    assert parsed is not None
    assert parsed[0] == RawFrame(DATA, at, "", mode, rssi_dbm)
    assert parsed[1] is None


@pytest.mark.parametrize("text", ["", "   ", "# only a comment", "\ufeff", "\n"])
def test_lines_without_anything(text: str) -> None:
    assert parse_line(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEX[:-1], "odd number of hex digits"),
        ("telegram=|12G4|", "'G' at digit 3"),
        ("what is this", "not a hex digit"),
        ("2026-13-99 03:04:05;" + HEX, "no such time"),
        ("telegram=", "no hex digits"),
        ("2026-01-02 03:04:05;-71", "no telegram in the line"),
        ("F" * (LINE_LIMIT + 1), "a telegram has at most"),
    ],
)
def test_bad_lines_say_why(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_line(text)


def test_a_bad_line_never_ends_the_file() -> None:
    items = list(parse_lines([HEX, "zz", "", HEX[:-1], "1234", HEX], "a.hex"))
    assert [item.line for item in items] == [1, 2, 4, 5, 6]
    assert [isinstance(item, BadLine) for item in items] == [False, True, True, True, False]
    assert isinstance(items[0], CaptureEntry)
    assert items[0].frame.source == "a.hex"
    assert "2 bytes are too few" in repr(items[3])


def test_what_a_wired_meter_acknowledges_with_is_a_telegram() -> None:
    acknowledge, other = parse_lines(["E5", "E4"])
    assert isinstance(acknowledge, CaptureEntry)
    assert isinstance(other, BadLine)
    assert other.problem == "1 byte is too few for a telegram"


def test_other_lines_of_a_file_with_marks_are_skipped() -> None:
    items = list(parse_lines([f"telegram=|{HEX}|", '{"media":"water"}', f"telegram=|{HEX}|+1"]))
    assert [item.line for item in items] == [1, 3]
    assert all(isinstance(item, CaptureEntry) for item in items)


@pytest.mark.parametrize("between", [";", ","])
def test_a_row_of_a_key_table_is_no_telegram(between: str) -> None:
    with pytest.raises(ValueError, match="is this a table of keys") as refused:
        parse_line(f"63001468{between}2A44010203040506070809AABBCCDDEE")
    assert "2A44" not in str(refused.value)
    assert parse_line(f"63001468{between}0F44010203040506070809AABBCCDDEE") is not None
    assert parse_line("2A44010203040506070809AABBCCDDEE") is not None, "a frame that was cut"


def test_no_piece_of_a_refused_text_longer_than_a_character_is_repeated() -> None:
    with pytest.raises(ValueError, match="not a hex digit") as caught:
        parse_hex("not-a-telegram-but-a-secret")
    assert "secret" not in str(caught.value)


@given(
    st.binary(min_size=5, max_size=300),
    st.none() | st.integers(-130, -1),
    st.sampled_from([None, "C1", "T1", "S1"]),
    st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001 - the zone follows below
    st.integers(-12, 12),
)
def test_a_written_line_reads_back(
    data: bytes, rssi_dbm: int | None, mode: str | None, at: datetime | None, hours: int
) -> None:
    zone = timezone(timedelta(hours=hours))
    moment = None if at is None else at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=zone)
    frame = RawFrame(data, moment, "", mode, rssi_dbm)
    assert parse_line(format_line(frame)) == (frame, None)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_line(text)
    except ValueError:
        return
    assert parsed is None or isinstance(parsed[0].data, bytes)
