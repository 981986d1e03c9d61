"""What a host has asked of a receiver and waits for: sent again when its time is over, and given up in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.receivers.events import HostEvent, Send

LINE_END: Final = b"\r\n"
"""What a probe in binary that nothing answers is ended with.

A receiver that takes lines of text has begun one with it; its next command would be a part of that line.
"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request waits for its response, and how often it is sent."""

    deadline_s: float = 0.5
    attempts: int = 3

    @property
    def total_s(self) -> float:
        """How long a request waits altogether."""
        return self.deadline_s * self.attempts


class OpenRequest:
    """The one request of a session that is not answered yet, if any; `attempt` counts from 1."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.attempt = 0
        self._data = b""
        self._deadline_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._data)

    def ask(self, data: bytes, patience: Patience | None = None) -> Send:
        """Open a request in place of any other; its time begins with the next `tick`."""
        self.patience = patience or self.patience
        self._data, self.attempt, self._deadline_s = data, 1, None
        return Send(data)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._data, self._deadline_s = b"", None

    def postpone(self) -> None:
        """Take an answer that asks for patience: the request is sent again when its time is over, and counted anew."""
        self.attempt = 1

    def tick(self, now_s: float, give_up: Callable[[], list[HostEvent]]) -> list[HostEvent]:
        """Repeat the request when its time is over, as often as patience allows; then what `give_up` says of it."""
        if not self._data:
            return []
        if self._deadline_s is None:
            self._deadline_s = now_s + self.patience.deadline_s
            return []
        if now_s < self._deadline_s:
            return []
        self._deadline_s = now_s + self.patience.deadline_s
        if self.attempt >= self.patience.attempts:
            return give_up()
        self.attempt += 1
        return [Send(self._data)]
