"""The CRC against its published check value and against the polynomial division written out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.mbus.crc import LONGEST_CHECKED, crc16_en13757, ends_with_crc


def divide(data: bytes) -> int:
    """Divide bit by bit, as the standard describes it."""
    register = 0
    for byte in data:
        for bit in range(7, -1, -1):
            carry = (register >> 15) ^ ((byte >> bit) & 1)
            register = (register << 1) & 0xFFFF
            if carry:
                register ^= 0x3D65
    return register ^ 0xFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"123456789", 0xC2B7),  # check value of the RevEng catalogue, CRC-16/EN-13757
        (b"", 0xFFFF),
        (bytes.fromhex("02020215022A"), 0x3B31),  # EN 13757-3:2018, G.5: format signature
        (bytes.fromhex("0202D20402152E16022A3423"), 0xA642),  # EN 13757-3:2018, G.5: full-frame CRC
    ],
)
def test_published_values(data: bytes, expected: int) -> None:
    assert crc16_en13757(data) == expected


@given(st.binary(max_size=64))
def test_same_as_long_division(data: bytes) -> None:
    assert crc16_en13757(data) == divide(data)


@given(st.binary(max_size=LONGEST_CHECKED - 2), st.integers(0, 15))
def test_a_block_ends_with_its_crc_and_with_no_other(data: bytes, bit: int) -> None:
    crc = divide(data)
    assert ends_with_crc(data + crc.to_bytes(2, "big"))
    assert not ends_with_crc(data + (crc ^ 1 << bit).to_bytes(2, "big"))


@given(st.binary(min_size=2, max_size=LONGEST_CHECKED))
def test_any_block_ends_with_its_crc_where_that_is_computed_so(block: bytes) -> None:
    assert ends_with_crc(block) == (crc16_en13757(block[:-2]).to_bytes(2, "big") == block[-2:])
