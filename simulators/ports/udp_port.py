"""A UDP socket as the port of a simulated gateway: each write is a datagram to its server, each read one from it."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Final

from simulators.errors import PortError
from simulators.ports.port import LOOPBACK, READ_SIZE, Port, is_number

DEFAULT_NUMBER: Final = 1700


class UdpPort(Port):
    """Sends to one server, which need not be there: datagrams that nobody takes are lost."""

    def __init__(self, number: int = DEFAULT_NUMBER, host: str = LOOPBACK) -> None:
        super().__init__()
        self._host = host
        self._number = number
        self._socket: socket.socket | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self._number}"

    @property
    def scheme_suffix(self) -> str:
        return ""

    @property
    def plugged(self) -> bool:
        return self._socket is not None

    def plug(self) -> None:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            client.connect((self._host, self._number))
        except OSError as error:
            client.close()
            raise PortError(f"cannot send to {self.address}: {error.strerror}", "choose another address") from error
        client.setblocking(False)
        self._socket = client

    def unplug(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def read(self, timeout_s: float) -> bytes:
        if self._socket is None:
            return self._idle(timeout_s)
        if select.select([self._socket], [], [], timeout_s)[0]:
            # A server that is not there makes the system refuse, which a gateway does not mind.
            with contextlib.suppress(OSError):
                return self._socket.recv(READ_SIZE)
        return b""

    def write(self, data: bytes) -> None:
        try:
            written = 0 if self._socket is None else self._socket.send(data)
        except OSError:
            written = 0
        self.dropped += len(data) - written


def parse_udp(text: str) -> UdpPort:
    """Return the port to a server that `HOST:NUMBER`, `NUMBER` or nothing names; raises `PortError`."""
    host, _, number = text.rpartition(":")
    if number and not (is_number(number) and int(number)):
        raise PortError(f"no port {text!r}", "write udp:HOST:NUMBER with a number up to 65535")
    return UdpPort(int(number or DEFAULT_NUMBER), host or LOOPBACK)
