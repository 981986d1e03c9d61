"""The terminal as the screens write to it: a slow one is waited for, one that is gone ends the program in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import IO, Any, cast

from textual.app import App
from textual.driver import Driver

_LONG_S = 0.05
"""A terminal that takes longer is slow: it has buffers to empty before a key's answer is seen."""


class TerminalOutput:
    """The file of a terminal, written by one thread.

    What cannot be written any more because the terminal was closed goes nowhere: an error would end the thread that
    writes, and the screens would wait for it forever. `gone` is called once, in that thread.
    """

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        self._file = file
        self._gone = gone
        self._writing = threading.Event()
        self._rests_until = 0.0
        self._is_gone = False

    @property
    def is_behind(self) -> bool:
        """Whether the terminal has not yet taken what was written, or has taken long and is given as long a rest."""
        return self._writing.is_set() or monotonic() < self._rests_until

    def write(self, text: str) -> None:
        """Write, and wait for a slow terminal."""
        self._do(lambda: self._file.write(text))

    def flush(self) -> None:
        """Hand over what was written."""
        self._do(self._file.flush)

    def fileno(self) -> int:
        """The terminal's file number."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._file.isatty()

    def _do(self, work: Callable[[], object]) -> None:
        if self._is_gone:
            return
        self._writing.set()
        began = monotonic()
        try:
            work()
        except (OSError, ValueError):
            self._is_gone = True
            self._gone()
        finally:
            ended = monotonic()
            if ended - began > _LONG_S:
                self._rests_until = ended + (ended - began)
            self._writing.clear()


def patient(driver: type[Driver]) -> type[Driver]:
    """Return a driver that writes to its terminal through a `TerminalOutput`."""

    def begin(self: Any, app: App[Any], **options: Any) -> None:  # noqa: ANN401 - Textual's own driver of any platform
        driver.__init__(self, app, **options)
        loop = asyncio.get_running_loop()
        if (file := getattr(self, "_file", None)) is not None:  # Textual's driver for browsers has none
            self._file = TerminalOutput(file, lambda: _leave(loop, app))

    return cast("type[Driver]", type(f"Patient{driver.__name__}", (driver,), {"__init__": begin}))


def _leave(loop: asyncio.AbstractEventLoop, app: App[Any]) -> None:
    """End the program from another thread; one that has ended meanwhile is left in peace."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(app.exit)


def is_behind(app: App[Any]) -> bool:
    """Whether the terminal of the app has not yet taken what was drawn before; False where that cannot be known."""
    output = getattr(app._driver, "_file", None)
    return isinstance(output, TerminalOutput) and output.is_behind


def let_go(app: App[Any]) -> None:
    """End the thread that reads the keys: it goes on for ever where a request to terminate broke the screens off."""
    ended = getattr(app._driver, "exit_event", None)
    if isinstance(ended, threading.Event):
        ended.set()
