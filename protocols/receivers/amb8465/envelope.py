"""What an AMB8465 and its host write on their line: command frames, and telegrams with nothing around them.

A command frame is `FF | code | n | payload (n) | XOR of all bytes before`. With setting 05 off, as it leaves the works,
a module writes what it receives without a frame: L field, telegram, and no checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import reduce
from operator import xor
from typing import Final, TypeAlias

from construct import Bytes, Const, ConstructError, Int8ub, Rebuild, Struct, Terminated, len_, this

from protocols.errors import BadChecksum, BadField, Truncated
from protocols.receivers.frame_buffer import FrameBuffer
from protocols.receivers.telegram_head import HEAD_SIZE, HIDDEN_WITHIN, is_head, is_unasked
from protocols.wmbus.control import C_FIELDS
from protocols.wmbus.link import MIN_LENGTH

LAYER: Final = "amb8465"
START: Final = 0xFF
HEADER_SIZE: Final = 3
MAX_PAYLOAD: Final = 255
MAX_FRAME: Final = HEADER_SIZE + MAX_PAYLOAD + 1
CONFIRMED: Final = 0x80
"""Bit of the code that makes the answer of a request."""


class Code(IntEnum):
    """What a host asks for; `RECEIVED` comes from the module, unasked and without `CONFIRMED`."""

    TRANSMIT = 0x00
    REPEAT = 0x02
    RECEIVED = 0x03
    SET_MODE = 0x04
    RESET = 0x05
    SET_CHANNEL = 0x06
    SET_PARAMETERS = 0x09
    GET_PARAMETERS = 0x0A
    SERIAL = 0x0B
    FIRMWARE = 0x0C
    RSSI = 0x0D
    UART_SPEED = 0x10
    FACTORY_RESET = 0x11
    PRELOAD = 0x30
    DROP_PRELOAD = 0x31
    ADD_KEY = 0x50
    REMOVE_KEY = 0x51
    LIST_KEYS = 0x52


Sizes: TypeAlias = Mapping[int, range]
"""Code to the payload sizes that it has; other codes and sizes are no frame."""

_NONE, _ONE = range(1), range(1, 2)

FROM_HOST: Final[Sizes] = {
    Code.TRANSMIT: range(1, MAX_PAYLOAD + 1),
    Code.REPEAT: _NONE,
    Code.SET_MODE: _ONE,
    Code.RESET: _NONE,
    Code.SET_CHANNEL: _ONE,
    Code.SET_PARAMETERS: range(3, MAX_PAYLOAD + 1),
    Code.GET_PARAMETERS: range(2, 3),
    Code.SERIAL: _NONE,
    Code.FIRMWARE: _NONE,
    Code.RSSI: _NONE,
    Code.UART_SPEED: _ONE,
    Code.FACTORY_RESET: _NONE,
    Code.PRELOAD: range(1, MAX_PAYLOAD + 1),
    Code.DROP_PRELOAD: _NONE,
    Code.ADD_KEY: range(24, 25),
    Code.REMOVE_KEY: range(8, 9),
    Code.LIST_KEYS: _ONE,
}

FROM_MODULE: Final[Sizes] = {
    Code.RECEIVED: range(MIN_LENGTH, MAX_PAYLOAD + 1),
    CONFIRMED | Code.TRANSMIT: _ONE,
    CONFIRMED | Code.REPEAT: _ONE,
    CONFIRMED | Code.SET_MODE: _ONE,
    CONFIRMED | Code.RESET: _ONE,
    CONFIRMED | Code.SET_CHANNEL: _ONE,
    CONFIRMED | Code.SET_PARAMETERS: _ONE,
    CONFIRMED | Code.GET_PARAMETERS: range(2, MAX_PAYLOAD + 1),
    CONFIRMED | Code.SERIAL: range(4, 5),
    CONFIRMED | Code.FIRMWARE: range(3, 4),
    CONFIRMED | Code.RSSI: _ONE,
    CONFIRMED | Code.UART_SPEED: _ONE,
    CONFIRMED | Code.FACTORY_RESET: _ONE,
    CONFIRMED | Code.PRELOAD: _ONE,
    CONFIRMED | Code.DROP_PRELOAD: _ONE,
    CONFIRMED | Code.ADD_KEY: _ONE,
    CONFIRMED | Code.REMOVE_KEY: _ONE,
    CONFIRMED | Code.LIST_KEYS: range(128, 129),
}

SCHEMA: Final = Struct(
    "start" / Const(START, Int8ub),
    "code" / Int8ub,
    "size" / Rebuild(Int8ub, len_(this.payload)),
    "payload" / Bytes(this.size),
    "checksum" / Int8ub,
    Terminated,
)


@dataclass(frozen=True, slots=True)
class CommandFrame:
    """One command frame, of either side."""

    code: int
    payload: bytes = b""

    def to_bytes(self) -> bytes:
        """Build the frame; `ValueError` when a field does not fit."""
        try:
            frame = bytes(SCHEMA.build({"code": self.code, "payload": self.payload, "checksum": 0}))
        except ConstructError as error:
            raise ValueError(f"not a command frame: {error}") from error
        return frame[:-1] + bytes((reduce(xor, frame[:-1]),))

    @classmethod
    def from_bytes(cls, data: bytes) -> CommandFrame:
        """Read exactly one frame; raises `Truncated`, `BadField` or `BadChecksum`."""
        if len(data) <= HEADER_SIZE or len(data) < data[2] + HEADER_SIZE + 1:
            raise Truncated(f"command frame of {len(data)} bytes is too short", layer=LAYER, offset=len(data))
        try:
            parsed = SCHEMA.parse(data)
        except ConstructError as error:
            raise BadField(f"not a command frame: {error}", layer=LAYER, offset=0) from error
        if parsed.checksum != reduce(xor, data[:-1]):
            raise BadChecksum("its XOR checksum does not fit", layer=LAYER, offset=len(data) - 1)
        return cls(int(parsed.code), bytes(parsed.payload))


@dataclass(frozen=True, slots=True)
class BareTelegram:
    """A telegram without a frame: what stands behind its length byte, RSSI included."""

    payload: bytes


class BadBytes(StrEnum):
    """Why bytes were thrown away."""

    NOISE = "bytes outside any frame"
    CHECKSUM = "XOR checksum does not fit"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bytes of the stream that are no good frame."""

    reason: BadBytes
    raw: bytes


