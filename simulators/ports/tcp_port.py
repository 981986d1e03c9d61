"""A TCP port as the port of a simulated device: what stands behind a serial server."""

from __future__ import annotations

import os
import selectors
import socket
from typing import Final

from simulators.errors import PortError
from simulators.ports.port import LOOPBACK, READ_SIZE, Port

MAX_WAITING: Final = 4
"""Hosts that may wait to be turned away."""


class TcpPort(Port):
    """A TCP port on the loopback interface: one host at a time, which may come and go.

    Number 0 takes a free port and keeps it over unplugging.
    """

    def __init__(self, number: int = 0, host: str = LOOPBACK) -> None:
        super().__init__()
        self._host = host
        self._number = number
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self._number}"

    @property
    def scheme_suffix(self) -> str:
        return "+socket"

    @property
    def plugged(self) -> bool:
        return self._listener is not None

    def plug(self) -> None:
        listener = listening_socket(self._host, self._number, MAX_WAITING)
        self._number = listener.getsockname()[1]
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def unplug(self) -> None:
        self._hang_up()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._selector is not None:
            self._selector.close()
            self._selector = None

    def read(self, timeout_s: float) -> bytes:
        if self._selector is None:
            return self._idle(timeout_s)
        data = b""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._accept()
            else:
                data = self._receive()
        return data

    def write(self, data: bytes) -> None:
        written = 0
        if self._peer is not None:
            try:
                written = self._peer.send(data)
            except BlockingIOError:
                pass
            except OSError:
                self._hang_up()
        self.dropped += len(data) - written

    def _accept(self) -> None:
        if self._listener is None or self._selector is None:
            return
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        if self._peer is not None:
            peer.close()
            return
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = peer
        self._selector.register(peer, selectors.EVENT_READ)

    def _receive(self) -> bytes:
        if self._peer is None:
            return b""
        try:
            data = self._peer.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def _hang_up(self) -> None:
        if self._peer is not None:
            if self._selector is not None:
                self._selector.unregister(self._peer)
            self._peer.close()
            self._peer = None


def listening_socket(host: str, number: int, waiting: int) -> socket.socket:
    """Return a socket that listens and never waits, with room for so many that wait; raises `PortError`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Elsewhere this option would let two programs share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))
        listener.listen(waiting)
    except OSError as error:
        listener.close()
        what = f"cannot listen at {host}:{number}: {error.strerror}"
        raise PortError(what, "choose another port number, or end the program that listens there") from error
    listener.setblocking(False)
    return listener
