"""The SLIP frame of an iU891A, iM891A, iM881A or iU893A (`C0 09 20 .. C0`) with a frame in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import length_note
from protocols.errors import BadField
from protocols.model import FrameFormat, RawFrame
from protocols.receivers.iu891a.codes import Gateway, Service
from protocols.receivers.iu891a.indication import HEAD_SIZE, ReceiveIndication
from protocols.receivers.slip import END, Message

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
    messages = [Message.from_slip(frame) for frame in frames]
    if len(messages) > 1:
        raise NotRecognised(f"{len(messages)} SLIP frames", "paste one at a time")
    message = messages[0]
    indicates = (message.endpoint, message.code) == (Service.GATEWAY, Gateway.RECEIVED)
    if not indicates or len(message.payload) < HEAD_SIZE:
        seen = f"{KIND} with message {message.name}, in which there is no telegram"
        raise NotRecognised(seen, "paste a receive indication (C0 09 20 ..)")
    heard = ReceiveIndication.from_body(message.payload)
    notes = list(length_note(heard.frame))
    at: datetime | None = datetime.fromtimestamp(heard.time_s, UTC)
    if at is not None and at < CLOCK_SET_FROM:
        at = None
        notes.append("the receiver's clock was not set")
    if heard.frame_format is FrameFormat.B:
        notes.append("received in frame format B")
    return Pasted(RawFrame(heard.frame, at=at, rssi_dbm=heard.rssi_dbm), KIND, tuple(notes))
