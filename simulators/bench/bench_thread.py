"""The thread of a bench, which alone touches what stands there; others hand it what is to be done."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from simulators.errors import SimulatorError

JOIN_S: Final = 5.0


@dataclass(slots=True)
class _Request:
    """Something to be done by the thread."""

    action: Callable[[], None]
    done: threading.Event = field(default_factory=threading.Event)
    error: SimulatorError | None = None


class BenchThread:
    """Calls `work`, which must be short, again and again until stopped; `name` is what it simulates."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._stop = threading.Event()
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the thread to end; raises `SimulatorError` when it does not."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
            if self._thread.is_alive():
                raise SimulatorError(f"the {self._thread.name} did not stop within {JOIN_S:g} s", "end the program")

    def do(self, action: Callable[[], None]) -> None:
        """Let the thread do something between two works, and wait for it; raises `SimulatorError`."""
        request = _Request(action)
        self._requests.put(request)
        if not request.done.wait(JOIN_S):
            raise SimulatorError(f"no answer from the {self._thread.name}", "end the program")
        if request.error is not None:
            raise request.error

    def _run(self) -> None:
        while not self._stop.is_set():
            self._obey()
            self._work()

    def _obey(self) -> None:
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return
            try:
                request.action()
            except SimulatorError as error:
                request.error = error
            finally:
                request.done.set()
