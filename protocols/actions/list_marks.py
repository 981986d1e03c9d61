"""Which revocation lists a meter holds, as its CHALLENGE says it: the issuer in short, and the list's number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TAG_LENGTH: Final = 4
NUMBER_LENGTH: Final = 4
MARK_LENGTH: Final = TAG_LENGTH + NUMBER_LENGTH
MOST_MARKS: Final = 8
HIGHEST_NUMBER: Final = (1 << 8 * NUMBER_LENGTH) - 1
"""A higher list number is said as this one."""


@dataclass(frozen=True, slots=True)
class ListMark:
    """One list: the tag of its issuer's key, and its number."""

    issuer_tag: bytes
    number: int

    @classmethod
    def of(cls, issuer_key_id: bytes, number: int) -> ListMark:
        """Return the mark of a list by the key identifier in it and its number, which is cut to what fits."""
        return cls(issuer_tag(issuer_key_id), min(number, HIGHEST_NUMBER))

    @classmethod
    def from_bytes(cls, data: bytes) -> ListMark:
        """Return the mark of eight bytes."""
        return cls(data[:TAG_LENGTH], int.from_bytes(data[TAG_LENGTH:MARK_LENGTH]))

    def to_bytes(self) -> bytes:
        """Return the eight bytes; `ValueError` when a field does not fit."""
        if len(self.issuer_tag) != TAG_LENGTH or not 0 <= self.number <= HIGHEST_NUMBER:
            raise ValueError(f"a mark has a tag of {TAG_LENGTH} bytes and a number up to {HIGHEST_NUMBER}")
        return self.issuer_tag + self.number.to_bytes(NUMBER_LENGTH)


def issuer_tag(issuer_key_id: bytes) -> bytes:
    """Return the first bytes of the SHA-256 of a key identifier."""
    return hashlib.sha256(issuer_key_id).digest()[:TAG_LENGTH]


def is_missing(marks: Iterable[ListMark], issuer_key_id: bytes, number: int) -> bool:
    """Whether a meter with these marks lacks a list: it holds none of the issuer, or an older one.

    Where two have the same tag the lower number counts: a list too many is harmless, one too few is not.
    """
    tag = issuer_tag(issuer_key_id)
    held = [mark.number for mark in marks if mark.issuer_tag == tag]
    return not held or number > min(held)
