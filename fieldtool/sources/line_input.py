"""Where lines of other programs come from: standard input, a file, a named pipe, a TCP server."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Final

from fieldtool.errors import InputError, PortDenied, PortGone, ReceiverError, UsageError
from fieldtool.sources.serial_port import READ_TIMEOUT_S, lost_hint

READ_SIZE: Final = 1 << 16
CONNECT_S: Final = 5.0
STANDARD_INPUT: Final = ("-", "/dev/stdin")
_OWN_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
"""Where a shell shows the output of a command as a file: its writer never comes back."""

_CAN_WAIT: Final = os.name == "posix"
"""Elsewhere a read of a pipe cannot be given a time limit."""


class Ended(Exception):
    """Nothing more comes, for now or for good: what happened, and what to do."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint


class LineInput(ABC):
    """Bytes from somewhere; used by one thread once it is open.

    `lasting` says that its end is one for now: it is to be opened again. `on_this_computer` says that the program that
    writes runs here, `can_wait` that it waits when nobody reads.
    """

    lasting: ClassVar[bool] = False
    on_this_computer: ClassVar[bool] = True
    can_wait: ClassVar[bool] = True
    interruptible: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def open(self) -> None:
        """Open it, or open it again; raises `FieldToolError`."""

    @abstractmethod
    def read(self) -> bytes | None:
        """Return what came within `READ_TIMEOUT_S`, empty when nothing did, None when nobody is there to write.

        Raises `Ended`.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it; closing it twice is no error."""


class DescriptorInput(LineInput):
    """What is read by a file descriptor; `ended` is said at its end. `blocks` says that a read waits for bytes."""

    blocks: ClassVar[bool] = False

    def __init__(self, name: str, ended: str) -> None:
        super().__init__(name)
        self._ended = ended
        self._number = -1

    def read(self) -> bytes | None:
        data = _read(self._number, blocks=self.blocks)
        if data is None:
            return b""
        if not data:
            raise Ended(self._ended)
        return data

    def close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)


class StandardInput(DescriptorInput):
    """What is piped into this program."""

    blocks = True
    interruptible = _CAN_WAIT

    def __init__(self, example: str) -> None:
        super().__init__("standard input", "standard input has ended")
        self._example = example

    def open(self) -> None:
        if self._number < 0:
            self.hold()

    def hold(self) -> None:
        """Keep what is standard input now, whatever becomes standard input later; raises `UsageError`."""
        try:
            number = sys.stdin.fileno()
            is_terminal = os.isatty(number)
            self._number = os.dup(number)
        except (AttributeError, OSError, ValueError) as error:
            raise UsageError("there is no standard input", f"as in: {self._example}") from error
        if is_terminal:
            self.close()
            what = "the standard input is the keyboard; the lines of a program should come there"
            raise UsageError(what, f"as in: {self._example}")


class FileInput(DescriptorInput):
    """A file of lines, read once, or the output of a command that a shell shows as a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), f"end of {path}")
        self._path = path

    def open(self) -> None:
        self._number = _open(self._path)


class PipeInput(FileInput):
    """A named pipe, whose writers may come and go."""

    lasting = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._was_written = False

    def open(self) -> None:
        # The old end is closed afterwards: a writer that came in the meantime must not lose its reader.
        number = _open(self._path)
        self.close()
        self._number = number
        self._was_written = False

    def read(self) -> bytes | None:
        data = _read(self._number)
        if data is None:
            return b""
        if data:
            self._was_written = True
            return data
        if self._was_written:
            raise Ended(f"{self._path}: the program that wrote there has ended", "start it again")
        if not self._is_still_there():
            raise Ended(f"{self._path} was removed", "make it again with mkfifo")
        return None

    def _is_still_there(self) -> bool:
        """Whether a writer that opens the path reaches this reader."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._number))
        except OSError:
            return False


class NetworkInput(LineInput):
    """A TCP server that sends lines to whoever connects."""

    lasting = True
    on_this_computer = False
    can_wait = False

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        self._place = (host, port)
        self._socket: socket.socket | None = None

    def open(self) -> None:
        self.close()
        try:
            self._socket = socket.create_connection(self._place, CONNECT_S)
        except OSError as error:
            raise self._refused(error) from error
        self._socket.settimeout(READ_TIMEOUT_S)
        # Without it, a server that lost its power would never be missed.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def read(self) -> bytes | None:
        if self._socket is None:
            return None
        try:
            data = self._socket.recv(READ_SIZE)
        except TimeoutError as error:
            if error.errno == errno.ETIMEDOUT:
                raise self._lost(error.strerror) from error
            return b""
        except OSError as error:
            raise self._lost(error.strerror) from error
        if not data:
            raise self._lost("the other side closed it")
        return data

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _lost(self, reason: str | None) -> Ended:
        why = reason or "no reason given"
        return Ended(f"{self.name}: the connection was lost ({why})", lost_hint("socket://"))

    def _refused(self, error: OSError) -> ReceiverError:
        if isinstance(error, socket.gaierror):
            return PortGone(f"{self._place[0]}: no computer has this name", "check the address, and the network")
        if isinstance(error, TimeoutError):
            what = f"{self.name}: no answer within {CONNECT_S:g} s"
            return PortGone(what, "check the address, and firewalls on the way")
        return PortGone(f"{self.name}: nobody answers there", "check that the server of lines runs, and its port")


def input_of(target: str, example: str) -> LineInput:
    """Return what a path names: standard input, a file, a named pipe; raises `FieldToolError`."""
    if target in STANDARD_INPUT:
        return StandardInput(example)
    path = Path(target)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _no_file(path, error) from error
    if stat.S_ISFIFO(mode):
        return FileInput(path) if target.startswith(_OWN_DESCRIPTORS) else PipeInput(path)
    if stat.S_ISREG(mode):
        return FileInput(path)
    what = "a folder" if stat.S_ISDIR(mode) else "neither a file nor a named pipe"
    raise InputError(f"{path} is {what}", "name a file of lines, a named pipe (mkfifo), or - for standard input")


def _open(path: Path) -> int:
    """Open for reading; a named pipe at once, whether or not somebody writes."""
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _no_file(path, error) from error


def _read(number: int, *, blocks: bool = False) -> bytes | None:
    """Return what came within `READ_TIMEOUT_S`, None when nothing did, empty at the end.

    `blocks` says that a read of it waits for bytes.
    """
    try:
        # That a named pipe's only writer has gone is not always worth waking up for: what never blocks is read anyway.
        if _CAN_WAIT and not select.select([number], [], [], READ_TIMEOUT_S)[0] and blocks:
            return None
        return os.read(number, READ_SIZE)
    except BlockingIOError:
        return None


def _no_file(path: Path, error: OSError | ValueError) -> ReceiverError | InputError:
    if isinstance(error, PermissionError):
        return PortDenied(f"{path}: the system does not let you read it", "change its permissions")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: there is no such file or pipe", "check the name; mkfifo makes a named pipe")
    return InputError(f"{path} cannot be read", "check the name")
