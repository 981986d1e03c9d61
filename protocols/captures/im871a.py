"""The serial envelope of an iM871A or iM170A (`A5 ..`) with a frame in it."""

from __future__ import annotations

from protocols.captures.model import NotRecognised, Pasted
from protocols.errors import BadChecksum
from protocols.model import RawFrame
from protocols.receivers.im871a.envelope import Envelope
from protocols.receivers.im871a.messages import parse_message, title_of
from protocols.receivers.im871a.radio import ReceiveIndication, SendMessageRequest
from protocols.receivers.im871a.settings import rssi_dbm

KIND = "iM871A envelope"


def read(data: bytes) -> Pasted:
    """Return the frame in one envelope; raises a `ProtocolError` when the bytes are none whose check sequence fits.

    `NotRecognised` says which other message it is.
    """
    envelope = Envelope.from_bytes(data)
    if not envelope.fcs:
        raise BadChecksum("it has no check sequence", layer="im871a", offset=len(data))
    message = parse_message(envelope)
    if isinstance(message, SendMessageRequest):
        return Pasted(RawFrame(bytes((len(envelope.payload),)) + envelope.payload), KIND, ("sent by the host",))
    if not isinstance(message, ReceiveIndication):
        title = title_of(envelope.endpoint, envelope.code)
        raise NotRecognised(f"{KIND} with a {title}, in which there is no telegram", "paste a receive indication")
    rssi = None if message.rssi_raw is None else rssi_dbm(message.rssi_raw)
    clock = () if not message.timestamp_s else (f"the module's clock says {message.timestamp_s} s",)
    return Pasted(RawFrame(message.frame, rssi_dbm=rssi), KIND, clock)
