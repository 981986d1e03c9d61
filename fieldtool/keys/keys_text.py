"""Keys as people type them."""

from __future__ import annotations

from protocols.captures.hex_lines import parse_hex
from protocols.model import Key

KEY_SIZES = (16, 8)
"""AES-128, and DES as in security mode 2 and 3."""


def parse_key(text: str, label: str) -> Key:
    """Return a key from hex; `ValueError` says what is wrong without showing any of it."""
    try:
        value = parse_hex(text)
    except ValueError as error:
        raise ValueError(_without_quotes(str(error), text)) from None
    if len(value) not in KEY_SIZES:
        raise ValueError(f"{2 * len(value)} hex digits; a key has 32 (AES-128) or 16 (DES)")
    return Key(value, label)


def _without_quotes(message: str, text: str) -> str:
    """Keep only the part of a message that says where: not even one character of a key is shown."""
    if message.startswith("odd"):
        return f"{sum(c not in ' |_' for c in text)} hex digits; a key has 32 (AES-128) or 16 (DES)"
    return "it is empty" if "no hex digits" in message else "it holds something else than hex digits"
