"""Frames of more than 128 bytes: two CRCs in format B, one damaged bit anywhere, and frames without CRCs as long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from protocols.decode import decode
from protocols.errors import BadChecksum
from protocols.learned import LearnedDecoder, Sighting
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat, Key, Outcome, RawFrame, Telegram
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    with_crcs,
)
from protocols.wmbus.link import BLOCK_B, has_crc_of_b, strip_crcs

KEY = bytes(range(1, 17))
METER = Address.of("EFE", "20480057", 0x00, 0x04)
FIRST_CRC = BLOCK_B - 2

# Energy, a text of 48 bytes, volume: the bytes of a maker behind them hide that two bytes are too many.
RECORDS = bytes.fromhex("0406 10270000 0D78 30") + b"0123456789abcdef" * 3 + bytes.fromhex("0413 09190000 0259 2710")


def tail(size: int) -> bytes:
    return b"\x0f" + bytes(7 * i & 0xFF for i in range(size - 1))


def clear(acc: int, tail_size: int) -> bytes:
    records = RECORDS + tail(tail_size)
    return link_frame(0x44, METER, transport_clear(Content.RECORDS, records, TransportHeader(acc)))


def mode_5(acc: int, tail_size: int) -> bytes:
    header = TransportHeader(acc)
    payload = transport_mode_5(Content.RECORDS, RECORDS, header, key=KEY, sender=METER, clear=tail(tail_size))
    return link_frame(0x44, METER, payload)


def session(acc: int, tail_size: int) -> bytes:
    number, payload = session_number(1, acc, encrypted=True), b"\x78" + RECORDS + tail(tail_size)
    return link_frame(0x44, METER, extended_link_session(0x20, acc, number, payload, sender=METER, key=KEY))


Shape = Callable[[int, int], bytes]
SHAPES: list[Shape] = [clear, mode_5, session]
IDS = ["clear", "mode 5", "extended link layer"]
TAIL = 100


def keys(address: Address) -> tuple[Key, ...]:
    return (Key(KEY, "test"),)


def flips(frame: bytes) -> Iterator[tuple[int, bytes]]:
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bit // 8, bytes(damaged)


def taught(*frames: bytes) -> LearnedDecoder:
    decoder = LearnedDecoder(keys)
    for frame in frames:
        decoder.decode(frame)
    return decoder


def said(telegram: Telegram | Sighting) -> object:
    """The outcome, and the values of what decodes."""
    if isinstance(telegram, Sighting):
        return telegram.outcome, [value for value, _ in telegram.readings]
    return telegram.outcome, [reading.value for reading in telegram.readings]


def test_long_frames_without_crcs_take_the_fast_path() -> None:
    for shape in SHAPES:
        decoder = taught(shape(1, TAIL))
        assert isinstance(decoder.sight(RawFrame(shape(2, TAIL))), Sighting)
        assert len(decode(shape(2, TAIL), keys).readings) == 4


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_one_damaged_bit_never_changes_a_value(shape: Shape) -> None:
    whole = with_crcs(shape(2, TAIL), FrameFormat.B)
    # A frame without CRCs of the same length teaches the plan that a damaged one could be read by.
    decoder = taught(shape(1, TAIL + 4), with_crcs(shape(1, TAIL), FrameFormat.B))
    assert isinstance(decoder.sight(RawFrame(whole)), Sighting)
    undamaged = decode(whole, keys)
    assert undamaged.outcome is Outcome.OK
    for place, damaged in flips(whole):
        telegram = decode(damaged, keys)
        assert telegram.outcome is Outcome.DAMAGED, place
        assert said(decoder.sight(RawFrame(damaged))) == said(telegram), place
        assert [record.value for record in telegram.records] == [
            record.value for record in undamaged.records[: len(telegram.records)]
        ], place


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_the_damaged_block_is_named(shape: Shape) -> None:
    whole = with_crcs(shape(2, TAIL), FrameFormat.B)
    for place, damaged in flips(whole):
        assert f"format B CRC of block {2 if place < BLOCK_B else 3}" in (decode(damaged, keys).problem or ""), place


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
@pytest.mark.parametrize("longer", range(42))
def test_frames_without_crcs_decode(shape: Shape, longer: int) -> None:
    size = BLOCK_B + longer - len(shape(1, 1)) + 1
    decoder = taught(shape(1, size))
    for acc in range(2, 6):
        frame = shape(acc, size)
        assert len(frame) == BLOCK_B + longer
        telegram = decode(frame, keys)
        assert (telegram.outcome, telegram.data, telegram.notes) == (Outcome.OK, frame, ())
        seen = decoder.sight(RawFrame(frame))
        assert isinstance(seen, Sighting)
        assert said(seen) == said(telegram)


def like_b(frame: bytes, ends: tuple[int, ...]) -> bytes:
    """`frame` with two bytes at each of `ends` that are the CRC that format B has there."""
    for start, end in zip((0, BLOCK_B), (FIRST_CRC, len(frame) - 2), strict=True):
        if end in ends:
            frame = frame[:end] + crc16_en13757(frame[start:end]).to_bytes(2, "big") + frame[end + 2 :]
    return frame


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_frame_in_which_one_crc_fits_by_chance_is_damaged_on_both_paths(first: bool) -> None:
    decoder = taught(clear(1, TAIL))
    frame = clear(2, TAIL)
    assert isinstance(decoder.sight(RawFrame(frame)), Sighting)
    chance = like_b(frame, (FIRST_CRC,) if first else (len(frame) - 2,))
    telegram = decode(chance, keys)
    assert telegram.outcome is Outcome.DAMAGED
    assert f"block {3 if first else 2}" in (telegram.problem or "")
    seen = decoder.sight(RawFrame(chance))
    assert isinstance(seen, Telegram)
    assert said(seen) == said(telegram)


def test_a_frame_in_which_both_crcs_fit_is_in_format_b_on_both_paths() -> None:
    decoder = taught(clear(1, TAIL))
    frame = clear(2, TAIL)
    both = like_b(frame, (FIRST_CRC, len(frame) - 2))
    assert strip_crcs(both).format is FrameFormat.B
    telegram = decode(both, keys)
    assert (telegram.outcome, telegram.data) == (Outcome.OK, strip_crcs(both).data)
    seen = decoder.sight(RawFrame(both))
    assert isinstance(seen, Telegram)
    assert seen.data == telegram.data


@pytest.mark.parametrize("size", [BLOCK_B + 1, BLOCK_B + 2])
def test_a_frame_with_no_room_for_a_second_block_is_not_in_format_b(size: int) -> None:
    frame = clear(2, size - len(clear(2, 1)) + 1)
    chance = frame[:FIRST_CRC] + crc16_en13757(frame[:FIRST_CRC]).to_bytes(2, "big") + frame[BLOCK_B:]
    assert (len(chance), strip_crcs(chance).format) == (size, FrameFormat.STRIPPED)
    assert decode(chance, keys).outcome is Outcome.OK


@pytest.mark.parametrize("size", [10, 11, 12, 13, 127, 128, 129, 130, 131, 200, 256])
@pytest.mark.parametrize("good", [(), (FIRST_CRC,), (-2,), (FIRST_CRC, -2)], ids=["none", "first", "last", "both"])
def test_the_quick_look_for_a_crc_finds_what_the_frame_is_taken_for(size: int, good: tuple[int, ...]) -> None:
    frame = bytes((size - 1,)) + bytes((7 * i + 3) & 0xFF for i in range(1, size))
    for end in good:
        end %= size
        start = BLOCK_B if end > FIRST_CRC else 0
        if end + 2 <= size and start < end:
            frame = frame[:end] + crc16_en13757(frame[start:end]).to_bytes(2, "big") + frame[end + 2 :]
    try:
        found = strip_crcs(frame).format is FrameFormat.B
    except BadChecksum:
        found = True
    assert has_crc_of_b(frame) is found
