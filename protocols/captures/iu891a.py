"""The SLIP frame of an iU891A, iM891A, iM881A or iU893A (`C0 09 20 .. C0`) with a frame in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from construct import Int8sb, Int8ub, Int32ul, Struct, Terminated

from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import length_note
from protocols.errors import BadChecksum, BadField, Truncated
from protocols.model import RawFrame
from protocols.receivers.checksums import crc16_x25

KIND: Final = "iU891A envelope"
LAYER: Final = "iu891a"

END: Final = 0xC0
ESCAPE: Final = 0xDB
ESCAPED: Final = {0xDC: END, 0xDD: ESCAPE}

GATEWAY: Final = 0x09
"""Service access point of the wireless M-Bus gateway."""
RECEIVED: Final = 0x20
FIRST_FORMAT_B: Final = 20
"""Format codes from here on mean frame format B."""

CLOCK_SET_FROM: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""A clock that was never set starts in 2000: a time before this one is not believed."""

HEAD_SIZE: Final = 8
HEAD: Final = Struct(
    "time_s" / Int32ul,
    "decryption_status" / Int8ub,
    "encryption_mode" / Int8ub,
    "format" / Int8ub,
    "rssi_dbm" / Int8sb,
    Terminated,
)
"""Of a receive indication, in front of the frame with its L field and without CRCs."""


def read(data: bytes) -> Pasted:
    """Return the frame in one SLIP frame; raises a `ProtocolError` when the bytes are none whose CRC fits.

    `NotRecognised` says which other message it is, or that there are several.
    """
    frames = [frame for frame in data.split(bytes((END,))) if frame]
    if not frames or data[0] != END or data[-1] != END:
        raise BadField("it does not start and end with C0", layer=LAYER, offset=0)
    messages = [_unwrap(frame) for frame in frames]
    if len(messages) > 1:
        raise NotRecognised(f"{len(messages)} SLIP frames", "paste one at a time")
    service, code, body = messages[0][0], messages[0][1], messages[0][2:]
    if (service, code) != (GATEWAY, RECEIVED) or len(body) < HEAD_SIZE:
        message = f"{KIND} with message {service:02X} {code:02X}, in which there is no telegram"
        raise NotRecognised(message, "paste a receive indication (C0 09 20 ..)")
    head = HEAD.parse(body[:HEAD_SIZE])
    frame = body[HEAD_SIZE:]
    notes = list(length_note(frame))
    at: datetime | None = datetime.fromtimestamp(head.time_s, UTC)
    if at is not None and at < CLOCK_SET_FROM:
        at = None
        notes.append("the receiver's clock was not set")
    if head.format >= FIRST_FORMAT_B:
        notes.append("received in frame format B")
    return Pasted(RawFrame(frame, at=at, rssi_dbm=int(head.rssi_dbm)), KIND, tuple(notes))


def _unwrap(frame: bytes) -> bytes:
    """Undo SLIP's escapes and take the CRC off; at least service and message code remain."""
    plain = bytearray()
    escaped = False
    for offset, byte in enumerate(frame):
        if escaped:
            if byte not in ESCAPED:
                raise BadField(f"{byte:02X} after the escape DB", layer=LAYER, offset=offset)
            plain.append(ESCAPED[byte])
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        else:
            plain.append(byte)
    if escaped or len(plain) < 4:
        raise Truncated("it is too short", layer=LAYER, offset=len(frame))
    if crc16_x25(bytes(plain[:-2])) != int.from_bytes(plain[-2:], "little"):
        raise BadChecksum("its CRC does not fit", layer=LAYER, offset=len(frame) - 2)
    return bytes(plain[:-2])
