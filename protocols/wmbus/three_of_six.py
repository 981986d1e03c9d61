"""The 3-out-of-6 code of mode T: every nibble is a symbol of six chips, three of them ones (EN 13757-4, mode T)."""

from __future__ import annotations

from functools import cache

from protocols.errors import BadField, Truncated

LAYER = "3-of-6"

SYMBOLS = (
    0b010110, 0b001101, 0b001110, 0b001011, 0b011100, 0b011001, 0b011010, 0b010011,
    0b101100, 0b100101, 0b100110, 0b100011, 0b110100, 0b110001, 0b110010, 0b101001,
)  # fmt: skip
"""Symbol of each nibble, 0 to F (EN 13757-4, mode T, data encoding)."""

CHIPS_PER_SYMBOL = 6
CHIPS_PER_BYTE = 12

MIN_POSTAMBLE = 2
"""Chips after the last symbol, at least (EN 13757-4, mode T)."""

MAX_SIZE = 1 << 12
"""Longest run of bytes that is coded or decoded at once; the longest frame has 290 with its CRCs."""


def encode(data: bytes) -> bytes:
    """Return the chips of `data`, first chip in the highest bit, filled up with an alternating postamble.

    The high nibble comes first. `ValueError` for more than `MAX_SIZE` bytes.
    """
    if len(data) > MAX_SIZE:
        raise ValueError(f"{len(data)} bytes are more than any frame has")
    chips = 0
    for byte in data:
        chips = chips << CHIPS_PER_BYTE | SYMBOLS[byte >> 4] << CHIPS_PER_SYMBOL | SYMBOLS[byte & 0x0F]
    count = CHIPS_PER_BYTE * len(data)
    filling = -(count + MIN_POSTAMBLE) % 8 + MIN_POSTAMBLE
    postamble = 0b0101010101 & ((1 << filling) - 1)
    return (chips << filling | postamble).to_bytes((count + filling) // 8, "big")


def decode(chips: bytes, size: int | None = None) -> bytes:
    """Return the bytes that `chips` stand for: `size` of them, or as many as there are whole ones.

    What is after them, the postamble, is not looked at. Raises `BadField` for a symbol that is none, its `offset`
    being the byte of `chips` in which it begins, and `Truncated` when there are too few chips; `ValueError` for a
    size above `MAX_SIZE`.
    """
    there = 8 * len(chips) // CHIPS_PER_BYTE
    wanted = there if size is None else size
    if wanted > MAX_SIZE:
        raise ValueError(f"{wanted} bytes are more than any frame has")
    if wanted > there:
        message = f"{8 * len(chips)} chips hold {there} bytes of {wanted}"
        raise Truncated(message, layer=LAYER, offset=len(chips))
    nibbles = _nibbles()
    taken = -(-wanted * CHIPS_PER_BYTE // 8)
    register = int.from_bytes(chips[:taken], "big")
    data = bytearray()
    for position in range(8 * taken - CHIPS_PER_BYTE, 8 * taken - CHIPS_PER_BYTE * (wanted + 1), -CHIPS_PER_BYTE):
        high = nibbles[register >> (position + CHIPS_PER_SYMBOL) & 0x3F]
        low = nibbles[register >> position & 0x3F]
        if high is None or low is None:
            raise _no_symbol(register, 8 * taken, 2 * len(data) + (high is not None))
        data.append(high << 4 | low)
    return bytes(data)


@cache
def _nibbles() -> tuple[int | None, ...]:
    """Nibble by symbol, None for the 48 without a meaning."""
    nibbles: list[int | None] = [None] * (1 << CHIPS_PER_SYMBOL)
    for nibble, symbol in enumerate(SYMBOLS):
        nibbles[symbol] = nibble
    return tuple(nibbles)


def _no_symbol(register: int, chips: int, index: int) -> BadField:
    first = CHIPS_PER_SYMBOL * index
    symbol = register >> (chips - first - CHIPS_PER_SYMBOL) & 0x3F
    message = f"3-of-6 symbol {index + 1}, at chip {first}, is {symbol:06b}, which stands for nothing"
    return BadField(message, layer=LAYER, offset=first // 8)
