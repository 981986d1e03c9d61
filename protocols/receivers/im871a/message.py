"""What a message of the WiMOD HCI is, and the payload shapes that several messages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from protocols.errors import BadField, Truncated
from protocols.receivers.im871a.envelope import Endpoint, Envelope

STATUS_OK: Final = 1
STATUS_FAILED: Final = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A message without payload; the base of all others."""

    ENDPOINT: ClassVar[int] = Endpoint.DEVICE_MANAGEMENT
    CODE: ClassVar[int] = 0
    TITLE: ClassVar[str] = ""

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read the payload; raises `Truncated` or `BadField`."""
        expect_size(cls, payload, 0)
        return cls()

    @classmethod
    def from_envelope(cls, envelope: Envelope) -> Self:
        """Read the payload and whatever the module attached."""
        return cls.from_payload(envelope.payload)

    def payload(self) -> bytes:
        """Build the payload; `ValueError` when a value does not fit."""
        return b""

    def envelope(self, *, fcs: bool = True) -> Envelope:
        """Put the message into its envelope."""
        return Envelope(self.ENDPOINT, self.CODE, self.payload(), fcs=fcs)

    def to_bytes(self, *, fcs: bool = True) -> bytes:
        """Build the whole frame; a host may leave the check sequence out."""
        return self.envelope(fcs=fcs).to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read one frame that holds this message; raises a `ProtocolError`."""
        envelope = Envelope.from_bytes(data)
        if (envelope.endpoint, envelope.code) != (cls.ENDPOINT, cls.CODE):
            raise BadField(
                f"message {envelope.endpoint}.{envelope.code:02X} where a {cls.TITLE} was expected",
                layer="im871a",
                offset=1,
            )
        return cls.from_envelope(envelope)


def expect_size(message: type[Message], payload: bytes, size: int) -> None:
    """Raise `Truncated` or `BadField` unless the payload has exactly `size` bytes."""
    if len(payload) != size:
        error = Truncated if len(payload) < size else BadField
        raise error(
            f"{message.TITLE}: payload of {len(payload)} bytes instead of {size}", layer="im871a", offset=len(payload)
        )


@dataclass(frozen=True, slots=True)
class StatusMessage(Message):
    """A response that says whether the request was obeyed; some modules leave the status byte out."""

    status: int | None = STATUS_OK

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        if not payload:
            return cls(None)
        expect_size(cls, payload, 1)
        return cls(payload[0])

    def payload(self) -> bytes:
        return b"" if self.status is None else bytes((self.status,))

    @property
    def ok(self) -> bool:
        """True unless the module said that it failed."""
        return self.status is None or self.status == STATUS_OK


@dataclass(frozen=True, slots=True)
class ByteMessage(Message):
    """A message of one byte."""

    value: int = 0

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        expect_size(cls, payload, 1)
        return cls(payload[0])

    def payload(self) -> bytes:
        return bytes((self.value,))


@dataclass(frozen=True, slots=True)
class ClockMessage(Message):
    """A message that holds the module's clock, in seconds."""

    seconds: int = 0

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        expect_size(cls, payload, 4)
        return cls(int.from_bytes(payload, "little"))

    def payload(self) -> bytes:
        return self.seconds.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class DataMessage(Message):
    """A message whose payload is handed on as it is."""

    data: bytes = b""

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(payload)

    def payload(self) -> bytes:
        return self.data
