"""Ctrl-C where a line is being written that must be whole: it waits until somebody looks."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

LONG_S: Final = 1.0
"""Somebody who presses twice in a hurry is to get all lines; who waits for longer is not read any more."""


class CtrlC:
    """Holds Ctrl-C, and requests to terminate, back; one that finds another waiting for long ends the program as ever.

    `let_through` is for what can be interrupted; there they are raised at once. Only the main thread is interrupted.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._open = False
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}

    @property
    def waits(self) -> bool:
        """Whether one has come that nobody was interrupted by."""
        return self._since is not None

    def __enter__(self) -> CtrlC:
        """Hold them back from now on; what is ignored stays ignored."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._came)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave everything as it was found."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """Let them interrupt the body."""
        self._open = True
        try:
            yield
        finally:
            self._open = False

    def _came(self, number: int, frame: FrameType | None) -> None:
        if self._open or (self._since is not None and time.monotonic() - self._since > LONG_S):
            self._before[number](number, frame)
        if self._since is None:
            self._since = time.monotonic()
