"""How it stands with each source now: the newest of the events that sources tell from their own threads."""

from __future__ import annotations

import threading

from fieldtool.sources.events import SourceEvent


class SourceBoard:
    """Hand `tell` to the sources and `newest` to the session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, SourceEvent] = {}

    def tell(self, event: SourceEvent) -> None:
        """Take an event of any source, from any thread."""
        with self._lock:
            self._newest[event.source] = event

    def newest(self) -> tuple[SourceEvent, ...]:
        """Return the newest event of each source, in the order in which they first told something."""
        with self._lock:
            return tuple(self._newest.values())
