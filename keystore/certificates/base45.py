"""Base45 (RFC 9285): bytes in the characters of a QR code's alphanumeric mode."""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE: Final = len(ALPHABET)
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}


def encode(data: bytes) -> str:
    """Return the Base45 text of bytes."""
    text = []
    for at in range(0, len(data) - 1, 2):
        high, low = divmod(int.from_bytes(data[at : at + 2]), _BASE * _BASE)
        middle, first = divmod(low, _BASE)
        text += [ALPHABET[first], ALPHABET[middle], ALPHABET[high]]
    if len(data) % 2:
        second, first = divmod(data[-1], _BASE)
        text += [ALPHABET[first], ALPHABET[second]]
    return "".join(text)


def decode(text: str) -> bytes:
    """Return the bytes of a Base45 text; `ValueError` when it is none (RFC 9285, 6)."""
    try:
        values = [_VALUES[character] for character in text]
    except KeyError:
        raise ValueError("a character that Base45 does not have") from None
    data = bytearray()
    for at in range(0, len(values), 3):
        group = values[at : at + 3]
        if len(group) == 1:
            raise ValueError("a character is missing at the end")
        size = len(group) - 1
        number = sum(value * _BASE**power for power, value in enumerate(group))
        if number >= 1 << (8 * size):
            raise ValueError("a group of characters is out of range")
        data += number.to_bytes(size)
    return bytes(data)
