"""A pseudo terminal as the port of a simulated device, where the system has them."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from pathlib import Path
from typing import Final

from simulators.errors import PortError
from simulators.ports.port import READ_SIZE, Port

ABANDONED_S: Final = 2.0
"""Bytes that lie unread in a pseudo terminal for so long have no reader; a real cable would have lost them at once."""


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
