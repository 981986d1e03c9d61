"""Wired frames both ways, resynchronisation, and the fixed data structure."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.mbus.fixed import parse_fixed
from protocols.mbus.wired import (
    REQ_UD2,
    Acknowledge,
    LongFrame,
    ShortFrame,
    WiredFrame,
    control_words,
    parse_wired,
    take_frame,
    toggled,
)
from protocols.model import Quality, Value

FRAMES: dict[str, tuple[WiredFrame, str]] = {
    "acknowledge": (Acknowledge(), "E5"),
    "SND-NKE to 1": (ShortFrame(0x40, 1), "1040014116"),
    "SND-NKE to the selected": (ShortFrame(0x40, 253), "1040FD3D16"),
    "REQ-UD2, FCB 1": (ShortFrame(0x7B, 1), "107B017C16"),
    "REQ-UD1": (ShortFrame(0x5A, 1), "105A015B16"),
    "set baud rate 2400": (LongFrame(0x53, 254, 0xBB), "6803036853FEBB0C16"),
    "application reset": (LongFrame(0x53, 254, 0x50, b"\x10"), "6804046853FE5010B116"),
    "application error": (LongFrame(0x08, 1, 0x70, b"\x08"), "68040468080170088116"),
    "secondary select": (
        LongFrame(0x53, 253, 0x52, bytes.fromhex("7856341293153303")),
        "680B0B6853FD5278563412931533039416",
    ),
    "gas meter of OMS Vol. 2, N.2.2": (
        LongFrame(0x08, 253, 0x72, bytes.fromhex("7856341293153303 2A0000000C1427048502046D32371F1502FD170000")),
        "6820206808FD7278563412931533032A0000000C1427048502046D32371F1502FD1700008916",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_both_ways(name: str) -> None:
    frame, text = FRAMES[name]
    wire = bytes.fromhex(text)
    assert parse_wired(wire) == frame
    assert frame.to_bytes() == wire
    assert frame.length == len(wire)


@pytest.mark.parametrize("name", FRAMES)
def test_byte_by_byte(name: str) -> None:
    frame, text = FRAMES[name]
    wire = bytes.fromhex(text)
    for cut in range(len(wire)):
        with pytest.raises(Truncated):
            parse_wired(wire[:cut])
        assert take_frame(wire[:cut]) == (None, 0)
    assert take_frame(wire) == (frame, len(wire))


@pytest.mark.parametrize("name", FRAMES)
def test_with_noise_around(name: str) -> None:
    frame, text = FRAMES[name]
    wire = bytes.fromhex(text)
    noisy = b"\x00\x55\xff" + wire + b"\x16\x00"
    assert take_frame(noisy) == (frame, 3 + len(wire))
    assert parse_wired(noisy, 3) == frame


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("D04046853FE5010B11", BadField, "D0 does not start a wired frame"),
        ("1040014216", BadChecksum, "checksum of the wired frame is 42, its bytes give 41"),
        ("1040014117", BadField, "ends with 17, not 16"),
        ("680405680801700081", BadField, "two lengths of the wired frame differ: 04 and 05"),
        ("68040469080170007916", BadField, "second start byte of the wired frame is 69"),
        ("680000680816", BadField, "length 0 of the wired frame leaves no C, A and CI field"),
        ("68040468080170087916", BadChecksum, "its bytes give 81"),
    ],
)
def test_damaged_frames(text: str, error: type[ProtocolError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        parse_wired(bytes.fromhex(text))
    assert caught.value.layer == "wired"


def test_a_good_frame_behind_a_bad_one_arrives() -> None:
    bad = bytes.fromhex("68040468080170087916")
    good = bytes.fromhex("1040014116")
    frame, used = take_frame(bad + good)
    assert (frame, used) == (ShortFrame(0x40, 1), len(bad + good))


def test_noise_does_not_pile_up() -> None:
    assert take_frame(b"\x00" * 1000) == (None, 1000)


def test_too_much_data() -> None:
    assert len(LongFrame(8, 1, 0x72, bytes(252)).to_bytes()) == 261
    with pytest.raises(ValueError, match="253 bytes of data do not fit"):
        LongFrame(8, 1, 0x72, bytes(253)).to_bytes()


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (0x40, "SND-NKE"),
        (0x53, "SND-UD, FCB 0"),
        (0x7A, "REQ-UD1, FCB 1"),
        (toggled(REQ_UD2), "REQ-UD2, FCB 1"),
        (0x08, "RSP-UD"),
        (0x38, "RSP-UD, access demand, cannot take more data"),
        (0x47, "C field 47"),
    ],
)
def test_control_words(control: int, words: str) -> None:
    assert control_words(control) == words


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    try:
        frame: WiredFrame | None = parse_wired(data)
        offset = 0
    except ProtocolError as error:
        frame, offset = None, error.offset
    assert 0 <= offset <= len(data)
    assert frame is None or data.startswith(frame.to_bytes())
    _, used = take_frame(data)
    assert 0 <= used <= len(data)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=252))
def test_long_frames_round_trip(control: int, address: int, ci: int, data: bytes) -> None:
    frame = LongFrame(control, address, ci, data)
    assert parse_wired(frame.to_bytes()) == frame


FIXED: dict[str, tuple[str, bool, int, list[tuple[str, str, Value, int]]]] = {
    # The example in libmbus' description of the structure.
    "water, historic": (
        "785634120A00E97E0100000035010000",
        False,
        7,
        [("volume", "m3", Decimal("0.001"), 0), ("volume", "m3", Decimal("0.135"), 1)],
    ),
    "water, historic, most significant byte first": (
        "123456780A00E97E0000000100000135",
        True,
        7,
        [("volume", "m3", Decimal("0.001"), 0), ("volume", "m3", Decimal("0.135"), 1)],
    ),
    # Sensus PolluSonic, from the libmbus test frames.
    "heat": (
        "93929190100005693165000069000000",
        False,
        4,
        [("energy", "kWh", Decimal(6531), 0), ("volume", "m3", Decimal("0.069"), 0)],
    ),
    "binary, stored": (
        "785634120AC0047FFEFFFFFF05000000",
        False,
        4,
        [("energy", "kWh", Decimal("-0.2"), 1), ("dimensionless", "", 5, 1)],
    ),
    "no digits": (
        "785634120A003939AA00000000010000",
        False,
        0,
        [("hca_units", "", None, 0), ("hca_units", "", 100, 0)],
    ),
    "clock and reserved": (
        "785634120A00003A5923100000000000",
        False,
        0,
        [("time", "", "00102359", 0), ("reserved", "", 0, 0)],
    ),
    "power and flow": (
        "785634120A001F371200000012000000",
        False,
        0,
        [("power", "MJ/h", Decimal("1.2"), 0), ("volume_flow", "m3/h", Decimal(1200), 0)],
    ),
}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_data_structure(name: str) -> None:
    text, msb_first, medium, expected = FIXED[name]
    data = bytes.fromhex(text)
    fixed = parse_fixed(data, 0, len(data), msb_first=msb_first)
    assert fixed.medium_code == medium
    assert [(r.quantity, r.unit, r.value, r.storage) for r in fixed.records] == expected
    assert all((r.quality is Quality.GOOD) == (r.value is not None) for r in fixed.records)
    if "78" in text[:8]:
        assert fixed.number == "12345678"
    position = 0
    for span in fixed.spans():
        assert span.start == position < span.end
        position = span.end
    assert position == len(data)


def test_fixed_data_structure_cut_short() -> None:
    with pytest.raises(Truncated, match="15 bytes of 16"):
        parse_fixed(bytes(15), 0, 15)


@given(st.binary(min_size=16, max_size=16), st.booleans())
def test_any_sixteen_bytes_are_a_fixed_data_structure(data: bytes, msb_first: bool) -> None:
    fixed = parse_fixed(data, 0, 16, msb_first=msb_first)
    assert len(fixed.records) == 2
    assert sum(span.end - span.start for span in fixed.spans()) == 16
