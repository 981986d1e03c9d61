"""The SLIP frame of an iU891A, iM891A, iM881A or iU893A (`C0 09 20 .. C0`) with a frame in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import length_note
from protocols.errors import BadChecksum, BadField, Truncated
from protocols.model import FrameFormat, RawFrame
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.iu891a.codes import Gateway, Service
from protocols.receivers.iu891a.indication import HEAD_SIZE, ReceiveIndication
from protocols.receivers.slip import END, ESCAPE, ESCAPED

KIND: Final = "iU891A envelope"
LAYER: Final = "iu891a"

CLOCK_SET_FROM: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""A clock that was never set starts in 2000: a time before this one is not believed."""


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
    if (service, code) != (Service.GATEWAY, Gateway.RECEIVED) or len(body) < HEAD_SIZE:
        message = f"{KIND} with message {service:02X} {code:02X}, in which there is no telegram"
        raise NotRecognised(message, "paste a receive indication (C0 09 20 ..)")
    heard = ReceiveIndication.from_body(body)
    notes = list(length_note(heard.frame))
    at: datetime | None = datetime.fromtimestamp(heard.time_s, UTC)
    if at is not None and at < CLOCK_SET_FROM:
        at = None
        notes.append("the receiver's clock was not set")
    if heard.frame_format is FrameFormat.B:
        notes.append("received in frame format B")
    return Pasted(RawFrame(heard.frame, at=at, rssi_dbm=heard.rssi_dbm), KIND, tuple(notes))


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
