"""Rows of a table of keys that came where telegrams are read: what they hold must not be shown as what a meter sent.

A key is as random as an encrypted telegram; what tells it apart is its size, what stands beside it, and that neither
its length field nor a checksum makes it a frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from protocols.captures.plausible import is_whole, length_fits
from protocols.wmbus.control import UNASKED

KEY_BYTES: Final = 16
SHORT_KEY_BYTES: Final = 8
"""A key of AES-128, and one of DES or PRIOS."""

ROW_LIMIT: Final = 400
"""Longest row that is looked at, in characters: an identifier and a few keys."""

IS_KEY_ROW: Final = f"a number and {KEY_BYTES} bytes that are not a telegram: is this a table of keys?"

_BETWEEN: Final = re.compile(r"[\s;,|\"']+")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_NUMBER: Final = re.compile(r"(?!0000)[0-9A-Fa-f]{4,20}")
"""A meter's number or a device's identifier; the offsets of a hex dump begin with zeros."""
_METER_NUMBER: Final = re.compile(r"(?!0000)[0-9]{6,10}")
_EIGHT_DIGITS: Final = re.compile(r"[0-9]{8}")

_MIN_NAME: Final = 4
"""Characters of the shortest column that can say whose a key is."""


def is_row_of_keys(text: str) -> bool:
    """Say whether a line of nothing but hex is a number and a key, whatever stands between them.

    Blanks may part the telegram's own bytes as well: what is a whole frame when put together is no row of keys.
    """
    if len(text) > ROW_LIMIT:
        return False
    words = [word for word in _BETWEEN.split(text) if word]
    if len(words) < 2 or not all(_HEX.fullmatch(word) for word in words):
        return False
    keys = [word for word in words if len(word) == 2 * KEY_BYTES]
    numbers = [word for word in words if _NUMBER.fullmatch(word)]
    in_groups = _METER_NUMBER.fullmatch(words[0]) and sum(map(len, words[1:])) == 2 * KEY_BYTES
    short = len(words) == 2 and _EIGHT_DIGITS.fullmatch(words[0]) and len(words[1]) == 2 * SHORT_KEY_BYTES
    if not (in_groups or short or (keys and numbers)):
        return False
    return not _is_telegram("".join(words)) and not any(map(_is_telegram, keys))


def is_key_among(data: bytes, columns: Sequence[str]) -> bool:
    """Say whether the longest hex among columns is a key: others are left that can say whose it is."""
    named = sum(len(column.strip()) >= _MIN_NAME for column in columns) > 1
    if len(data) == SHORT_KEY_BYTES:
        return named and any(_EIGHT_DIGITS.fullmatch(column.strip()) for column in columns) and not is_whole(data)
    return len(data) == KEY_BYTES and named and not is_whole(data)


def _is_telegram(digits: str) -> bool:
    if len(digits) % 2:
        return False
    data = bytes.fromhex(digits)
    # A number's digits look like other C fields far too often.
    return is_whole(data) and (data[1] in UNASKED or not length_fits(data))
