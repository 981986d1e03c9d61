"""The CRC of the M-Bus family, CRC-16/EN-13757 (EN 13757-4, 12.1.6; EN 13757-3, Annex G)."""

from __future__ import annotations

import struct
from array import array
from functools import cache

POLYNOMIAL = 0x3D65
"""x^16 + x^13 + x^12 + x^11 + x^10 + x^8 + x^6 + x^5 + x^2 + 1."""

LONGEST_CHECKED = 128
"""Bytes of the longest block that `ends_with_crc` takes: one of frame format B, CRC included (EN 13757-4, 12.3)."""


def _remainder(byte: int) -> int:
    register = byte << 8
    for _ in range(8):
        register = (register << 1) ^ POLYNOMIAL if register & 0x8000 else register << 1
    return register & 0xFFFF


_REMAINDERS = tuple(_remainder(byte) for byte in range(256))


@cache
def _remainders_of_pairs() -> array[int]:
    """Remainders of two bytes at once: half the steps, for a table that is built at the first frame.

    128 kB, which stay in a processor's cache; as Python's own numbers they would be fifteen times as much.
    """
    return array(
        "H",
        [((first << 8) & 0xFF00) ^ _REMAINDERS[(first >> 8) ^ low] for first in _REMAINDERS for low in range(256)],
    )


def crc16_en13757(data: bytes) -> int:
    """Return the CRC of `data`: start value 0, not reflected, complemented at the end.

    Link-layer blocks carry it high byte first; the extended link layer, format signatures and full-frame CRCs low
    byte first (EN 13757-4, 12.1.6; EN 13757-3, Annex G).
    """
    remainders = _remainders_of_pairs()
    size = len(data)
    register = 0
    if size & 1:
        register = _REMAINDERS[data[0]]
        data = data[1:]
    for pair in struct.unpack(f">{size >> 1}H", data):
        register = remainders[register ^ pair]
    return register ^ 0xFFFF


@cache
def _sums() -> tuple[int, ...]:
    """Of a block with its CRC after it, as one number, the bits that each bit of the CRC is the sum of, itself too.

    Counted from the end, so that they hold for blocks of any length.
    """
    sums, remainder = [0] * 16, 1
    for position in range(8 * LONGEST_CHECKED):
        for bit in range(16):
            sums[bit] |= (remainder >> bit & 1) << position
        remainder = (remainder << 1) ^ (POLYNOMIAL | 1 << 16) if remainder & 0x8000 else remainder << 1
    return tuple(sums)


def ends_with_crc(block: bytes) -> bool:
    """Whether the last two bytes of `block`, of at most `LONGEST_CHECKED` bytes, are the CRC of those before them.

    High byte first. It takes the bits of the CRC one by one, each of which is wrong by chance every second time: so it
    denies in a tenth of the time in which `crc16_en13757` computes one, and confirms no sooner.
    """
    bits = int.from_bytes(block, "big")
    for summed in _sums():  # noqa: SIM110 - a generator takes as long as what it would save
        # The CRC is complemented, so every sum is odd.
        if not (bits & summed).bit_count() & 1:
            return False
    return True
