"""Errors of the protocol layers.

ProtocolError            something in a frame is not as its standard says; carries layer and offset
├─ Truncated             the frame ends before the field that is announced
├─ BadChecksum           a CRC or checksum does not match its bytes
├─ BadField              a field holds a value that its standard does not allow here
├─ Unsupported           known by name, but not decoded here
└─ DecryptFailed         the check bytes or the MAC did not verify: the key is wrong

None of them leaves `protocols.decode.decode()`: there they become outcome, problem and verdict.
`encode` functions raise `ValueError` for values that do not fit their field.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """A frame breaks its protocol: what happened, in which layer, at which byte offset."""

    def __init__(self, message: str, *, layer: str, offset: int) -> None:
        super().__init__(message)
        self.layer = layer
        self.offset = offset


class Truncated(ProtocolError):
    """The frame ends before the field that is announced."""


class BadChecksum(ProtocolError):
    """A CRC or checksum does not match the bytes that it covers."""


class BadField(ProtocolError):
    """A field holds a value that its standard does not allow here."""


class Unsupported(ProtocolError):
    """The field is known by name, but what it announces is not decoded here."""


class DecryptFailed(ProtocolError):
    """Check bytes or MAC did not verify with the key that was tried."""
