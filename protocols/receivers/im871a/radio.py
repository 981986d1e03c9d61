"""Messages of endpoint 2, the radio link: frames off the air and onto it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from protocols.receivers.im871a.envelope import Endpoint, Envelope
from protocols.receivers.im871a.message import DataMessage, Message, StatusMessage


@dataclass(frozen=True, slots=True)
class SendMessageRequest(DataMessage):
    """Send a frame; the data start at the C field, the module adds L and CRCs."""

    ENDPOINT = Endpoint.RADIO_LINK
    CODE = 0x01
    TITLE = "send message request"


@dataclass(frozen=True, slots=True)
class SendMessageResponse(StatusMessage):
    ENDPOINT = Endpoint.RADIO_LINK
    CODE = 0x02
    TITLE = "send message response"


@dataclass(frozen=True, slots=True)
class ReceiveIndication(Message):
    """A frame off the air, from the C field on, without CRCs; with the module's clock and RSSI code if attached."""

    ENDPOINT = Endpoint.RADIO_LINK
    CODE = 0x03
    TITLE = "receive indication"

    data: bytes = b""
    rssi_raw: int | None = None
    timestamp_s: int | None = None

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(payload)

    @classmethod
    def from_envelope(cls, envelope: Envelope) -> Self:
        return cls(envelope.payload, envelope.rssi_raw, envelope.timestamp_s)

    def payload(self) -> bytes:
        return self.data

    def envelope(self, *, fcs: bool = True) -> Envelope:
        return Envelope(self.ENDPOINT, self.CODE, self.data, self.timestamp_s, self.rssi_raw, fcs)

    @property
    def frame(self) -> bytes:
        """The frame with its L field: the length of the payload is the L field."""
        return bytes((len(self.data),)) + self.data


@dataclass(frozen=True, slots=True)
class SendDataRequest(DataMessage):
    """Send a frame; the data start at the CI field, the module puts its own C field and address in front."""

    ENDPOINT = Endpoint.RADIO_LINK
    CODE = 0x04
    TITLE = "send data request"


@dataclass(frozen=True, slots=True)
class SendDataResponse(StatusMessage):
    ENDPOINT = Endpoint.RADIO_LINK
    CODE = 0x05
    TITLE = "send data response"
