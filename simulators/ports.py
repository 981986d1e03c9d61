"""Ports that a simulated receiver stands at: a pseudo terminal or a TCP port, as the receiver's own end of the cable.

Not simulated: modem lines, parity, and anything of USB. A port is used by one thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import socket
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from simulators.errors import PortError

READ_SIZE: Final = 4096
ABANDONED_S: Final = 2.0
"""Bytes that lie unread in a pseudo terminal for so long have no reader; a real cable would have lost them at once."""

LOOPBACK: Final = "127.0.0.1"


class Port(ABC):
    """The device's end of a serial line. Bytes that nobody takes are dropped and counted, as on a real cable."""

    def __init__(self) -> None:
        self.dropped = 0

    @property
    @abstractmethod
    def address(self) -> str:
        """Where a host connects, as it stands in a receiver's URL."""

    @property
    @abstractmethod
    def scheme_suffix(self) -> str:
        """What stands behind the kind in a receiver's URL: nothing, or `+socket`."""

    @property
    @abstractmethod
    def plugged(self) -> bool:
        """Whether a host can use the port."""

    @abstractmethod
    def plug(self) -> None:
        """Open the port; raises `PortError`."""

    @abstractmethod
    def unplug(self) -> None:
        """Take the port away from under whoever uses it."""

    @abstractmethod
    def read(self, timeout_s: float) -> bytes:
        """Wait for bytes from the host; empty when there are none."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Hand bytes to the host."""

    @staticmethod
    def _idle(timeout_s: float) -> bytes:
        time.sleep(timeout_s)
        return b""


class PtyPort(Port):
    """A pseudo terminal, on Linux and macOS.

    Its speed is set to the device's, so that a program that never sets one is heard; one that sets another is not,
    as on a real line. With `link` a symbolic link of that path follows the terminal over unplugging.
    """

    def __init__(self, baud: int, link: Path | None = None, abandoned_s: float = ABANDONED_S) -> None:
        super().__init__()
        self._baud = baud
        self._link = link
        self._abandoned_s = abandoned_s
        self._master = self._slave = -1
        self._name = ""
        self._unread: tuple[int, float] = (0, 0.0)

    @property
    def address(self) -> str:
        return str(self._link or self._name)

    @property
    def scheme_suffix(self) -> str:
        return ""

    @property
    def plugged(self) -> bool:
        return self._master >= 0

    def plug(self) -> None:
        try:
            import tty
        except ImportError as error:
            raise PortError("there are no pseudo terminals on this system", "use a TCP port") from error
        try:
            self._master, self._slave = os.openpty()
            # Raw before anything else: an echoing terminal would feed the device its own bytes.
            tty.setraw(self._slave)
            self._set_speed()
            os.set_blocking(self._master, False)
            self._name = os.ttyname(self._slave)
            if self._link is not None:
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(self._name)
        except OSError as error:
            self.unplug()
            raise PortError(f"cannot open a pseudo terminal: {error.strerror}", "use a TCP port") from error

    def unplug(self) -> None:
        # The slave is kept open until here: else a host that closes and opens again would hang up the master.
        for descriptor in (self._slave, self._master):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self._slave = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def read(self, timeout_s: float) -> bytes:
        if not self.plugged:
            return self._idle(timeout_s)
        ready, _, _ = select.select([self._master], [], [], timeout_s)
        if not ready:
            self._forget_abandoned()
            return b""
        try:
            data = os.read(self._master, READ_SIZE)
        except OSError:
            return b""
        return data if self._speed_fits() else b""

    def write(self, data: bytes) -> None:
        if not self.plugged:
            self.dropped += len(data)
            return
        self._forget_abandoned()
        written = 0
        with contextlib.suppress(BlockingIOError):
            written = os.write(self._master, data)
        self.dropped += len(data) - written

    def _set_speed(self) -> None:
        import termios

        speed = getattr(termios, f"B{self._baud}")
        attributes = termios.tcgetattr(self._slave)
        attributes[4] = attributes[5] = speed
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)

    def _speed_fits(self) -> bool:
        import termios

        return bool(termios.tcgetattr(self._slave)[5] == getattr(termios, f"B{self._baud}"))

    def _forget_abandoned(self) -> None:
        """Drop what no host reads, so that the next one does not find telegrams of long ago."""
        import fcntl
        import termios

        unread = int.from_bytes(fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)), sys.byteorder)
        now_s = time.monotonic()
        if not unread or unread < self._unread[0]:
            self._unread = (unread, now_s)
        elif now_s - self._unread[1] > self._abandoned_s:
            termios.tcflush(self._slave, termios.TCIFLUSH)
            self.dropped += unread
            self._unread = (0, now_s)
        else:
            self._unread = (unread, self._unread[1])


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
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                # Elsewhere this option would let two programs share the port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._number))
            listener.listen(4)
        except OSError as error:
            listener.close()
            what = f"cannot listen at {self.address}: {error.strerror}"
            raise PortError(what, "choose another port number") from error
        listener.setblocking(False)
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


def best_port() -> str:
    """Return the kind of port that a simulated stick stands at best: a pseudo terminal where there are any."""
    return "pty" if hasattr(os, "openpty") else "tcp"


def open_port(at: str, baud: int, link: Path | None = None) -> Port:
    """Return the port, not yet plugged, that a text names; raises `PortError`.

    `pty`, `tcp`, `tcp:NUMBER`, `udp:HOST:NUMBER`, or `mqtt:NUMBER`, which is a broker.
    """
    kind, _, number = at.partition(":")
    if kind == "pty" and not number:
        return PtyPort(baud, link)
    if kind == "tcp" and (not number or (number.isascii() and number.isdigit() and int(number) <= 0xFFFF)):
        return TcpPort(int(number or "0"))
    if kind == "udp":
        from simulators.udp_port import parse_udp

        return parse_udp(number)
    if kind == "mqtt":
        from simulators.mqtt.broker import parse_broker

        return parse_broker(number)
    raise PortError(f"no port {at!r}", "write pty, tcp, tcp:NUMBER, udp:HOST:NUMBER or mqtt:NUMBER, up to 65535")
