"""Checksums of the serial protocols of receivers."""

from __future__ import annotations

from functools import cache

X25_POLYNOMIAL = 0x8408
"""CRC-16/X-25: polynomial 0x1021 in its reflected form, initial value 0xFFFF, final XOR 0xFFFF."""


@cache
def _x25_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ X25_POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


def crc16_x25(data: bytes) -> int:
    """Return the CRC-16/X-25 of `data`; it is 0x906E for the ASCII digits 1 to 9."""
    table = _x25_table()
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF
