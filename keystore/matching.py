"""Which spellings mean the same meter, and how well a manufacturer fits."""

from __future__ import annotations

import re
from enum import IntEnum

NUMBER_DIGITS = 8
"""Digits of an identification number on the air (EN 13757-3, 7.5.1)."""

RADIO_NUMBER = re.compile(r"[0-9a-f]{8}")
"""The normal form of a number that can stand in a wireless M-Bus address; a DevAddr has the same."""

_PREFIXED_NUMBER = re.compile(r"([A-Za-z]{3})[ ._/-]*([0-9]{8})")
_SEPARATORS = re.compile(r"[\s.:_/-]+")
_WIRE_NUMBER = re.compile(r"(?:[0-9a-f]{8}){1,2}")
_HEX_NUMBER = re.compile(r"[0-9A-Fa-f]{8}")

SAME_MAKER: tuple[frozenset[str], ...] = (
    # Kamstrup's key files say KAM for every product; FlowIQ meters send KAW.
    frozenset({"KAM", "KAW"}),
)
"""Manufacturer codes of one house that its key files do not keep apart."""


class ManufacturerFit(IntEnum):
    """How well a filed manufacturer fits the one heard; smaller is better."""

    SAME = 0
    SAME_HOUSE = 1
    UNKNOWN = 2
    OTHER = 3


def manufacturer_fit(filed: str | None, heard: str | None) -> ManufacturerFit:
    """Return how well a filed manufacturer fits; it is a hint, the eight digits decide."""
    if filed is None or heard is None:
        return ManufacturerFit.UNKNOWN
    if filed == heard:
        return ManufacturerFit.SAME
    if any(filed in house and heard in house for house in SAME_MAKER):
        return ManufacturerFit.SAME_HOUSE
    return ManufacturerFit.OTHER


def split_manufacturer(text: str) -> tuple[str | None, str]:
    """Split a printed serial with the maker's letters before it, `KAM12345678`, into letters and digits."""
    match = _PREFIXED_NUMBER.fullmatch(text.strip())
    return (match[1].upper(), match[2]) if match else (None, text.strip())


def normal_number(text: str) -> str:
    """Return the form under which a meter is filed and looked up.

    Eight hex digits become lower case, as `protocols.model.Address` has them; anything else is a maker's own serial and
    becomes upper case without blanks and separators, and is never padded.
    """
    squeezed = _SEPARATORS.sub("", split_manufacturer(text)[1])
    return squeezed.lower() if _HEX_NUMBER.fullmatch(squeezed) else squeezed.upper()


def normal_eui(text: str) -> str:
    """Return a DevEUI or JoinEUI as 16 lower-case hex digits; `ValueError` when it is none."""
    squeezed = _SEPARATORS.sub("", text).lower().removeprefix("0x")
    if len(squeezed) != 16 or any(c not in "0123456789abcdef" for c in squeezed):
        raise ValueError("not an EUI (16 hex digits)")
    return squeezed


def squeezed(text: str) -> str:
    """Return a number as it is compared with parts of others: no blanks and separators, lower case."""
    return _SEPARATORS.sub("", text).lower()


def squeezed_bytes(text: bytes) -> bytes:
    """The same of bytes, for many of them."""
    return text.translate(None, b" \t\r\n.:_/-").lower()


def wire_spellings(text: str) -> tuple[str, ...]:
    """Return what a number means that was read off a frame byte by byte: BCD and EUIs are sent lowest byte first."""
    digits = squeezed(text)
    if not _WIRE_NUMBER.fullmatch(digits):
        return ()
    return (bytes.fromhex(digits)[::-1].hex(),)


def number_spellings(text: str) -> tuple[str, ...]:
    """Return the normal forms under which a typed number may be filed: as typed, and with the zeros it may lack."""
    number = normal_number(text)
    if number.isascii() and number.isdigit() and len(number) < NUMBER_DIGITS:
        return number, number.zfill(NUMBER_DIGITS)
    return (number,)