StreamEvent: TypeAlias = CommandFrame | BareTelegram | Rejected


def _hides_telegrams(raw: bytes) -> bool:
    """Say whether two telegrams, one behind the other, begin soon inside of what looked like one: it was noise."""
    for start in range(1, min(len(raw), HIDDEN_WITHIN)):
        first = raw[start:]
        if is_unasked(first) and is_unasked(first[first[0] + 1 :]):
            return True
    return False


class EnvelopeStream:
    """Cuts a stream of bytes into frames; it finds its way back after noise and never holds more than one frame.

    The events depend on the bytes alone, not on the pieces in which they come. `sizes` are those of the other side.
    While `bare` is set, telegrams without a frame are taken too: only length, C field and manufacturer tell them from
    noise. It may be set while events are taken, and then holds for the bytes behind the event.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.bare = False
        self._sizes = sizes
        self._buffer = FrameBuffer(MAX_FRAME)

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame, or to be told of."""
        return len(self._buffer.data) + len(self._buffer.noise)

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """Take bytes and yield what they complete, in order."""
        for start in range(0, len(data), MAX_FRAME):
            self._buffer.data += data[start : start + MAX_FRAME]
            yield from self._drain()

    def resync(self) -> Iterator[StreamEvent]:
        """Give up on the frame that is pending, look for others behind its first byte, and tell of the noise."""
        while self._buffer.data:
            yield from map(_noise, self._buffer.drop())
            yield from self._drain()
        yield from map(_noise, self._buffer.flush())

    def _drain(self) -> Iterator[StreamEvent]:
        while self._buffer.data:
            size = self._candidate_size()
            if size == 0:
                yield from map(_noise, self._buffer.drop())
            elif size is None or len(self._buffer.data) < size:
                return
            else:
                yield from self._take(bytes(self._buffer.data[:size]))

    def _candidate_size(self) -> int | None:
        """Return how long the frame is that the buffer may begin with; 0 for none, None when more bytes must tell."""
        if self._buffer.data[0] == START:
            size = self._framed_size()
            if size != 0:
                return size
        return self._bare_size() if self.bare else 0

    def _framed_size(self) -> int | None:
        buffer = self._buffer.data
        if len(buffer) < 2:
            return None
        sizes = self._sizes.get(buffer[1])
        if sizes is None:
            return 0
        if len(buffer) < HEADER_SIZE:
            return None
        return buffer[2] + HEADER_SIZE + 1 if buffer[2] in sizes else 0

    def _bare_size(self) -> int | None:
        buffer = self._buffer.data
        if buffer[0] < MIN_LENGTH or (len(buffer) > 1 and buffer[1] not in C_FIELDS):
            return 0
        if len(buffer) < HEAD_SIZE:
            return None
        return buffer[0] + 1 if is_head(buffer) else 0

    def _take(self, raw: bytes) -> Iterator[StreamEvent]:
        framed = raw[0] == START and self._framed_size()
        if not framed and _hides_telegrams(raw):
            yield from map(_noise, self._buffer.drop())
            return
        yield from map(_noise, self._buffer.flush())
        event: StreamEvent
        try:
            event = CommandFrame.from_bytes(raw) if framed else BareTelegram(raw[1:])
        except BadChecksum:
            # A start byte in noise may have swallowed the head of a good frame.
            self._buffer.refuse(len(raw))
            yield Rejected(BadBytes.CHECKSUM, raw)
            return
        self._buffer.take(len(raw))
        yield event


def _noise(raw: bytes) -> Rejected:
    return Rejected(BadBytes.NOISE, raw)
