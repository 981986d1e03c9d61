"""How people write keys: hex with any separators, `0x`, trailing `h`, or Base64."""

from __future__ import annotations

import base64
import binascii
import re

from keystore.model import KEY_LENGTHS, KeyRecord
from protocols.plural import counted
from protocols.text import safe_text

LONGEST_INNOCENT = 23
"""Characters below which no text is taken for a key; a DevEUI with separators has 23."""

_SEPARATORS = re.compile(r"[\s:_\-.\u200b-\u200d\u2060\ufeff\u2010-\u2015\u2212]+")
_AROUND = "[](){}<>\"'`, "
"""What a key brings along that was copied out of a text or a program."""
_BYTE_LIST = re.compile(r"0[xX][0-9A-Fa-f]{2}(?:[\s,;]+0[xX][0-9A-Fa-f]{2})+")
_BYTE_MARKS = re.compile(r"0[xX]|[\s,;]+")
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]+)[hH]?")
_PLAIN_AES128 = re.compile(r"[0-9A-Fa-f]{32}")
_BASE64_AES128 = re.compile(r"[A-Za-z0-9+/]{22}==")

_LONG_HEX = re.compile(
    r"[0-9A-Fa-f]{24,}"
    r"|(?:[0-9A-Fa-f]{2}[\s:_.\u2010-\u2015-]){11,}[0-9A-Fa-f]{2}"
    r"|(?:[0-9A-Fa-f]{4}[\s:_.\u2010-\u2015-]){7}[0-9A-Fa-f]{4}"
    r"|(?:[0-9A-Fa-f]{8}[\s:_.\u2010-\u2015-]){3}[0-9A-Fa-f]{8}"
    r"|(?:0[xX][0-9A-Fa-f]{2}[\s,;]+){11}"
)
"""Much longer than a DevEUI: a key in the wrong place, or something that must be treated like one."""

NO_KEY_WORDS = frozenset({"nokey", "no key", "none", "unencrypted", "plain"})
"""Cells that say that a meter sends unencrypted (`NOKEY` is wmbusmeters' word)."""


NO_KEY = "NOKEY"
"""The word that is written for such a meter."""


def written_key(record: KeyRecord) -> str:
    """Return a record's key as upper-case hex, `NO_KEY` for a meter that sends unencrypted."""
    return NO_KEY if record.no_key else record.value.hex().upper()


def shown_text(text: str) -> str:
    """Return a text of a key file, safe to show: no control characters, and no key where none belongs."""
    if len(text) <= LONGEST_INNOCENT and text.isascii() and text.isprintable():
        return text
    return "(long hex text)" if looks_like_key(text) else safe_text(text)


def looks_like_key(text: str) -> bool:
    """True for a text that may be a key, wherever it stands."""
    return len(text) > LONGEST_INNOCENT and _LONG_HEX.search(text) is not None


PAC_LENGTHS = (8, 12)
"""Bytes of Sigfox's porting authorization code: as its network has it, and as lists of meters print it."""


def key_from_text(text: str, lengths: tuple[int, ...] = KEY_LENGTHS) -> bytes:
    """Return the key bytes; `ValueError` says what is wrong without repeating the text.

    Accepts 8, 16, 24 or 32 bytes in hex (separators, brackets around it, `0x` and trailing `h` ignored) unless
    `lengths` says otherwise, or 16 bytes in Base64.
    """
    if len(text) == 32 and _PLAIN_AES128.fullmatch(text):
        return bytes.fromhex(text)
    bare = text.strip().strip(_AROUND)
    squeezed = _SEPARATORS.sub("", _BYTE_MARKS.sub("", bare) if _BYTE_LIST.fullmatch(bare) else bare)
    if not squeezed:
        raise ValueError("the key is empty")
    if _BASE64_AES128.fullmatch(text.strip()):
        try:
            return base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            raise ValueError("the key is not valid Base64") from None
    match = _HEX.fullmatch(squeezed)
    if match is None:
        raise ValueError("the key is not hexadecimal")
    digits = match[1]
    if len(digits) % 2 or len(digits) // 2 not in lengths:
        expected = ", ".join(str(2 * length) for length in lengths)
        raise ValueError(f"the key has {counted(len(digits), 'hex digit')}, not {expected}")
    return bytes.fromhex(digits)
