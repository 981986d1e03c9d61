"""The only place that opens ports: a device path, `COM3`, `socket://host:port` or `rfc2217://host:port`."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import serial

from fieldtool.errors import PortBusy, PortDenied, PortGone, ReceiverError

_PLATFORM: Final[str] = sys.platform

READ_TIMEOUT_S = 0.1
"""How long a read waits: the pace at which a reader thread looks at its stop event."""

WRITE_TIMEOUT_S = 2.0

READ_LIMIT = 4096
"""Bytes after which a read returns although more are there."""

PARITY_NONE: Final = "N"
PARITY_EVEN: Final = "E"

EINVAL_RETRIES = 3
EINVAL_PAUSE_S = 0.05

_DENIED_HINTS: dict[str, str] = {
    "linux": "add yourself to the group that owns the port, `sudo usermod -aG dialout $USER`, and log in again; "
    'or give the stick a udev rule with TAG+="uaccess"',
    "darwin": "look at its owner with `ls -l`, and use the /dev/cu.* name of the port",
    "win32": "see in the Device Manager whether the port is there, and close the program that uses it",
}
_GONE_HINTS: dict[str, str] = {
    "linux": "plug the receiver in and look for its name with `fieldtool receivers list`",
    "darwin": "plug the receiver in and look for its name, /dev/cu.*, with `fieldtool receivers list`",
    "win32": "plug the receiver in and look for its COM number in the Device Manager",
}
_BUSY_HINT = "close the other program that uses the port, then try again"
_NETWORK_HINT = "check that the other side runs and that host and port are right"
_NETWORK_LOST_HINT = "check that the other side runs; most serve one listener at a time"
_LOST_HINT = "plug it in again"
_RFC2217 = "rfc2217://"
_NETWORK = ("socket://", _RFC2217)


class SerialPort:
    """An open port: bytes in, bytes out. Every method raises `OSError` when the port is gone."""

    def __init__(self, port: serial.Serial, target: str) -> None:
        self._port = port
        self.target = target

    def read(self) -> bytes:
        """Return what came within `READ_TIMEOUT_S`; empty when nothing did."""
        data = bytearray(self._port.read(1))
        # Over a socket `in_waiting` says only whether there is something, so ask until there is nothing.
        while data and len(data) < READ_LIMIT and (waiting := self._port.in_waiting):
            data += self._port.read(waiting)
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Send all bytes."""
        with _as_os_error():
            self._port.write(data)
            self._port.flush()

    def discard_input(self) -> None:
        """Forget what came and was not read."""
        with _as_os_error():
            self._port.reset_input_buffer()

    def set_parity(self, parity: str) -> None:
        """Go on with another parity, `N` or `E`; a pseudo terminal and a socket have none, and stay as they are."""
        if not is_pseudo_terminal(self.target) and not self.target.startswith("socket://"):
            with _as_os_error():
                self._port.parity = parity

    def close(self) -> None:
        """Close the port; closing it twice, or when it is gone, is no error."""
        connection = getattr(self._port, "_socket", None)
        with suppress(OSError):
            self._port.close()
        if connection is not None:
            # pyserial shuts a socket down first, and leaves it open when the other side has gone already.
            connection.close()


def open_port(
    target: str, baud: int, pause: Callable[[float], None] = time.sleep, *, parity: str = PARITY_NONE
) -> SerialPort:
    """Open a port with eight bits, `parity` and one stop bit at `baud`, exclusively; a pseudo terminal has no parity.

    Raises `PortBusy`, `PortDenied`, `PortGone`, or `ReceiverError` for anything else that the system says.
    """
    exclusive = True if sys.platform != "win32" and not is_network(target) else None
    parity = PARITY_NONE if is_pseudo_terminal(target) else parity
    for attempt in range(EINVAL_RETRIES):
        try:
            port = serial.serial_for_url(
                target,
                baudrate=baud,
                parity=parity,
                timeout=READ_TIMEOUT_S,
                # The library knows no such limit behind RFC 2217, and refuses to open a port with one.
                write_timeout=None if target.startswith(_RFC2217) else WRITE_TIMEOUT_S,
                exclusive=exclusive,
            )
        except (OSError, ValueError) as error:
            raise _port_error(target, error) from error
        except _terminal_errors() as error:
            # A pseudo terminal answers EINVAL when the settings are those that it already has.
            if attempt + 1 == EINVAL_RETRIES:
                raise ReceiverError(
                    f"{target} refuses the settings {baud} 8{parity}1", "check that this is the port of the receiver"
                ) from error
            pause(EINVAL_PAUSE_S)
        else:
            return SerialPort(port, target)
    raise AssertionError("unreachable: the last attempt returns or raises")


