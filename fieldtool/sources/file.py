"""A capture file as a source: its frames one after the other, as fast as they are taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fieldtool.errors import InputError
from fieldtool.replay import open_capture
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.url import ReceiverUrl
from protocols.captures.model import BadLine

PUT_PATIENCE_S = 0.1
JOIN_S = 2.0


class FileSource:
    """Reads a capture in a thread of its own; a full queue makes it wait, nothing is dropped."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self._path)

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Open the file, which may raise `InputError`, and begin to read it."""
        if not self._path.is_file():
            raise InputError(f"{self._path}: there is no such file", "check the name")
        self._thread = threading.Thread(target=self._run, args=(frames, tell), name=f"file-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, frames: FrameQueue, tell: Tell) -> None:
        tell(SourceEvent(self.name, SourceState.CONNECTED, f"reading {self._path}", self._now()))
        bad = 0
        try:
            for item in open_capture(self._path):
                if isinstance(item, BadLine):
                    bad += 1
                    continue
                while not self._stop.is_set() and not frames.put_when_free(item.frame, PUT_PATIENCE_S):
                    pass
                if self._stop.is_set():
                    return
        except InputError as error:
            tell(SourceEvent(self.name, SourceState.FAILED, error.message, self._now(), error.hint))
            return
        detail = f"end of {self._path}" + (f"; {bad} lines held no telegram" if bad else "")
        tell(SourceEvent(self.name, SourceState.ENDED, detail, self._now()))


def open_source(url: ReceiverUrl, now: Callable[[], datetime]) -> FileSource:
    """Return the source of a `file:` URL."""
    return FileSource(Path(url.target), now)
