"""Lines of rtl_wmbus and rtl_433 as they come in: whole, cut, damaged, endless, of something else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.receivers.sdr_lines import LINE_LIMIT, RTL_433, RTL_WMBUS, Heard, LineEvent, LineStream, Program, Useless

WATER = "1844ae4c4455223368077a55000000041389e20100023b0000"
LINE = f"T1;1;1;2026-01-02 03:04:05.250000;54;46;33225544;0x{WATER}"
OBJECT = {"time": "2026-01-02 03:04:05", "model": "Wireless-MBus", "mode": "T", "id": 33225544, "data": WATER}
PROGRAMS = pytest.mark.parametrize("program", [RTL_WMBUS, RTL_433], ids=lambda program: program.kind)


def read(program: Program, *pieces: bytes) -> list[LineEvent]:
    lines = LineStream(program)
    events = [event for piece in pieces for event in lines.feed(piece)]
    return [*events, *lines.end()]


def one(program: Program, line: str) -> LineEvent:
    (event,) = read(program, f"{line}\n".encode())
    return event


def heard(program: Program, line: str) -> Heard:
    event = one(program, line)
    assert isinstance(event, Heard)
    return event


def useless(program: Program, line: str) -> Useless:
    event = one(program, line)
    assert isinstance(event, Useless)
    return event


def test_a_line_of_rtl_wmbus() -> None:
    event = heard(RTL_WMBUS, LINE)
    assert event.frame.data.hex() == WATER
    assert (event.frame.mode, event.frame.rssi_dbm) == ("T1", None), "its strength has no unit"
    assert event.frame.at is None
    assert event.local_at == datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("mode", ["T1", "C1", "S1"])
def test_modes_and_demodulators(mode: str) -> None:
    for prefix in ("", "rla;", "t2a;"):
        assert heard(RTL_WMBUS, f"{prefix}{mode}{LINE[2:]}").frame.mode == mode


def test_a_gateway_that_writes_the_same() -> None:
    event = heard(RTL_WMBUS, f"C1;1;1;2026-01-02 03:04:05.00Z;-71;;;0x{WATER.upper()}")
    assert (event.frame.rssi_dbm, event.frame.at) == (-71, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert heard(RTL_WMBUS, f"T1;1;1;;-71;;;0x{WATER}").local_at is None


def test_what_the_program_calls_damaged_is_not_handed_on() -> None:
    event = useless(RTL_WMBUS, LINE.replace("T1;1;1", "T1;0;1"))
    assert event.damaged
    assert "CRC" in event.reason


def test_an_object_of_rtl_433_and_its_csv() -> None:
    event = heard(RTL_433, json.dumps(OBJECT))
    assert (event.frame.data.hex(), event.frame.mode) == (WATER, "T1")
    assert event.local_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    csv = f"2026-01-02 03:04:05,,,Wireless-MBus,,33225544,,CRC,T,SEN,{WATER}"
    assert heard(RTL_433, csv).frame.data.hex() == WATER


def test_the_length_of_format_b_is_put_right() -> None:
    counted_with_crc = f"{int(WATER[:2], 16) + 2:02x}{WATER[2:]}"
    assert heard(RTL_433, json.dumps(OBJECT | {"mode": "C", "data": counted_with_crc})).frame.data.hex() == WATER


def test_other_devices_headings_and_empty_lines_are_passed_over() -> None:
    other = json.dumps({"time": "2026-01-02 03:04:05", "model": "Acurite-Tower", "temperature_C": 21.5})
    text = f"{other}\n\r\n  \ntime,msg,codes,model\n{json.dumps({'model': 5})}\n"
    assert read(RTL_433, text.encode()) == []
    assert read(RTL_WMBUS, b"\n\r\n") == []


def test_lines_of_the_other_program_name_it() -> None:
    assert useless(RTL_WMBUS, json.dumps(OBJECT)).hint == "write rtl433: in the address"
    assert useless(RTL_433, LINE).hint == "write rtlwmbus: in the address"


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (RTL_WMBUS, "rtl_wmbus: exiting.."),
        (RTL_WMBUS, LINE[:-1]),
        (RTL_WMBUS, "T1;1;1;;;;;0x"),
        (RTL_WMBUS, "T1;1;1;;;;;0x1844"),
        (RTL_WMBUS, f"T1;1;1;;;;;0x{'00' * 600}"),
        (RTL_433, '{"model": "Wireless-MBus", "data": "1844'),
        (RTL_433, '{"model": "Wireless-MBus", "data": "xy"}'),
        (RTL_433, '{"model": "Wireless-MBus"}'),
        (RTL_433, "[" * 30_000),
        (RTL_433, '{"a":' * 10_000),
        (RTL_433, "{" + "9" * 20_000),
    ],
    ids=[
        "the program's own words",
        "cut",
        "no digits",
        "too short",
        "too long",
        "cut JSON",
        "no hex",
        "no data",
        "nested too deeply",
        "nested too deeply, with names",
        "a long number",
    ],
)
def test_lines_without_a_telegram(program: Program, line: str) -> None:
    assert not useless(program, line).damaged


def test_line_ends_of_windows_and_a_byte_order_mark() -> None:
    assert len(read(RTL_WMBUS, f"\ufeff{LINE}\r\n{LINE}\r\n".encode())) == 2


def test_a_last_line_counts_when_its_telegram_is_whole() -> None:
    (whole,) = read(RTL_WMBUS, LINE.encode())
    assert isinstance(whole, Heard)
    (cut,) = read(RTL_WMBUS, LINE[:-8].encode())
    assert isinstance(cut, Useless)
    assert cut.reason == "the last line is cut off"


def test_an_endless_line_takes_no_memory_and_is_told_once() -> None:
    lines = LineStream(RTL_WMBUS)
    for _ in range(160):
        assert list(lines.feed(b"0" * LINE_LIMIT)) == []
        assert lines.kept <= LINE_LIMIT
    events = list(lines.feed(f"\n{LINE}\n".encode()))
    assert [type(event) for event in events] == [Useless, Heard]
    assert isinstance(events[0], Useless)
    assert str(160 * LINE_LIMIT) in events[0].reason


@PROGRAMS
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(program: Program, data: bytes) -> None:
    for event in read(program, data, b"\n", data[::-1]):
        assert isinstance(event, Heard | Useless)


@PROGRAMS
@given(text=st.text(alphabet='T1;0x{}":,[]model ab\n', max_size=200))
def test_any_text_like_theirs_is_read_without_an_error(program: Program, text: str) -> None:
    read(program, text.encode())


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_in_any_pieces_it_is_the_same(cuts: list[int]) -> None:
    data = f"{LINE}\r\njunk\n{LINE}\n".encode()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert read(RTL_WMBUS, *pieces) == read(RTL_WMBUS, data)
