"""Damage on a line, one piece after the other: after many of them the port is worth reopening."""

from __future__ import annotations

from typing import Final

from protocols.receivers.events import Damaged

DAMAGED_LIMIT: Final = 25
"""After so many damaged pieces in a row without a good one a session ends."""


class DamageRun:
    """The damaged pieces since the last good one; `what` they are called where it is said."""

    def __init__(self, what: str = "pieces") -> None:
        self._what = what
        self._length = 0

    def end(self) -> None:
        """Take a good piece."""
        self._length = 0

    def add(self, event: Damaged) -> str:
        """Take a damaged piece; return why the session ends, empty as long as it goes on."""
        self._length += 1
        if self._length < DAMAGED_LIMIT:
            return ""
        return f"{DAMAGED_LIMIT} damaged {self._what} in a row, the last: {event.reason}"
