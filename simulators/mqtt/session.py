"""One client of the broker, sans-IO: bytes in, answers and published messages out.

Not simulated: sessions that outlive their connection, wills, quality of service 2, and the end of clients that are
silent for longer than they promised.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from simulators.mqtt.packets import BadPacket, Connect, Fields, Kind, Message, Packet, PacketStream
from simulators.mqtt.topics import is_filter, matches

ACCEPTED: Final = 0
BAD_CREDENTIALS: Final = 4
NOT_AUTHORIZED: Final = 5
REFUSED_FILTER: Final = 0x80
HIGHEST_QOS: Final = 1
_FIRST_BYTE: Final = bytes((Kind.CONNECT << 4,))


def everything(topic_filter: str) -> bool:
    """Every filter may be subscribed to."""
    return True


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may connect and what they may hear; without `users` everybody may, with none that matches nobody."""

    users: Mapping[str, str] | None = field(default=None, repr=False)
    may_subscribe: Callable[[str], bool] = everything


class ClientSession:
    """The broker's end of one connection; `out` is what is to be sent, `over` that it is to be closed then."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._stream = PacketStream()
        self._connected = False
        self._packet_id = 0
        self.filters: dict[str, int] = {}
        self.out = bytearray()
        self.over = False

    def receive(self, data: bytes) -> list[Message]:
        """Take bytes from the client and return what it publishes; bytes that are no MQTT end the connection."""
        published: list[Message] = []
        try:
            for packet in self._stream.feed(data):
                if self.over:
                    break
                published.extend(self._take(packet))
        except BadPacket:
            self.over = True
        if not self._connected and self._stream.pending[:1] not in (b"", _FIRST_BYTE):
            # What speaks another protocol would else be waited for in vain.
            self.over = True
        return published

    def deliver(self, message: Message, *, retain: bool = False) -> bool:
        """Send a message if the client has subscribed to its topic; says whether it has."""
        granted = [qos for wanted, qos in self.filters.items() if matches(wanted, message.topic)]
        if not granted:
            return False
        qos = min(max(granted), message.qos)
        self._packet_id = self._packet_id % 0xFFFF + 1
        self._send(Message(message.topic, message.payload, qos, retain).packet(self._packet_id))
        return True

    def _take(self, packet: Packet) -> list[Message]:
        if self._connected is (packet.kind is Kind.CONNECT):
            raise BadPacket("CONNECT stands first, and only once")
        match packet.kind:
            case Kind.CONNECT:
                self._connect(Connect.of(packet))
            case Kind.PUBLISH:
                message, packet_id = Message.of(packet)
                if message.qos:
                    self._send(Packet(Kind.PUBACK, 0, packet_id.to_bytes(2, "big")))
                return [message]
            case Kind.SUBSCRIBE:
                self._subscribe(Fields(packet.body))
            case Kind.UNSUBSCRIBE:
                self._unsubscribe(Fields(packet.body))
            case Kind.PINGREQ:
                self._send(Packet(Kind.PINGRESP))
            case Kind.PUBACK:
                pass
            case _:
                self.over = True
        return []

    def _connect(self, who: Connect) -> None:
        code = self._refusal(who)
        self._send(Packet(Kind.CONNACK, 0, bytes((0, code))))
        self._connected = code == ACCEPTED
        self.over = not self._connected

    def _refusal(self, who: Connect) -> int:
        users = self._rules.users
        if users is None:
            return ACCEPTED
        if who.user is None:
            return NOT_AUTHORIZED
        fits = hmac.compare_digest(users.get(who.user, "").encode(), who.password or b"")
        return ACCEPTED if who.user in users and fits else BAD_CREDENTIALS

    def _subscribe(self, fields: Fields) -> None:
        answer = bytearray(fields.take(2))
        while fields.left:
            topic_filter, qos = fields.text(), fields.byte()
            if is_filter(topic_filter) and self._rules.may_subscribe(topic_filter):
                self.filters[topic_filter] = min(qos, HIGHEST_QOS)
                answer.append(self.filters[topic_filter])
            else:
                answer.append(REFUSED_FILTER)
        self._send(Packet(Kind.SUBACK, 0, bytes(answer)))

    def _unsubscribe(self, fields: Fields) -> None:
        packet_id = fields.take(2)
        while fields.left:
            self.filters.pop(fields.text(), None)
        self._send(Packet(Kind.UNSUBACK, 0, packet_id))

    def _send(self, packet: Packet) -> None:
        self.out += packet.to_bytes()
