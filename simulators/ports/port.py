"""A port that a simulated receiver or meter stands at: the device's own end of the cable.

Not simulated: modem lines, parity, and anything of USB. A port is used by one thread.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Final

READ_SIZE: Final = 4096
LARGEST_NUMBER: Final = 0xFFFF
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


def is_number(text: str) -> bool:
    """Whether a text can be the number of a TCP or UDP port; 0 stands for a free one."""
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= LARGEST_NUMBER
