"""Hex that is spelled byte by byte (`0x18, 0x44, ..`, `18:44:..`), and hex among other words."""

from __future__ import annotations

import re
from typing import Final

from protocols.captures.hex_lines import MIN_FRAME
from protocols.wmbus.link import MIN_LENGTH

_BYTE: Final = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{2})", re.ASCII)
_BETWEEN_BYTES: Final = re.compile(r"\\x|[\s,;:{}\[\]()-]+", re.ASCII)
_BETWEEN_WORDS: Final = re.compile(r"[\s,;:=\"'<>(){}\[\]]+", re.ASCII)
_HEX: Final = re.compile(r"[0-9A-Fa-f|_]+", re.ASCII)
_FILLING: Final = str.maketrans("", "", "|_")


def spelled_bytes(text: str) -> bytes | None:
    """Return the bytes of a text of nothing but single bytes with separators between them; None for other texts."""
    found = [_BYTE.fullmatch(word) for word in _BETWEEN_BYTES.split(text) if word]
    if len(found) < MIN_FRAME:
        return None
    digits = [match[1] for match in found if match is not None]
    return bytes.fromhex("".join(digits)) if len(digits) == len(found) else None


def runs_of_hex(text: str) -> list[bytes]:
    """Return what could be frames among other words: single words of hex, and neighbouring ones put together."""
    runs: list[list[str]] = [[]]
    for word in _BETWEEN_WORDS.split(text):
        bare = word.removeprefix("0x")
        if _HEX.fullmatch(bare):
            runs[-1].append(bare.translate(_FILLING))
        elif runs[-1]:
            runs.append([])
    candidates = {digits for run in runs for digits in (*run, "".join(run))}
    return [
        bytes.fromhex(digits) for digits in sorted(candidates) if len(digits) > 2 * MIN_LENGTH and not len(digits) % 2
    ]
