"""What a simulated program writes its lines to: its standard output, or a named pipe."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from pathlib import Path
from typing import Final

from simulators.errors import PortError
from simulators.ports.port import Port

STANDARD_OUTPUT: Final = "-"


class StandardOutput(Port):
    """Standard output; what a reader that stands still has no room for is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._number = -1

    @property
    def address(self) -> str:
        return STANDARD_OUTPUT

    @property
    def scheme_suffix(self) -> str:
        return ""

    @property
    def plugged(self) -> bool:
        """False also when nobody reads any more."""
        return self._number >= 0

    def plug(self) -> None:
        try:
            self._number = sys.stdout.fileno()
        except (AttributeError, OSError, ValueError) as error:
            raise PortError("there is no standard output", "use a TCP port") from error

    def unplug(self) -> None:
        self._number = -1

    def read(self, timeout_s: float) -> bytes:
        return self._idle(timeout_s)

    def write(self, data: bytes) -> None:
        written = 0
        if self.plugged and _has_room(self._number):
            try:
                written = os.write(self._number, data)
            except BlockingIOError:
                pass
            except OSError:
                self.unplug()
        self.dropped += len(data) - written


class NamedPipe(Port):
    """A named pipe, made when there is none; its readers may come and go, and what nobody reads is dropped."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._number = -1
        self._plugged = self._is_made = False

    @property
    def address(self) -> str:
        return str(self._path)

    @property
    def scheme_suffix(self) -> str:
        return ""

    @property
    def plugged(self) -> bool:
        return self._plugged

    def plug(self) -> None:
        if sys.platform == "win32":
            raise PortError("there are no named pipes of this kind on Windows", "use a TCP port")
        try:
            if not self._path.exists():
                os.mkfifo(self._path)
                self._is_made = True
            is_pipe = stat.S_ISFIFO(self._path.stat().st_mode)
        except OSError as error:
            raise PortError(f"{self._path} cannot be made: {error.strerror}", "choose another place") from error
        if not is_pipe:
            raise PortError(f"{self._path} is there already, and is no named pipe", "choose another name")
        self._plugged = True

    def unplug(self) -> None:
        self._hang_up()
        self._plugged = False
        if self._is_made:
            self._is_made = False
            self._path.unlink(missing_ok=True)

    def read(self, timeout_s: float) -> bytes:
        return self._idle(timeout_s)

    def write(self, data: bytes) -> None:
        written = 0
        if self._plugged and self._has_reader():
            try:
                written = os.write(self._number, data)
            except BlockingIOError:
                pass
            except OSError:
                self._hang_up()
        self.dropped += len(data) - written

    def _has_reader(self) -> bool:
        if self._number >= 0:
            return True
        try:
            self._number = os.open(self._path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise PortError(f"{self._path} cannot be written: {error.strerror}", "choose another place") from error
            return False
        return True

    def _hang_up(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)


def _has_room(number: int) -> bool:
    """Whether a short write will not block; where that cannot be asked, it is tried."""
    return os.name != "posix" or bool(select.select([], [number], [], 0)[1])
