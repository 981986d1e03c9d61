"""Base64, of a frame or of anything that is recognised as bytes."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_TEXT: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}|[A-Za-z0-9_-]+={0,2}", re.ASCII)
_FROM_URLS: Final = str.maketrans("-_", "+/")


def base64_bytes(text: str) -> bytes | None:
    """Return the bytes of Base64 in its usual or its URL form, with or without padding; None when it is none."""
    joined = "".join(text.split())
    if _TEXT.fullmatch(joined) is None:
        return None
    bare = joined.rstrip("=").translate(_FROM_URLS)
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return None
