"""Every message of the WiMOD HCI by its endpoint and code.

Requests have odd codes, their responses the next one; only the data messages of the radio link differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.receivers.im871a import management, radio
from protocols.receivers.im871a.envelope import Endpoint, Envelope
from protocols.receivers.im871a.message import Message

_CLASSES: Final[tuple[type[Message], ...]] = (
    management.PingRequest,
    management.PingResponse,
    management.SetConfigRequest,
    management.SetConfigResponse,
    management.GetConfigRequest,
    management.GetConfigResponse,
    management.ResetRequest,
    management.ResetResponse,
    management.FactoryResetRequest,
    management.FactoryResetResponse,
    management.GetOperationModeRequest,
    management.GetOperationModeResponse,
    management.SetOperationModeRequest,
    management.SetOperationModeResponse,
    management.DeviceInfoRequest,
    management.DeviceInfoResponse,
    management.SystemStatusRequest,
    management.SystemStatusResponse,
    management.FirmwareInfoRequest,
    management.FirmwareInfoResponse,
    management.GetRtcRequest,
    management.GetRtcResponse,
    management.SetRtcRequest,
    management.SetRtcResponse,
    management.EnterLowPowerRequest,
    management.EnterLowPowerResponse,
    management.SetAesEncryptionKeyRequest,
    management.SetAesEncryptionKeyResponse,
    management.EnableAesEncryptionRequest,
    management.EnableAesEncryptionResponse,
    management.SetAesDecryptionKeyRequest,
    management.SetAesDecryptionKeyResponse,
    management.AesDecryptionErrorIndication,
    radio.SendMessageRequest,
    radio.SendMessageResponse,
    radio.ReceiveIndication,
    radio.SendDataRequest,
    radio.SendDataResponse,
)

MESSAGES: Final[dict[tuple[int, int], type[Message]]] = {(cls.ENDPOINT, cls.CODE): cls for cls in _CLASSES}
"""Endpoint and code to the message's class."""

_ENDPOINT_TITLES: Final[dict[int, str]] = {
    Endpoint.DEVICE_MANAGEMENT: "device management message",
    Endpoint.RADIO_LINK: "radio link message",
    Endpoint.RADIO_LINK_TEST: "radio link test message",
    Endpoint.HARDWARE_TEST: "radio hardware test message",
}


@dataclass(frozen=True, slots=True)
class OtherMessage:
    """A message whose payload has no public layout: the tests of endpoints 3 and 4, and unused codes."""

    wrapped: Envelope

    @property
    def title(self) -> str:
        """What it is, as far as known: `radio link test message 3.07`."""
        return title_of(self.wrapped.endpoint, self.wrapped.code)

    def to_bytes(self, *, fcs: bool = True) -> bytes:
        """Build the whole frame."""
        envelope = self.wrapped
        return Envelope(
            envelope.endpoint, envelope.code, envelope.payload, envelope.timestamp_s, envelope.rssi_raw, fcs
        ).to_bytes()


def title_of(endpoint: int, code: int) -> str:
    """Return a message's name in words."""
    message = MESSAGES.get((endpoint, code))
    if message is not None:
        return message.TITLE
    return f"{_ENDPOINT_TITLES.get(endpoint, 'message')} {endpoint}.{code:02X}"


def parse_message(envelope: Envelope) -> Message | OtherMessage:
    """Return the message in an envelope; raises `Truncated` or `BadField` when its payload is not as it should be."""
    message = MESSAGES.get((envelope.endpoint, envelope.code))
    return OtherMessage(envelope) if message is None else message.from_envelope(envelope)
