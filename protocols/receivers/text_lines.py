"""Lines of text from a serial port, as modules with AT-like commands write them, on both sides."""

from __future__ import annotations

from typing import Final

MAX_LINE: Final = 640
"""Longest line that is kept: 255 bytes in hex and the words around them."""

MAX_PACKET: Final = 255
"""Bytes of the longest LoRa packet."""

_PRINTABLE: Final = frozenset(range(0x20, 0x7F))


def to_line(text: str) -> bytes:
    """Return a command or an answer with its line end; `UnicodeError` when it is not ASCII."""
    return text.encode("ascii") + b"\r\n"


def packet_in(digits: str) -> bytes | None:
    """Return the LoRa packet that stands in a line in hex; None when there is none."""
    try:
        packet = bytes.fromhex(digits)
    except ValueError:
        return None
    return packet if 0 < len(packet) <= MAX_PACKET else None


class LineStream:
    """Cuts bytes into lines at CR or LF. Bytes that are no printable ASCII are noise of the line and left out.

    The buffer is bounded: of a line that is too long, the end is kept.
    """

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Take bytes, in pieces of any size, and return the lines that ended, none of them empty."""
        lines = []
        for byte in data:
            if byte in b"\r\n":
                if self._line:
                    lines.append(self._line.decode("ascii").strip())
                self._line.clear()
            elif byte in _PRINTABLE:
                if len(self._line) >= MAX_LINE:
                    del self._line[0]
                self._line.append(byte)
        return [line for line in lines if line]
