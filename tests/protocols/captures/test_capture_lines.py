"""Captures whose lines are in the forms of other programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.captures.hex_lines import format_line, parse_own_line
from protocols.captures.lines import parse_lines
from protocols.captures.model import BadLine, CaptureEntry
from protocols.model import Address, FrameFormat, RawFrame
from protocols.receivers.im871a.envelope import Endpoint, Envelope
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_clear, with_crcs
from protocols.wmbus.three_of_six import encode

METER = Address.of("XYZ", "00000017", 2, 4)
FRAME = link_frame(0x44, METER, transport_clear(Content.RECORDS, bytes.fromhex("0C0678563412"), TransportHeader(9)))
HEX = FRAME.hex()
IN_A = with_crcs(FRAME, FrameFormat.A)


def entries(*lines: str) -> list[CaptureEntry]:
    items = list(parse_lines([f"{line}\n" for line in lines], "air"))
    assert not [item for item in items if isinstance(item, BadLine)]
    return [item for item in items if isinstance(item, CaptureEntry)]


def test_every_line_may_have_a_form_of_its_own() -> None:
    lines = {
        HEX: "hex",
        f"T1;1;1;2026-03-04 05:06:07.000;60;50;00000017;0x{HEX}": "rtl_wmbus line",
        json.dumps({"model": "Wireless-MBus", "mode": "T", "data": HEX}): "rtl_433 JSON",
        f"b{IN_A.hex()}84E0": "CUL line",
        Envelope(Endpoint.RADIO_LINK, 3, FRAME[1:], None, 0x9B).to_bytes().hex(): "iM871A envelope",
        encode(IN_A).hex(): "3-of-6 chips",
        IN_A.hex(): "hex",
    }
    read = entries(*lines)
    assert [entry.kind for entry in read] == list(lines.values())
    assert {entry.frame.data for entry in read} == {FRAME, IN_A}
    assert {entry.frame.source for entry in read} == {"air"}


def test_local_times_become_offsets_from_the_first() -> None:
    read = entries(
        f"T1;1;1;2026-03-04 23:59:59.500;60;50;;0x{HEX}",
        f"T1;1;1;2026-03-05 00:00:01.000;60;50;;0x{HEX}",
        HEX,
    )
    assert [entry.offset_s for entry in read] == [0.0, 1.5, None]
    assert [entry.frame.at for entry in read] == [None, None, None]


def test_the_head_of_a_csv_file_is_no_bad_line() -> None:
    head = "time,msg,codes,model,mode,data"
    assert len(entries(head, f"2026-03-04 05:06:07,,,Wireless-MBus,T,{HEX}")) == 1


def test_a_bad_line_says_what_was_seen() -> None:
    (bad,) = parse_lines([f"bY{HEX}"])
    assert bad == BadLine(1, "CUL line of 21 bytes in which no link-layer CRC fits")


def test_own_lines_take_the_quick_way_with_the_same_result() -> None:
    frame = RawFrame(FRAME, datetime(2026, 3, 4, 5, 6, 7, 250000, UTC), "air", "C1", -71)
    line = f"{format_line(frame)}\n"
    assert parse_own_line(line, "air") == frame
    assert entries(format_line(frame)) == [CaptureEntry(1, frame)]


@pytest.mark.parametrize("told", list(FrameFormat))
def test_own_lines_keep_the_format_that_a_receiver_told(told: FrameFormat) -> None:
    data = with_crcs(FRAME, told) if told is not FrameFormat.STRIPPED else FRAME
    damaged = RawFrame(data[:-1] + bytes((data[-1] ^ 1,)), source="air", rssi_dbm=-90, frame_format=told)
    assert parse_own_line(format_line(damaged), "air") == damaged
    assert entries(format_line(damaged)) == [CaptureEntry(1, damaged)]
    assert parse_own_line(f";;;X;{HEX}") is None


@given(
    st.lists(st.sampled_from(["", "Z", "2026-03-04 05:06:07Z", "-71", "x", "C1", HEX, " "]), max_size=6).map(";".join)
)
def test_a_line_that_is_not_quite_our_own_is_left_to_others(line: str) -> None:
    frame = parse_own_line(line)
    assert frame is None or frame.at is None or frame.at.tzinfo is UTC
    assert [type(item) for item in parse_lines([line])] in ([], [BadLine], [CaptureEntry])
