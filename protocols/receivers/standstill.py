"""For how long nothing has come over a line, as far as a session is told the time."""

from __future__ import annotations


class Standstill:
    """The time without a sign of life; it is counted from the first `seconds` behind the last one."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def end(self) -> None:
        """Take a sign of life, or count anew."""
        self._since_s = None

    def seconds(self, now_s: float) -> float:
        """Return for how long there has been none."""
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s
