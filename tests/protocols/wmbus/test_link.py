"""Link layer: formats told apart by their CRCs; figures of OMS Vol. 2, Annex N.2.1 and EN 13757-4."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import parse_link, size_on_air, strip_crcs

# OMS Vol. 2, Annex N.2.1: gas meter ELS 12345678, security profile A, as sent in frame format A.
N21_STRIPPED = bytes.fromhex(
    "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
)
N21_FORMAT_A = bytes.fromhex(
    "2E449315785634123303 3363 7A2A0020255923C95AAA26D1B2E7493B C2AD"
    "013EC4A6F6D3529B520EDFF0EA6DEFC9 55B2 9D6D69EBF3 EC8A"
)
# The same frame in format B: one CRC over everything, L counts it.
N21_FORMAT_B = bytes.fromhex("30") + N21_STRIPPED[1:] + bytes.fromhex("B853")


def test_format_a_as_published() -> None:
    frame = strip_crcs(N21_FORMAT_A)
    assert (frame.format, frame.data, frame.trailing, frame.missing) == (FrameFormat.A, N21_STRIPPED, b"", 0)


def test_format_b_with_one_crc() -> None:
    frame = strip_crcs(N21_FORMAT_B)
    assert (frame.format, frame.data) == (FrameFormat.B, N21_STRIPPED)


def test_stripped_frame_is_left_as_it_is() -> None:
    frame = strip_crcs(N21_STRIPPED)
    assert (frame.format, frame.data) == (FrameFormat.STRIPPED, N21_STRIPPED)


def test_header_fields() -> None:
    link = parse_link(N21_STRIPPED)
    assert link.control_name == "SND-NR"
    assert link.address == Address.of("ELS", "12345678", 0x33, 0x03)
    assert link.address.medium == "gas"


@pytest.mark.parametrize("frame_format", [FrameFormat.A, FrameFormat.B])
@pytest.mark.parametrize("size", [11, 12, 25, 26, 27, 42, 43, 123, 124, 125, 126, 127, 128, 200, 230])
def test_every_block_boundary(frame_format: FrameFormat, size: int) -> None:
    stripped = bytes((size - 1,)) + bytes((7 * i + 3) & 0xFF for i in range(1, size))
    on_air = with_crcs(stripped, frame_format)
    assert strip_crcs(on_air).data == stripped
    assert strip_crcs(on_air + b"\x9b").trailing == b"\x9b"


@pytest.mark.parametrize("frame_format", [FrameFormat.A, FrameFormat.B])
def test_size_on_air_of_every_length(frame_format: FrameFormat) -> None:
    on_air = [with_crcs(bytes((size - 1,)) + bytes(size - 1), frame_format) for size in range(11, 252)]
    assert [size_on_air(data[0], frame_format) for data in on_air] == [len(data) for data in on_air]


def test_a_damaged_block_is_named() -> None:
    damaged = bytearray(N21_FORMAT_A)
    damaged[30] ^= 1
    frame = strip_crcs(bytes(damaged))
    assert isinstance(frame.problem, BadChecksum)
    assert "block 3 of 4" in str(frame.problem)
    assert (frame.data, frame.missing) == (N21_STRIPPED[:26], 21)
    assert frame.trailing == bytes(damaged[30:])


def test_a_damaged_first_block_is_still_format_a() -> None:
    damaged = bytearray(N21_FORMAT_A)
    damaged[4] ^= 0x40
    with pytest.raises(BadChecksum, match="block 1 of 4"):
        strip_crcs(bytes(damaged))


@pytest.mark.parametrize("length", [0x0E, 0x26, 0x2F, 0x36, 0x6E, 0xAE])
def test_a_damaged_length_of_format_a_is_found(length: int) -> None:
    # 0x36: as if the CRCs were data; the others shorter or longer than the frame.
    with pytest.raises(BadChecksum, match=f"format A CRC of block 1 does not fit: L is {length}, and 46 would fit"):
        strip_crcs(bytes((length,)) + N21_FORMAT_A[1:])


def test_a_damaged_length_is_found_in_a_longer_and_in_a_cut_capture() -> None:
    for damaged in (N21_FORMAT_A + b"\x5a\xa5\x5a", N21_FORMAT_A[:-9]):
        with pytest.raises(BadChecksum, match="and 46 would fit"):
            strip_crcs(b"\x0e" + damaged[1:])


@pytest.mark.parametrize("appended", [b"", b"\x9b", b"\x9b\x80"])
def test_one_block_that_fits_makes_it_format_a_where_all_others_are_damaged(appended: bytes) -> None:
    damaged = bytearray(N21_FORMAT_A + appended)
    for offset in (4, 20, 50):
        damaged[offset] ^= 0x40
    with pytest.raises(BadChecksum, match="format A CRC of block 1 of 4"):
        strip_crcs(bytes(damaged))


def test_blocks_that_fit_make_it_format_a_where_all_of_block_1_is_damaged() -> None:
    with pytest.raises(BadChecksum, match="format A CRC of block 1 does not fit"):
        strip_crcs(b"\x0e\x44\x12\x34" + N21_FORMAT_A[4:])


@pytest.mark.parametrize("length", [0x10, 0x20, 0x2F, 0x31, 0x38, 0x70])
def test_a_damaged_length_of_format_b_is_found(length: int) -> None:
    with pytest.raises(BadChecksum, match=f"format B CRC of block 2 does not fit: L is {length}, and 48 would fit"):
        strip_crcs(bytes((length,)) + N21_FORMAT_B[1:])


def test_long_format_b_damage_is_found() -> None:
    stripped = bytes((219,)) + bytes(range(219))
    damaged = bytearray(with_crcs(stripped, FrameFormat.B))
    damaged[100] ^= 0x10
    with pytest.raises(BadChecksum, match="format B CRC of block 2"):
        strip_crcs(bytes(damaged))
    damaged[100] ^= 0x10
    damaged[200] ^= 0x10
    frame = strip_crcs(bytes(damaged))
    assert isinstance(frame.problem, BadChecksum)
    assert frame.data == stripped[:126]


def test_format_a_cut_inside_a_block() -> None:
    frame = strip_crcs(N21_FORMAT_A[:-3])
    assert isinstance(frame.problem, Truncated)
    assert "block 4 of 4" in str(frame.problem)
    assert frame.data == N21_STRIPPED[:42]


def test_format_a_cut_to_the_length_that_l_says() -> None:
    frame = strip_crcs(N21_FORMAT_A[: len(N21_STRIPPED)])
    assert (frame.format, frame.data) == (FrameFormat.A, N21_STRIPPED[:26])
    assert isinstance(frame.problem, Truncated)


def test_short_stripped_frame_says_what_is_missing() -> None:
    assert strip_crcs(N21_STRIPPED[:-5]).missing == 5


def test_fewer_bytes_than_a_header() -> None:
    with pytest.raises(Truncated, match="9 of 10 bytes"):
        strip_crcs(N21_STRIPPED[:9])


def test_length_too_small_for_any_frame() -> None:
    with pytest.raises(BadField, match="L field is 3"):
        strip_crcs(b"\x03" + bytes(20))


def test_crc_check_value() -> None:
    assert crc16_en13757(b"123456789") == 0xC2B7


@given(st.binary(max_size=300))
def test_any_bytes_strip_or_say_why(raw: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        frame = strip_crcs(raw)
        assert len(frame.data) + len(frame.trailing) <= len(raw)


@given(st.binary(min_size=10, max_size=255))
def test_a_single_bit_error_never_passes_format_a(body: bytes) -> None:
    stripped = bytes((len(body),)) + body
    on_air = bytearray(with_crcs(stripped, FrameFormat.A))
    on_air[len(on_air) // 2] ^= 0x08
    with contextlib.suppress(ProtocolError):
        assert strip_crcs(bytes(on_air)).problem is not None
