"""A capture file as a source: its frames one after the other, as fast as they are taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from fieldtool.errors import InputError
from fieldtool.replay import open_capture
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.url import ReceiverUrl
from protocols.captures.model import LINE, BadLine, CaptureItem
from protocols.plural import counted

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
        if self._path.is_dir():
            raise InputError(f"{self._path} is a folder", "name a capture in it")
        if not self._path.exists():
            raise InputError(f"{self._path}: there is no such file", "check the name")
        items = open_capture(self._path)
        # A file tells by its beginning whether it is a capture at all; a pipe may have nothing to tell yet.
        first = tuple(islice(items, 1)) if self._path.is_file() else ()
        self._thread = threading.Thread(
            target=self._run, args=(chain(first, items), frames, tell), name=f"file-{self.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, items: Iterable[CaptureItem], frames: FrameQueue, tell: Tell) -> None:
        tell(SourceEvent(self.name, SourceState.CONNECTED, f"reading {self._path}", self._now()))
        bad, unit = 0, LINE
        try:
            for item in items:
                if isinstance(item, BadLine):
                    bad, unit = bad + 1, item.unit
                    continue
                while not self._stop.is_set() and not frames.put_when_free(item.frame, PUT_PATIENCE_S):
                    pass
                if self._stop.is_set():
                    return
        except InputError as error:
            tell(SourceEvent(self.name, SourceState.FAILED, error.message, self._now(), error.hint, final=True))
            return
        detail = f"end of {self._path}" + (f"; {counted(bad, unit)} held no telegram" if bad else "")
        tell(SourceEvent(self.name, SourceState.ENDED, detail, self._now()))


def open_source(url: ReceiverUrl, now: Callable[[], datetime]) -> FileSource:
    """Return the source of a `file:` URL."""
    return FileSource(Path(url.target), now)
