"""The serial envelope of the WiMOD HCI: one frame out of a stream of bytes, and back.

Layout: `A5 | control and endpoint | code | n | payload (n) | [timestamp 4] | [RSSI 1] | [FCS 2]`, little endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from construct import (
    BitsInteger,
    BitStruct,
    Bytes,
    Const,
    ConstructError,
    Flag,
    If,
    Int8ub,
    Int16ul,
    Int32ul,
    Rebuild,
    Struct,
    Terminated,
    len_,
    this,
)

from protocols.errors import BadChecksum, BadField, Truncated
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.frame_buffer import FrameBuffer

START: Final = 0xA5
HEADER_SIZE: Final = 4
MAX_PAYLOAD: Final = 255
MAX_FRAME: Final = HEADER_SIZE + MAX_PAYLOAD + 4 + 1 + 2

FCS_FLAG: Final = 0x80
RSSI_FLAG: Final = 0x40
TIMESTAMP_FLAG: Final = 0x20
RESERVED_FLAG: Final = 0x10


class Endpoint(IntEnum):
    """Which part of the module a message speaks to."""

    DEVICE_MANAGEMENT = 1
    RADIO_LINK = 2
    RADIO_LINK_TEST = 3
    HARDWARE_TEST = 4


LAST_CODE: Final[dict[int, int]] = {
    Endpoint.DEVICE_MANAGEMENT: 0x27,
    Endpoint.RADIO_LINK: 0x05,
    Endpoint.RADIO_LINK_TEST: 0x07,
    Endpoint.HARDWARE_TEST: 0x02,
}
"""Highest message code in use at each endpoint; the first is always 1."""

SCHEMA: Final = Struct(
    "start" / Const(START, Int8ub),
    "control"
    / BitStruct(
        "fcs" / Flag,
        "rssi" / Flag,
        "timestamp" / Flag,
        "reserved" / Const(0, BitsInteger(1)),
        "endpoint" / BitsInteger(4),
    ),
    "code" / Int8ub,
    "size" / Rebuild(Int8ub, len_(this.payload)),
    "payload" / Bytes(this.size),
    "timestamp_s" / If(this.control.timestamp, Int32ul),
    "rssi_raw" / If(this.control.rssi, Int8ub),
    "fcs" / If(this.control.fcs, Int16ul),
    Terminated,
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One HCI frame: endpoint, message code, payload, and the fields that the module may attach.

    `timestamp_s` is the module's clock in seconds, `rssi_raw` its RSSI code; `fcs` says whether a check sequence is
    there (the module always sends one, a host may leave it out).
    """

    endpoint: int
    code: int
    payload: bytes = b""
    timestamp_s: int | None = None
    rssi_raw: int | None = None
    fcs: bool = True

    def to_bytes(self) -> bytes:
        """Build the frame; `ValueError` when a field does not fit."""
        fields = {
            "control": {
                "fcs": self.fcs,
                "rssi": self.rssi_raw is not None,
                "timestamp": self.timestamp_s is not None,
                "endpoint": self.endpoint,
            },
            "code": self.code,
            "payload": self.payload,
            "timestamp_s": self.timestamp_s,
            "rssi_raw": self.rssi_raw,
            "fcs": 0,
        }
        try:
            frame = bytes(SCHEMA.build(fields))
        except ConstructError as error:
            raise ValueError(f"not an HCI frame: {error}") from error
        if not self.fcs:
            return frame
        # The FCS covers everything behind the start byte.
        return frame[:-2] + crc16_x25(frame[1:-2]).to_bytes(2, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """Read exactly one frame; raises `Truncated`, `BadField` or `BadChecksum`."""
        if len(data) < HEADER_SIZE or len(data) < frame_size(data):
            raise Truncated(f"HCI frame of {len(data)} bytes is too short", layer="im871a", offset=len(data))
        try:
            parsed = SCHEMA.parse(data)
        except ConstructError as error:
            raise BadField(f"not an HCI frame: {error}", layer="im871a", offset=0) from error
        if parsed.fcs is not None and parsed.fcs != crc16_x25(data[1:-2]):
            raise BadChecksum("FCS of the HCI frame does not match", layer="im871a", offset=len(data) - 2)
        return cls(
            endpoint=int(parsed.control.endpoint),
            code=int(parsed.code),
            payload=bytes(parsed.payload),
            timestamp_s=parsed.timestamp_s,
            rssi_raw=parsed.rssi_raw,
            fcs=parsed.fcs is not None,
        )


def frame_size(header: bytes | bytearray) -> int:
    """Return the whole length of the frame that starts with these four bytes."""
    control = header[1]
    attached = 4 * bool(control & TIMESTAMP_FLAG) + bool(control & RSSI_FLAG) + 2 * bool(control & FCS_FLAG)
    return HEADER_SIZE + header[3] + attached


class BadBytes(StrEnum):
    """Why bytes were thrown away."""

    NOISE = "bytes outside any frame"
    FCS = "check sequence does not match"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bytes of the stream that are no good frame."""

    reason: BadBytes
    raw: bytes


StreamEvent: TypeAlias = Envelope | Rejected


class EnvelopeStream:
    """Cuts a stream of bytes into frames; it finds its way back after noise and never holds more than one frame.

    The events depend on the bytes alone, not on the pieces in which they come. With `require_fcs`, as a host should,
    a frame without check sequence counts as noise.
    """

    def __init__(self, *, require_fcs: bool) -> None:
        self._require_fcs = require_fcs
        self._buffer = FrameBuffer(MAX_FRAME)

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer.data)

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Take bytes and return what they complete, in order."""
        events: list[StreamEvent] = []
        view = memoryview(data)
        for start in range(0, len(view), MAX_FRAME):
            self._buffer.data += view[start : start + MAX_FRAME]
            self._drain(events)
        return events

    def resync(self) -> list[StreamEvent]:
        """Give up on the frame that is pending and look for another one behind its start byte."""
        events: list[StreamEvent] = []
        if self._buffer.data:
            events.extend(map(_noise, self._buffer.drop()))
            self._drain(events)
        return events

    def _drain(self, events: list[StreamEvent]) -> None:
        data = self._buffer.data
        while data:
            if not self._plausible():
                following = data.find(START, 1)
                events.extend(map(_noise, self._buffer.drop(following if following > 0 else len(data))))
                continue
            if len(data) < HEADER_SIZE or len(data) < frame_size(data):
                return
            self._take(bytes(data[: frame_size(data)]), events)

    def _plausible(self) -> bool:
        """Say whether the buffer may begin with a frame, as far as its bytes go."""
        buffer = self._buffer.data
        if buffer[0] != START:
            return False
        if len(buffer) < 2:
            return True
        control = buffer[1]
        last_code = LAST_CODE.get(control & 0x0F)
        if last_code is None or control & RESERVED_FLAG or (self._require_fcs and not control & FCS_FLAG):
            return False
        return len(buffer) < 3 or 1 <= buffer[2] <= last_code

    def _take(self, raw: bytes, events: list[StreamEvent]) -> None:
        events.extend(map(_noise, self._buffer.flush()))
        try:
            envelope = Envelope.from_bytes(raw)
        except BadChecksum:
            events.append(Rejected(BadBytes.FCS, raw))
            # A start byte in noise may have swallowed the head of a good frame.
            self._buffer.refuse(len(raw))
            return
        events.append(envelope)
        self._buffer.take(len(raw))


def _noise(raw: bytes) -> Rejected:
    return Rejected(BadBytes.NOISE, raw)
