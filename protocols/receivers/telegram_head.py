"""How a telegram begins that a receiver writes with nothing around it: all that tells it from noise."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from protocols.media import LETTERS_MASK, manufacturer_letters
from protocols.wmbus.control import C_FIELDS, UNASKED
from protocols.wmbus.link import MIN_LENGTH

HEAD_SIZE: Final = 4
HIDDEN_WITHIN: Final = 16
"""How far into what looked like a telegram another one is looked for: where one is, the first was noise."""


def is_head(data: bytes | bytearray, controls: Container[int] = C_FIELDS) -> bool:
    """Say whether bytes begin as a telegram does: length, one of these C fields, letters of a manufacturer."""
    if len(data) < HEAD_SIZE or data[0] < MIN_LENGTH or data[1] not in controls:
        return False
    return not manufacturer_letters(int.from_bytes(data[2:4], "little") & LETTERS_MASK).startswith("0x")


def is_unasked(data: bytes | bytearray) -> bool:
    """Say whether bytes begin as nearly all telegrams do that are heard."""
    return is_head(data, UNASKED)
