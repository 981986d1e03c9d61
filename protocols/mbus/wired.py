"""Wired M-Bus frames: single character, short, control and long frames, to and from bytes (EN 13757-2, 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated

LAYER = "wired"

ACKNOWLEDGE = 0xE5
SHORT_START = 0x10
LONG_START = 0x68
STOP = 0x16

SHORT_LENGTH = 5
LONG_OVERHEAD = 6
"""Bytes of a long frame that L does not count: start, L, L, start, checksum, stop."""

SMALLEST_L = 3
LARGEST_L = 0xFF
"""L counts C, A, CI and the data."""

ADDRESS_UNCONFIGURED = 0
ADDRESS_SECONDARY = 253
ADDRESS_ALL_ANSWER = 254
ADDRESS_BROADCAST = 255
"""Primary addresses with a meaning of their own; 1-250 are meters (EN 13757-2, 5.7.5)."""

PRIMARY_BIT = 0x40
FCB = 0x20
FCV = 0x10
ACD = 0x20
DFC = 0x10
"""Bits of the C field: frame count bit and its validity from the master, access demand and data flow control back."""

SND_NKE = 0x40
SND_UD = 0x53
REQ_UD1 = 0x5A
REQ_UD2 = 0x5B
RSP_UD = 0x08

_FUNCTION_NAMES: dict[int, str] = {
    SND_NKE: "SND-NKE",
    SND_UD & ~FCV: "SND-UD",
    REQ_UD1 & ~FCV: "REQ-UD1",
    REQ_UD2 & ~FCV: "REQ-UD2",
    RSP_UD: "RSP-UD",
}
"""By C field without its count bits."""


def control_words(control: int) -> str:
    """Return the C field in words: `REQ-UD2, FCB 1`."""
    name = _FUNCTION_NAMES.get(control & ~(FCB | FCV) & 0xFF, f"C field {control:02X}")
    if control & PRIMARY_BIT:
        return f"{name}, FCB {control >> 5 & 1}" if control & FCV else name
    flags = [word for bit, word in ((ACD, "access demand"), (DFC, "cannot take more data")) if control & bit]
    return ", ".join((name, *flags))


def toggled(control: int) -> int:
    """Return the C field with its frame count bit turned over."""
    return control ^ FCB


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The single character E5: received and understood."""

    length: ClassVar[int] = 1

    def to_bytes(self) -> bytes:
        """Return the byte E5."""
        return bytes((ACKNOWLEDGE,))


@dataclass(frozen=True, slots=True)
class ShortFrame:
    """A frame of C field and address alone, always from the master."""

    control: int
    address: int

    length: ClassVar[int] = SHORT_LENGTH

    def to_bytes(self) -> bytes:
        """Return the five bytes; `ValueError` when a field is not a byte."""
        body = bytes((self.control, self.address))
        return bytes((SHORT_START, *body, checksum(body), STOP))


@dataclass(frozen=True, slots=True)
class LongFrame:
    """A frame with CI field; without data it is a control frame."""

    control: int
    address: int
    ci: int
    data: bytes = b""

    @property
    def length(self) -> int:
        """Bytes of the frame on the wire."""
        return LONG_OVERHEAD + SMALLEST_L + len(self.data)

    def to_bytes(self) -> bytes:
        """Return the frame with both lengths and checksum; `ValueError` for more than 252 bytes of data."""
        body = bytes((self.control, self.address, self.ci)) + self.data
        if len(body) > LARGEST_L:
            raise ValueError(f"{len(self.data)} bytes of data do not fit a wired frame (252 at most)")
        return bytes((LONG_START, len(body), len(body), LONG_START)) + body + bytes((checksum(body), STOP))


WiredFrame: TypeAlias = Acknowledge | ShortFrame | LongFrame


def checksum(body: bytes) -> int:
    """Return the sum of the bytes from C to the last data byte, modulo 256."""
    return sum(body) & 0xFF


def parse_wired(data: bytes, start: int = 0) -> WiredFrame:
    """Read the frame at `start`; bytes after its `length` are not looked at.

    Raises `Truncated` when it is not complete, `BadChecksum`, and `BadField` for anything else that is no frame.
    """
    if start >= len(data):
        raise Truncated("no wired frame: there are no bytes", layer=LAYER, offset=start)
    first = data[start]
    if first == ACKNOWLEDGE:
        return Acknowledge()
    if first == SHORT_START:
        return _parse_short(data, start)
    if first == LONG_START:
        return _parse_long(data, start)
    raise BadField(f"{first:02X} does not start a wired frame (E5, 10 or 68)", layer=LAYER, offset=start)


def _parse_short(data: bytes, start: int) -> ShortFrame:
    _need(data, start, SHORT_LENGTH)
    _check(data, start + 1, start + 3)
    return ShortFrame(data[start + 1], data[start + 2])


def _parse_long(data: bytes, start: int) -> LongFrame:
    _need(data, start, 4)
    length, again = data[start + 1], data[start + 2]
    if length != again:
        message = f"the two lengths of the wired frame differ: {length:02X} and {again:02X}"
        raise BadField(message, layer=LAYER, offset=start + 2)
    if data[start + 3] != LONG_START:
        message = f"second start byte of the wired frame is {data[start + 3]:02X}, not 68"
        raise BadField(message, layer=LAYER, offset=start + 3)
    if length < SMALLEST_L:
        message = f"length {length} of the wired frame leaves no C, A and CI field"
        raise BadField(message, layer=LAYER, offset=start + 1)
    _need(data, start, length + LONG_OVERHEAD)
    body = start + 4
    _check(data, body, body + length)
    return LongFrame(data[body], data[body + 1], data[body + 2], data[body + SMALLEST_L : body + length])


def _need(data: bytes, start: int, length: int) -> None:
    if len(data) - start < length:
        message = f"the wired frame has {len(data) - start} bytes of {length} or more"
        raise Truncated(message, layer=LAYER, offset=len(data))


def _check(data: bytes, start: int, end: int) -> None:
    """Check the checksum and stop byte that follow `start:end`."""
    computed = checksum(data[start:end])
    if data[end] != computed:
        message = f"checksum of the wired frame is {data[end]:02X}, its bytes give {computed:02X}"
        raise BadChecksum(message, layer=LAYER, offset=end)
    if data[end + 1] != STOP:
        message = f"the wired frame ends with {data[end + 1]:02X}, not 16"
        raise BadField(message, layer=LAYER, offset=end + 1)


def take_frame(buffer: bytes) -> tuple[WiredFrame | None, int]:
    """Find the first good frame in what a port delivered; returns it and how many bytes are used up.

    Bytes before it are noise and used up with it. None means that no frame is complete yet: the bytes after the
    returned count may be the start of one and must be kept.
    """
    for start in range(len(buffer)):
        try:
            frame = parse_wired(buffer, start)
        except Truncated:
            return None, start
        except ProtocolError:
            continue
        return frame, start + frame.length
    return None, len(buffer)
