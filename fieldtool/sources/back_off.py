"""Pauses between attempts to reach again what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PORT_PAUSES_S: Final = (0.2, 0.4, 0.8, 1.5)
"""For what is near, and may be back at any moment: a port, a pipe, a server of lines."""


class BackOff:
    """Gives one pause after the other; the last one repeats, until `begin_anew`."""

    def __init__(self, pauses_s: Sequence[float]) -> None:
        self._pauses_s = tuple(pauses_s)
        self._attempt = 0

    def next_s(self) -> float:
        """Return how long to wait before the next attempt."""
        pause_s = self._pauses_s[min(self._attempt, len(self._pauses_s) - 1)]
        self._attempt += 1
        return pause_s

    def begin_anew(self) -> None:
        """Begin with the shortest pause: what was lost was there again."""
        self._attempt = 0
