"""The one gate through which bytes and text from outside become text that is safe to show."""

from __future__ import annotations

import unicodedata

TEXT_LIMIT = 200
"""Longest text shown from a telegram; the longest LVAR string has 191 characters (EN 13757-3, 6.3.6)."""

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls (ESC, C1), format characters (bidi, zero width), surrogates, private use, line separators."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def safe_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return `text` with every character that could steer a terminal replaced, at most `limit` characters long."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(REPLACEMENT if unicodedata.category(c) in _UNSAFE_CATEGORIES else c for c in cut)


def text_from_bytes(data: bytes) -> str:
    """Return ISO 8859-1 bytes as safe text (EN 13757-3, 6.3.6)."""
    return safe_text(data.decode("latin-1"))
