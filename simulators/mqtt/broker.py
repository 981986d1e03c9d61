"""The broker as the port of a simulated network server: each write is one PUBLISH, which all subscribers get.

Any number of clients may connect and publish to each other. With a TLS context they must speak TLS.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from simulators.errors import PortError
from simulators.mqtt.packets import Message, PacketStream
from simulators.mqtt.session import ClientSession, Rules
from simulators.ports.port import LOOPBACK, READ_SIZE, is_number
from simulators.ports.tcp_port import ListeningPort

DEFAULT_NUMBER: Final = 1883
MAX_WAITING: Final = 16
"""Clients that may wait to be let in."""

MAX_OUT: Final = 1 << 20
"""Bytes that may wait for a client that does not read; then it is hung up on."""

MAX_RETAINED: Final = 1000
_LATER: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(slots=True)
class _Client:
    """A connection and what is known of its client."""

    connection: socket.socket
    session: ClientSession


class BrokerPort(ListeningPort):
    """A TCP port of the loopback interface with a broker at it; number 0 takes a free one and keeps it."""

    def __init__(
        self,
        number: int = DEFAULT_NUMBER,
        host: str = LOOPBACK,
        *,
        rules: Rules | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(number, host, MAX_WAITING)
        self._rules = rules or Rules()
        self._tls = tls
        self._clients: dict[socket.socket, _Client] = {}
        self._retained: dict[str, Message] = {}

    @property
    def scheme_suffix(self) -> str:
        return ""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What clients have subscribed to."""
        return tuple(name for client in list(self._clients.values()) for name in client.session.filters)

    def read(self, timeout_s: float) -> bytes:
        """Serve the clients; a network server has nothing to read from its broker."""
        if self._selector is None:
            return self._idle(timeout_s)
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._clients:
                self._serve(self._clients[key.fileobj])
        for client in list(self._clients.values()):
            self._flush(client)
        return b""

    def write(self, data: bytes) -> None:
        for packet in PacketStream().feed(data):
            self._route(Message.of(packet)[0])

    def _route(self, message: Message) -> None:
        if message.retain and (message.topic in self._retained or len(self._retained) < MAX_RETAINED):
            self._retained[message.topic] = message
        delivered = [client for client in list(self._clients.values()) if client.session.deliver(message)]
        for client in delivered:
            self._flush(client)
        if not delivered:
            self.dropped += len(message.payload)

    def _hang_up_all(self) -> None:
        for client in list(self._clients.values()):
            self._hang_up(client)

    def _accept(self) -> None:
        connection = self._accepted()
        if connection is None or self._selector is None:
            return
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._clients[connection] = _Client(connection, ClientSession(self._rules))
        self._selector.register(connection, selectors.EVENT_READ)

    def _serve(self, client: _Client) -> None:
        session = client.session
        while not session.over:
            try:
                data = client.connection.recv(READ_SIZE)
            except _LATER:
                break
            except OSError:
                data = b""
            if not data:
                self._hang_up(client)
                return
            before = set(session.filters)
            for message in session.receive(data):
                self._route(message)
            self._hand_over_retained(session, before)

    def _hand_over_retained(self, session: ClientSession, before: set[str]) -> None:
        if set(session.filters) - before:
            for message in self._retained.values():
                session.deliver(message, retain=True)

    def _flush(self, client: _Client) -> None:
        out = client.session.out
        try:
            while out:
                del out[: client.connection.send(out)]
        except _LATER:
            if len(out) > MAX_OUT:
                self._hang_up(client)
            return
        except OSError:
            self._hang_up(client)
            return
        if client.session.over:
            self._hang_up(client)

    def _hang_up(self, client: _Client) -> None:
        if self._clients.pop(client.connection, None) is None:
            return
        if self._selector is not None:
            self._selector.unregister(client.connection)
        with contextlib.suppress(OSError):
            client.connection.close()


def parse_broker(number: str) -> BrokerPort:
    """Return the broker at a port number of this computer, 1883 where none is given; raises `PortError`."""
    if number and not is_number(number):
        raise PortError(f"no port {number!r}", "write mqtt:NUMBER with a number up to 65535")
    return BrokerPort(int(number or DEFAULT_NUMBER))
