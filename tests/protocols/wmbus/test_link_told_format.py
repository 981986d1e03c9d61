"""Frames of which the receiver tells the format: what does not fit is damage, whatever else the bytes look like."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.model import FrameFormat, Outcome, RawFrame
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import strip_crcs

N21 = bytes.fromhex("2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3")
"""OMS Vol. 2, Annex N.2.1."""
CLEAR = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
SIZES = (11, 12, 25, 26, 27, 42, 43, 123, 124, 125, 126, 127, 128, 129, 200, 230)


def stripped_of(size: int) -> bytes:
    return bytes((size - 1,)) + bytes((7 * i + 3) & 0xFF for i in range(1, size))


@pytest.mark.parametrize("told", [FrameFormat.A, FrameFormat.B])
@pytest.mark.parametrize("size", SIZES)
def test_a_good_frame_is_read_as_before(told: FrameFormat, size: int) -> None:
    stripped = stripped_of(size)
    on_air = with_crcs(stripped, told)
    assert strip_crcs(on_air, told) == strip_crcs(on_air)
    assert (strip_crcs(on_air, told).data, strip_crcs(on_air, told).format) == (stripped, told)


@pytest.mark.parametrize("told", [FrameFormat.A, FrameFormat.B])
@pytest.mark.parametrize("size", SIZES)
def test_every_flipped_bit_is_damage(told: FrameFormat, size: int) -> None:
    on_air = with_crcs(stripped_of(size), told)
    for bit in range(8 * len(on_air)):
        damaged = bytearray(on_air)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert strip_crcs(bytes(damaged), told).problem is not None
        except ProtocolError:
            continue


def test_a_damaged_frame_of_format_b_is_not_taken_for_one_without_crcs() -> None:
    on_air = bytearray(with_crcs(CLEAR, FrameFormat.B))
    on_air[17] ^= 1
    telegram = decode(RawFrame(bytes(on_air), frame_format=FrameFormat.B))
    assert (telegram.outcome, telegram.readings) == (Outcome.DAMAGED, ())
    assert telegram.problem is not None
    assert "format B CRC of block 2 does not fit" in str(telegram.problem)


def test_a_frame_without_crcs_that_is_told_to_have_them_is_damaged() -> None:
    for told in (FrameFormat.A, FrameFormat.B):
        assert decode(RawFrame(N21, frame_format=told)).outcome is Outcome.DAMAGED
    assert decode(RawFrame(CLEAR, frame_format=FrameFormat.STRIPPED)).outcome is Outcome.OK


def test_a_cut_frame_keeps_the_blocks_that_verify() -> None:
    stripped = stripped_of(200)
    on_air = with_crcs(stripped, FrameFormat.B)
    frame = strip_crcs(on_air[:150], FrameFormat.B)
    assert isinstance(frame.problem, Truncated)
    assert (frame.data, frame.missing) == (stripped[:126], 74)
    with pytest.raises(Truncated, match="100 of 204 bytes"):
        strip_crcs(on_air[:100], FrameFormat.B)
    with pytest.raises(Truncated, match="block 1 of"):
        strip_crcs(with_crcs(stripped, FrameFormat.A)[:11], FrameFormat.A)
    assert isinstance(strip_crcs(with_crcs(stripped, FrameFormat.A)[:60], FrameFormat.A).problem, Truncated)


def test_a_second_block_that_is_damaged_keeps_the_first() -> None:
    stripped = stripped_of(200)
    on_air = with_crcs(stripped, FrameFormat.B)
    frame = strip_crcs(on_air[:-1] + bytes((on_air[-1] ^ 1,)), FrameFormat.B)
    assert isinstance(frame.problem, BadChecksum)
    assert frame.data == stripped[:126]


def test_an_l_field_that_format_b_cannot_have_is_named() -> None:
    with pytest.raises(BadField, match="no frame of format B"):
        strip_crcs(bytes((128,)) + bytes(140), FrameFormat.B)


@given(st.binary(max_size=300), st.sampled_from(list(FrameFormat)))
def test_any_bytes_are_read_or_refused(data: bytes, told: FrameFormat) -> None:
    with contextlib.suppress(ProtocolError):
        strip_crcs(data, told)
    decode(RawFrame(data, frame_format=told))
