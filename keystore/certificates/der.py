"""A small strict DER codec for the structures that this program defines itself (Rec. ITU-T X.690, 8 and 10).

Short tags and definite, shortest lengths only; whatever has a second spelling is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30

_CONTEXT: Final = 0x80
_CONSTRUCTED: Final = 0x20
_SHORT_LENGTH: Final = 0x80
_LONGEST: Final = 0xFFFFFF
_TIME: Final = re.compile(rb"\d{14}Z")


class DerError(ValueError):
    """Bytes that are not the one DER encoding of what was expected."""


def context(number: int, *, constructed: bool = False) -> int:
    """Return the tag of a context-specific element, `[number] IMPLICIT`."""
    return _CONTEXT | (_CONSTRUCTED if constructed else 0) | number


class Reader:
    """Reads the elements of one content in order; `DerError` for anything else than expected."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> bytes:
        """What has not been read."""
        return self._data[self._at :]

    def read(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag."""
        content = self.optional(tag)
        if content is None:
            raise DerError(f"element {tag:#04x} is missing at byte {self._at}")
        return content

    def optional(self, tag: int) -> bytes | None:
        """Return the content of the next element when it has this tag, else None."""
        if self._at >= len(self._data) or self._data[self._at] != tag:
            return None
        start, length = self._length(self._at + 1)
        if start + length > len(self._data):
            raise DerError(f"element at byte {self._at} is cut off")
        self._at = start + length
        return self._data[start : self._at]

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self._at != len(self._data):
            raise DerError(f"{len(self._data) - self._at} bytes too many")

    def _length(self, at: int) -> tuple[int, int]:
        first = self._data[at : at + 1]
        if not first:
            raise DerError(f"element at byte {at - 1} is cut off")
        if first[0] < _SHORT_LENGTH:
            return at + 1, first[0]
        count = first[0] - _SHORT_LENGTH
        digits = self._data[at + 1 : at + 1 + count]
        length = int.from_bytes(digits)
        if not 1 <= count == len(digits) or not _SHORT_LENGTH <= length <= _LONGEST or digits[0] == 0:
            raise DerError(f"element at byte {at - 1} has no shortest length")
        return at + 1 + count, length


def write(tag: int, *parts: bytes) -> bytes:
    """Return one element; `ValueError` when its content is longer than 16 million bytes."""
    content = b"".join(parts)
    if len(content) < _SHORT_LENGTH:
        return bytes((tag, len(content))) + content
    if len(content) > _LONGEST:
        raise ValueError("an element has at most 16 million bytes")
    digits = len(content).to_bytes(3).lstrip(b"\0")
    return bytes((tag, _SHORT_LENGTH + len(digits))) + digits + content


def read_one(tag: int, data: bytes) -> Reader:
    """Return a reader of the content of the one element that `data` is."""
    outer = Reader(data)
    content = outer.read(tag)
    outer.end()
    return Reader(content)


def split_sequences(data: bytes, most: int) -> list[bytes]:
    """Return the SEQUENCEs that stand one behind the other in `data`, at least one, whole."""
    found: list[bytes] = []
    reader = Reader(data)
    rest = data
    while rest:
        if len(found) == most:
            raise DerError(f"more than {most} elements")
        reader.read(SEQUENCE)
        found.append(rest[: len(rest) - len(reader.rest)])
        rest = reader.rest
    if not found:
        raise DerError("no element")
    return found


def write_integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return write(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def read_integer(content: bytes) -> int:
    """Return a non-negative INTEGER's value."""
    if not content or content[0] >= 0x80 or (len(content) > 1 and content[0] == 0 and content[1] < 0x80):
        raise DerError("not a non-negative integer in its shortest form")
    return int.from_bytes(content)


def write_bits(bits: Iterable[int]) -> bytes:
    """Return a BIT STRING with named bits, the trailing zeros left out (X.690, 11.2.2)."""
    numbers = set(bits)
    if not numbers:
        return write(BIT_STRING, b"\0")
    octets = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        octets[number // 8] |= 0x80 >> number % 8
    return write(BIT_STRING, bytes((7 - max(numbers) % 8,)), bytes(octets))


def read_bits(content: bytes) -> frozenset[int]:
    """Return the numbers of the bits that are set in a BIT STRING with named bits."""
    if not content or content[0] > 7 or (len(content) == 1 and content[0]):
        raise DerError("not a bit string")
    octets = content[1:]
    if octets and octets[-1] & ((2 << content[0]) - 1) != 1 << content[0]:
        raise DerError("a bit string with named bits ends with a set bit")
    return frozenset(8 * at + bit for at, octet in enumerate(octets) for bit in range(8) if octet & (0x80 >> bit))


def read_utf8(content: bytes, longest: int) -> str:
    """Return the text of a UTF8String of 1 to `longest` characters."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise DerError("not UTF-8") from None
    if not 1 <= len(text) <= longest:
        raise DerError(f"a text of {len(text)} characters where 1 to {longest} are allowed")
    return text


def write_time(moment: datetime) -> bytes:
    """Return a GeneralizedTime of whole seconds, UTC (X.690, 11.7)."""
    return write(GENERALIZED_TIME, moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


def read_time(content: bytes) -> datetime:
    """Return the moment of a GeneralizedTime, aware UTC."""
    if not _TIME.fullmatch(content):
        raise DerError("not a time in UTC and whole seconds")
    try:
        return datetime.strptime(content.decode(), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise DerError("no such time") from None
