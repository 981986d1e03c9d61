"""The serial envelope of IMST's newer modules: `C0 | endpoint, message, payload, CRC | C0` with SLIP's escapes.

WiMOD LoRa modules speak it, and the wireless M-Bus gateways of the iU891A's family. (RFC 1055; WiMOD LR Base HCI
specification: CRC-16/X-25, low byte first)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.events import Damaged

LAYER: Final = "slip"
END: Final = 0xC0
ESCAPE: Final = 0xDB
ESCAPED_END: Final = 0xDC
ESCAPED_ESCAPE: Final = 0xDD
ESCAPED: Final = {ESCAPED_END: END, ESCAPED_ESCAPE: ESCAPE}
"""What stands behind an escape, and what it is for."""

HEAD_SIZE: Final = 2
CRC_SIZE: Final = 2
MAX_PAYLOAD: Final = 300
MAX_RAW: Final = 2 * (HEAD_SIZE + MAX_PAYLOAD + CRC_SIZE)
"""Longest message on the wire, every byte of it escaped."""

WAKE_UP: Final = bytes((END,)) * 30
"""What a sleeping module is woken with; to one that is awake it is empty messages."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: the part of the module it is for, its code there, and its payload."""

    endpoint: int
    code: int
    payload: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """Build the envelope; `ValueError` when endpoint or code is no byte or the payload is too long."""
        if len(self.payload) > MAX_PAYLOAD:
            raise ValueError(f"a payload of {len(self.payload)} bytes; {MAX_PAYLOAD} are the most")
        plain = bytes((self.endpoint, self.code)) + self.payload
        plain += crc16_x25(plain).to_bytes(CRC_SIZE, "little")
        # The escape itself first: else it would be escaped a second time.
        escaped = plain.replace(bytes((ESCAPE,)), bytes((ESCAPE, ESCAPED_ESCAPE)))
        escaped = escaped.replace(bytes((END,)), bytes((ESCAPE, ESCAPED_END)))
        return bytes((END,)) + escaped + bytes((END,))

    @classmethod
    def from_slip(cls, raw: bytes) -> Message:
        """Read what stands between two ends; raises `BadField`, `Truncated` or `BadChecksum`."""
        plain = _unescape(raw)
        if len(plain) < HEAD_SIZE + CRC_SIZE:
            raise Truncated("it is too short", layer=LAYER, offset=len(raw))
        body, crc = plain[:-CRC_SIZE], int.from_bytes(plain[-CRC_SIZE:], "little")
        if crc16_x25(body) != crc:
            raise BadChecksum("its CRC does not fit", layer=LAYER, offset=len(raw) - CRC_SIZE)
        return cls(body[0], body[1], body[HEAD_SIZE:])

    @property
    def name(self) -> str:
        """Endpoint and code as the specification writes them."""
        return f"{self.endpoint:02X} {self.code:02X}"


StreamEvent: TypeAlias = Message | Damaged


class SlipStream:
    """Cuts a stream of bytes into messages; what is none is handed on as damaged, and empty messages are skipped.

    The events depend on the bytes alone, not on the pieces in which they come, and the buffer is bounded.
    """

    def __init__(self) -> None:
        self._raw = bytearray()
        self._too_long = False

    @property
    def pending(self) -> int:
        """How many bytes wait for the end of their message."""
        return len(self._raw)

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Take bytes, in pieces of any size, and return what they end."""
        events: list[StreamEvent] = []
        for byte in data:
            if byte == END:
                if self._raw:
                    events.append(self._ended(bytes(self._raw)))
                self._raw.clear()
                self._too_long = False
            elif len(self._raw) < MAX_RAW:
                self._raw.append(byte)
            else:
                self._too_long = True
        return events

    def _ended(self, raw: bytes) -> StreamEvent:
        if self._too_long:
            return Damaged(f"more than {MAX_RAW} bytes without the end of a message", raw)
        try:
            return Message.from_slip(raw)
        except BadChecksum:
            return Damaged("the CRC of a message does not match", raw)
        except ProtocolError:
            return Damaged("bytes outside any message", raw)


def _unescape(raw: bytes) -> bytes:
    """Undo SLIP's escapes."""
    plain = bytearray()
    escaped = False
    for offset, byte in enumerate(raw):
        if escaped:
            if byte not in ESCAPED:
                raise BadField(f"{byte:02X} after the escape DB", layer=LAYER, offset=offset)
            plain.append(ESCAPED[byte])
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        else:
            plain.append(byte)
    if escaped:
        raise Truncated("it ends with the escape DB", layer=LAYER, offset=len(raw))
    return bytes(plain)
