"""Messages of endpoint 1, device management: identity, configuration, clock, keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from protocols.receivers.im871a.message import (
    ByteMessage,
    ClockMessage,
    DataMessage,
    Message,
    StatusMessage,
    expect_size,
)
from protocols.receivers.im871a.settings import Config, DeviceInfo


@dataclass(frozen=True, slots=True)
class PingRequest(Message):
    CODE = 0x01
    TITLE = "ping request"


@dataclass(frozen=True, slots=True)
class PingResponse(Message):
    CODE = 0x02
    TITLE = "ping response"


@dataclass(frozen=True, slots=True)
class SetConfigRequest(Message):
    """Change the configuration; `store` keeps the change over a restart."""

    CODE = 0x03
    TITLE = "set configuration request"

    config: Config = field(default_factory=Config)
    store: bool = False

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        if not payload:
            expect_size(cls, payload, 3)
        return cls(Config.from_bytes(payload[1:]), bool(payload[0]))

    def payload(self) -> bytes:
        return bytes((self.store,)) + self.config.to_bytes()


@dataclass(frozen=True, slots=True)
class SetConfigResponse(StatusMessage):
    CODE = 0x04
    TITLE = "set configuration response"


@dataclass(frozen=True, slots=True)
class GetConfigRequest(Message):
    CODE = 0x05
    TITLE = "get configuration request"


@dataclass(frozen=True, slots=True)
class GetConfigResponse(Message):
    """The configuration as it is now."""

    CODE = 0x06
    TITLE = "get configuration response"

    config: Config = field(default_factory=Config)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(Config.from_bytes(payload))

    def payload(self) -> bytes:
        return self.config.to_bytes()


@dataclass(frozen=True, slots=True)
class ResetRequest(Message):
    CODE = 0x07
    TITLE = "reset request"


@dataclass(frozen=True, slots=True)
class ResetResponse(Message):
    CODE = 0x08
    TITLE = "reset response"


@dataclass(frozen=True, slots=True)
class FactoryResetRequest(ByteMessage):
    """Back to factory settings; value 0 restarts the module afterwards, 1 does not."""

    CODE = 0x09
    TITLE = "factory reset request"


@dataclass(frozen=True, slots=True)
class FactoryResetResponse(StatusMessage):
    CODE = 0x0A
    TITLE = "factory reset response"


@dataclass(frozen=True, slots=True)
class GetOperationModeRequest(Message):
    CODE = 0x0B
    TITLE = "get operation mode request"


@dataclass(frozen=True, slots=True)
class GetOperationModeResponse(ByteMessage):
    """Value 0: application, 1: hardware test."""

    CODE = 0x0C
    TITLE = "get operation mode response"


@dataclass(frozen=True, slots=True)
class SetOperationModeRequest(ByteMessage):
    """Value 0: application, 1: hardware test."""

    CODE = 0x0D
    TITLE = "set operation mode request"


@dataclass(frozen=True, slots=True)
class SetOperationModeResponse(StatusMessage):
    CODE = 0x0E
    TITLE = "set operation mode response"


@dataclass(frozen=True, slots=True)
class DeviceInfoRequest(Message):
    CODE = 0x0F
    TITLE = "device information request"


@dataclass(frozen=True, slots=True)
class DeviceInfoResponse(Message):
    """Who the module is."""

    CODE = 0x10
    TITLE = "device information response"

    info: DeviceInfo = field(default_factory=lambda: DeviceInfo(0, 0, 0, 0, 0))

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(DeviceInfo.from_bytes(payload))

    def payload(self) -> bytes:
        return self.info.to_bytes()


@dataclass(frozen=True, slots=True)
class SystemStatusRequest(Message):
    CODE = 0x11
    TITLE = "system status request"


@dataclass(frozen=True, slots=True)
class SystemStatusResponse(DataMessage):
    """Counters; their layout is not public."""

    CODE = 0x12
    TITLE = "system status response"


@dataclass(frozen=True, slots=True)
class FirmwareInfoRequest(Message):
    CODE = 0x13
    TITLE = "firmware information request"


@dataclass(frozen=True, slots=True)
class FirmwareInfoResponse(DataMessage):
    """A text; its layout is not public."""

    CODE = 0x14
    TITLE = "firmware information response"


@dataclass(frozen=True, slots=True)
class GetRtcRequest(Message):
    CODE = 0x19
    TITLE = "get clock request"


@dataclass(frozen=True, slots=True)
class GetRtcResponse(ClockMessage):
    CODE = 0x1A
    TITLE = "get clock response"


@dataclass(frozen=True, slots=True)
class SetRtcRequest(ClockMessage):
    CODE = 0x1B
    TITLE = "set clock request"


@dataclass(frozen=True, slots=True)
class SetRtcResponse(StatusMessage):
    CODE = 0x1C
    TITLE = "set clock response"


@dataclass(frozen=True, slots=True)
class EnterLowPowerRequest(Message):
    CODE = 0x1D
    TITLE = "enter low power request"


@dataclass(frozen=True, slots=True)
class EnterLowPowerResponse(StatusMessage):
    CODE = 0x1E
    TITLE = "enter low power response"


@dataclass(frozen=True, slots=True)
class SetAesEncryptionKeyRequest(Message):
    """Load the key with which the module encrypts what it sends; neither repr nor str show it."""

    CODE = 0x21
    TITLE = "set encryption key request"

    key: bytes = field(default=bytes(16), repr=False)
    store: bool = False

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        expect_size(cls, payload, 17)
        return cls(payload[1:], bool(payload[0]))

    def payload(self) -> bytes:
        return bytes((self.store,)) + self.key


@dataclass(frozen=True, slots=True)
class SetAesEncryptionKeyResponse(StatusMessage):
    CODE = 0x22
    TITLE = "set encryption key response"


@dataclass(frozen=True, slots=True)
class EnableAesEncryptionRequest(Message):
    """Turn the module's own encryption on or off."""

    CODE = 0x23
    TITLE = "enable encryption request"

    enable: bool = False
    store: bool = False

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        expect_size(cls, payload, 2)
        return cls(bool(payload[1]), bool(payload[0]))

    def payload(self) -> bytes:
        return bytes((self.store, self.enable))


@dataclass(frozen=True, slots=True)
class EnableAesEncryptionResponse(StatusMessage):
    CODE = 0x24
    TITLE = "enable encryption response"


@dataclass(frozen=True, slots=True)
class SetAesDecryptionKeyRequest(Message):
    """Load a meter's key into one of 16 slots; `address` is M, ID, version, type as on air. The key is never shown."""

    CODE = 0x25
    TITLE = "set decryption key request"

    index: int = 0
    address: bytes = bytes(8)
    key: bytes = field(default=bytes(16), repr=False)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        expect_size(cls, payload, 25)
        return cls(payload[0], payload[1:9], payload[9:])

    def payload(self) -> bytes:
        return bytes((self.index,)) + self.address + self.key


@dataclass(frozen=True, slots=True)
class SetAesDecryptionKeyResponse(StatusMessage):
    CODE = 0x26
    TITLE = "set decryption key response"


@dataclass(frozen=True, slots=True)
class AesDecryptionErrorIndication(Message):
    """The module holds a key for this meter that does not fit; `address` is M, ID, version, type as on air."""

    CODE = 0x27
    TITLE = "decryption error indication"

    c_field: int = 0
    address: bytes = bytes(8)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        expect_size(cls, payload, 9)
        return cls(payload[0], payload[1:])

    def payload(self) -> bytes:
        return bytes((self.c_field,)) + self.address
