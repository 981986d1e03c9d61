"""A TCP port as the port of a simulated device: what stands behind a serial server."""

from __future__ import annotations

import os
import selectors
import socket
from abc import abstractmethod
from typing import Final

from simulators.errors import PortError
from simulators.ports.port import LOOPBACK, READ_SIZE, Port

MAX_WAITING: Final = 4
"""Hosts that may wait to be turned away."""


class ListeningPort(Port):
    """A TCP port of this computer that hosts connect to; number 0 takes a free one and keeps it over unplugging.

    Subclasses read from the selector, in which the listener is while the port is plugged, and hang up when it is not.
    """

    def __init__(self, number: int, host: str, waiting: int) -> None:
        super().__init__()
        self._host = host
        self._number = number
        self._waiting = waiting
        self._listener: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self._number}"

    @property
    def plugged(self) -> bool:
        return self._listener is not None

    def plug(self) -> None:
        listener = listening_socket(self._host, self._number, self._waiting)
        self._number = listener.getsockname()[1]
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def unplug(self) -> None:
        self._hang_up_all()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._selector is not None:
            self._selector.close()
            self._selector = None

    @abstractmethod
    def _hang_up_all(self) -> None:
        """Close every connection."""

    def _accepted(self) -> socket.socket | None:
        """A new connection, which never waits; None when there is none after all."""
        if self._listener is None:
            return None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return None
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class TcpPort(ListeningPort):
    """A TCP port on the loopback interface: one host at a time, which may come and go."""

    def __init__(self, number: int = 0, host: str = LOOPBACK) -> None:
        super().__init__(number, host, MAX_WAITING)
        self._peer: socket.socket | None = None

    @property
    def scheme_suffix(self) -> str:
        return "+socket"

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
        peer = self._accepted()
        if peer is None or self._selector is None:
            return
        if self._peer is not None:
            peer.close()
            return
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

    def _hang_up_all(self) -> None:
        self._hang_up()

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