def is_pseudo_terminal(target: str) -> bool:
    """Whether a path leads to a pseudo terminal of Linux, which answers EINVAL to a parity that it cannot keep."""
    return os.path.realpath(target).startswith("/dev/pts/")


def is_network(target: str) -> bool:
    """Whether a port is reached over the network."""
    return target.startswith(_NETWORK)


def lost_hint(target: str) -> str:
    """Return what to do when the connection to a port is lost."""
    return _NETWORK_LOST_HINT if is_network(target) else _LOST_HINT


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Draining or setting a terminal that is gone fails with an exception that is no OSError: make it one."""
    try:
        yield
    except _terminal_errors() as error:
        raise OSError(*error.args) from error
    except ValueError as error:
        raise OSError("the serial server refuses the setting") from error


def _terminal_errors() -> tuple[type[Exception], ...]:
    """The exception of tcsetattr and tcdrain, which is no OSError; Windows has none."""
    if sys.platform == "win32":
        return ()
    import termios

    return (termios.error,)


def _port_error(target: str, error: OSError | ValueError) -> ReceiverError:
    """Tell what an operating system means; pyserial keeps the cause in errno, in the context, or in the text only."""
    number = getattr(error, "errno", None) or getattr(error.__context__, "errno", None)
    text = str(error)
    if number in (errno.EACCES, errno.EPERM):
        return PortDenied(f"{target}: the system does not let you open this port", _hint(_DENIED_HINTS))
    if number in (errno.EAGAIN, errno.EBUSY) or "PermissionError" in text:
        return PortBusy(f"{target} is in use by another program", _BUSY_HINT)
    if is_network(target):
        return PortGone(f"{target}: nobody answers there", _NETWORK_HINT)
    if number in (errno.ENOTTY, errno.EISDIR) or _is_no_terminal(error):
        return ReceiverError(f"{target} is not a serial port", _hint(_GONE_HINTS))
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR) or "FileNotFoundError" in text:
        return PortGone(f"{target} does not exist", _hint(_GONE_HINTS))
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return ReceiverError(f"{target} cannot be opened as a serial port ({reason})", _hint(_GONE_HINTS))


def _is_no_terminal(error: OSError | ValueError) -> bool:
    """Whether the settings of a serial port were refused: files and /dev/null can be opened, but have none."""
    cause = error.__context__
    return isinstance(cause, _terminal_errors()) and cause.args[:1] == (errno.ENOTTY,)


def _hint(hints: dict[str, str]) -> str:
    return hints.get(_PLATFORM, hints["linux"])


@dataclass(frozen=True, slots=True)
class PortDescription:
    """A serial port of this machine; `usb_id` is vendor and product, None for ports that are not on USB.

    The rest is what the device on USB says of itself, empty where it says nothing or the system does not tell.
    """

    path: str
    description: str
    usb_id: tuple[int, int] | None
    product: str = ""
    manufacturer: str = ""
    serial_number: str = ""
    interface: str = ""


def usb_text(usb_id: tuple[int, int]) -> str:
    """Return vendor and product as they are usually written: `10c4:ea60`."""
    return "{:04x}:{:04x}".format(*usb_id)


def list_ports() -> list[PortDescription]:
    """Return the serial ports of this machine by name."""
    from serial.tools.list_ports import comports

    return [
        PortDescription(
            port.device,
            port.description or "",
            None if port.vid is None or port.pid is None else (port.vid, port.pid),
            port.product or "",
            port.manufacturer or "",
            port.serial_number or "",
            port.interface or "",
        )
        for port in sorted(comports())
    ]
