"""What a simulated module says on its serial line: one piece after the other, as fast as the line is."""

from __future__ import annotations

from collections import deque
from typing import Final

BITS_A_BYTE: Final = 10
"""8N1: start bit, eight data bits, stop bit."""


class SerialLine:
    """The module's side of a line of `baud`; a piece is out when its last bit is. Seconds of any monotonic clock."""

    def __init__(self, baud: int) -> None:
        self._baud = baud
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._free_s = 0.0

    def say(self, data: bytes, at_s: float) -> None:
        """Begin to write a piece, at once or when the line is free."""
        self._free_s = max(at_s, self._free_s) + len(data) * BITS_A_BYTE / self._baud
        self._waiting.append((self._free_s, data))

    def due(self, now_s: float) -> list[bytes]:
        """Return the pieces that are out by now, in order."""
        pieces = []
        while self._waiting and self._waiting[0][0] <= now_s:
            pieces.append(self._waiting.popleft()[1])
        return pieces

    @property
    def next_due_s(self) -> float | None:
        """When the next piece is out, None when nothing waits."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def waiting(self) -> int:
        """How many pieces are not out yet."""
        return len(self._waiting)

    def clear(self) -> None:
        """Drop what waits, as when the module loses its power."""
        self._waiting.clear()
