"""Ctrl-C where a line is being written that must be whole: it waits until somebody looks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class CtrlC:
    """Holds Ctrl-C, and requests to terminate, back; a second one that would wait ends the program as ever.

    `let_through` is for what can be interrupted; there they are raised at once. Only the main thread is interrupted.
    """

    def __init__(self) -> None:
        self.waits = False
        self._open = False
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}

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
        if self._open or self.waits:
            self._before[number](number, frame)
        self.waits = True
