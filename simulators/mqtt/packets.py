"""The packets of MQTT 3.1.1 as a broker reads and writes them (OASIS MQTT Version 3.1.1, chapters 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

MAX_BODY: Final = 1 << 18
"""Longest body that is taken; MQTT would allow 256 MiB."""

MAX_LENGTH_BYTES: Final = 4
PROTOCOL: Final = ("MQTT", 4)


class BadPacket(ValueError):
    """Bytes that are no MQTT packet, or one that this broker does not take: the connection ends."""


class Kind(IntEnum):
    """Control packet types (table 2.1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class Packet:
    """One control packet: type, the four flags of its first byte, and what stands behind its length."""

    kind: Kind
    flags: int = 0
    body: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """Build it; `BadPacket` when the body is too long."""
        size = len(self.body)
        if size > MAX_BODY:
            raise BadPacket(f"a body of {size} bytes")
        length = bytearray()
        while size > 0x7F:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        length.append(size)
        return bytes((self.kind << 4 | self.flags,)) + bytes(length) + self.body


class PacketStream:
    """Cuts the bytes of one connection into packets; never holds more than one of the longest."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bytes:
        """The beginning of a packet that is not all there."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes, in pieces of any size, and return the packets they complete; raises `BadPacket`."""
        self._buffer += data
        packets = []
        while (whole := self._whole()) is not None:
            start, end = whole
            packets.append(Packet(_kind(self._buffer[0]), self._buffer[0] & 0x0F, bytes(self._buffer[start:end])))
            del self._buffer[:end]
        return packets

    def _whole(self) -> tuple[int, int] | None:
        """Where the body of the first packet lies; None while it is not all there."""
        size = 0
        for place, byte in enumerate(self._buffer[1 : 1 + MAX_LENGTH_BYTES]):
            size |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if size > MAX_BODY:
                    raise BadPacket(f"a body of {size} bytes")
                start = 2 + place
                return (start, start + size) if len(self._buffer) >= start + size else None
        if len(self._buffer) > MAX_LENGTH_BYTES:
            raise BadPacket("a length of more than four bytes")
        return None


def _kind(first: int) -> Kind:
    try:
        return Kind(first >> 4)
    except ValueError:
        raise BadPacket(f"packet type {first >> 4} is not simulated") from None


class Fields:
    """Reads the fields of a body in turn; `BadPacket` where it ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._position = 0

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._body) - self._position

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > self.left:
            raise BadPacket("a packet that ends too early")
        self._position += size
        return self._body[self._position - size : self._position]

    def byte(self) -> int:
        """A number of one byte."""
        return self.take(1)[0]

    def word(self) -> int:
        """A number of two bytes."""
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        """Bytes with their length in front."""
        return self.take(self.word())

    def text(self) -> str:
        """Text with its length in front."""
        try:
            return self.binary().decode("utf-8")
        except UnicodeDecodeError:
            raise BadPacket("a text that is no UTF-8") from None

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.take(self.left)


def text_field(text: str) -> bytes:
    """Text with its length in front."""
    data = text.encode("utf-8")
    return len(data).to_bytes(2, "big") + data


@dataclass(frozen=True, slots=True)
class Connect:
    """Who connects; `user` and `password` are None when they are not sent."""

    client_id: str
    user: str | None = None
    password: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, packet: Packet) -> Connect:
        """Read the body of CONNECT; a will is read over."""
        fields = Fields(packet.body)
        if (fields.text(), fields.byte()) != PROTOCOL:
            raise BadPacket("another protocol than MQTT 3.1.1")
        flags = fields.byte()
        fields.word()
        client_id = fields.text()
        if flags & 0x04:
            fields.text()
            fields.binary()
        user = fields.text() if flags & 0x80 else None
        return cls(client_id, user, fields.binary() if flags & 0x40 else None)


@dataclass(frozen=True, slots=True)
class Message:
    """An application message: topic, payload, quality of service (0 or 1), and whether it was retained."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False

    def packet(self, packet_id: int = 0) -> Packet:
        """The PUBLISH that carries it."""
        number = packet_id.to_bytes(2, "big") if self.qos else b""
        return Packet(Kind.PUBLISH, self.qos << 1 | self.retain, text_field(self.topic) + number + self.payload)

    @classmethod
    def of(cls, packet: Packet) -> tuple[Message, int]:
        """Read a PUBLISH; returns the message and its packet id, 0 at quality of service 0."""
        qos = packet.flags >> 1 & 3
        if qos > 1:
            raise BadPacket("quality of service 2 is not simulated")
        fields = Fields(packet.body)
        topic = fields.text()
        packet_id = fields.word() if qos else 0
        return cls(topic, fields.rest(), qos, bool(packet.flags & 1)), packet_id
