"""A process that decodes, as seen from the one that starts it, hands it blocks and ends it."""

from __future__ import annotations

import multiprocessing
import os
import selectors
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fieldtool.errors import FieldToolError
from fieldtool.replay.worker import END_SIGNALS, Task, work

if TYPE_CHECKING:
    from protocols.lorawan.sessions import Sessions

END_TIMEOUT_S: Final = 5.0

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where Linux has it


class ProcessEnded(FieldToolError):
    """A process ended that should not have."""

    def __init__(self, message: str = "a process that decodes has ended") -> None:
        super().__init__(message, "try again, or without --jobs")


@dataclass(slots=True)
class WorkerProcess:
    """A process, the pipe to it, the memory that it puts text into, and how far it is.

    `text` is what has come of the text of a block that is too long for its memory.
    """

    connection: Connection
    memory: SharedMemory
    process: BaseProcess | None = None
    handed_out: int = 0
    done: int = 0
    text: list[bytes] = field(default_factory=list)
    asks_formats: bool = False
    sessions: Sessions | None = None
    has_told: bool = False

    @classmethod
    def of(cls, memory_size: int) -> tuple[WorkerProcess, Connection]:
        """Make pipe and memory for a process to be started, and return the end of the pipe that is to be its own.

        Raises `OSError` when there is no room.
        """
        memory = SharedMemory(create=True, size=memory_size)
        try:
            _reserve(memory)
            ours, theirs = multiprocessing.Pipe()
        except OSError:
            memory.close()
            memory.unlink()
            raise
        return cls(ours, memory), theirs

    def begin(self, name: str, theirs: Connection, task: Task, before: Sequence[WorkerProcess]) -> None:
        """Start the process; `before` are those that were started before it."""
        if _may_fork():
            others = [worker.connection for worker in (*before, self)]
            forked = multiprocessing.get_context("fork")
            self.process = forked.Process(target=work, args=(theirs, self.memory, task, others), name=name, daemon=True)
        else:
            spawned = multiprocessing.get_context("spawn")
            self.process = spawned.Process(target=work, args=(theirs, self.memory, task), name=name, daemon=True)
        self.process.start()
        theirs.close()

    def send(self, message: object) -> None:
        """Send a message; raises `ProcessEnded`."""
        try:
            self.connection.send(message)
        except OSError as error:
            raise ProcessEnded from error

    def receive(self) -> object:
        """Wait for the next message; raises `ProcessEnded`."""
        try:
            message: object = self.connection.recv()
        except (EOFError, OSError) as ended:
            raise ProcessEnded from ended
        return message

    def text_at(self, start: int, size: int) -> bytes:
        """Copy text out of its memory."""
        with memoryview(self.memory.buf or b"") as buffer:
            return bytes(buffer[start : start + size])

    def dismiss(self) -> None:
        """Hand it nothing more: it ends by itself."""
        self.connection.close()
        self.text.clear()

    def end(self) -> None:
        """Wait for its end, not for long, and give its memory back."""
        if self.process is not None and self.process.pid is not None:
            self.process.join(END_TIMEOUT_S)
            if self.process.is_alive():
                self.process.terminate()
                self.process.join(END_TIMEOUT_S)
        with suppress(BufferError):
            # What ends the replay may still hold a text that has just come; nobody else finds the memory any more.
            self.memory.close()
        self.memory.unlink()


class Listening:
    """Waits for messages of several processes."""

    def __init__(self) -> None:
        self._workers: dict[object, WorkerProcess] = {}
        # Made once: `wait`, which Windows needs, takes as long to get ready as half the work on a block's messages.
        self._selector = None if sys.platform == "win32" else selectors.DefaultSelector()

    def add(self, worker: WorkerProcess) -> None:
        """Listen to one more."""
        self._workers[worker.connection] = worker
        if self._selector is not None:
            self._selector.register(worker.connection, selectors.EVENT_READ)

    def heard(self) -> list[WorkerProcess]:
        """Wait, and return those that have a message, or have ended."""
        if self._selector is None:
            return [
                self._workers[connection] for connection in wait(worker.connection for worker in self._workers.values())
            ]
        return [self._workers[key.fileobj] for key, _ in self._selector.select()]

    def end(self) -> None:
        """Listen no more."""
        if self._selector is not None:
            self._selector.close()


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back what ends this process, where something must be done whole.

    A process that begins would else end with a traceback before it can say otherwise, and shared memory be left.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def watch_over_memory() -> None:
    """Start what Python gives shared memory back with, before there is any: doing so lets signals in again.

    What is held back stays so in it: a closed terminal must not end it.
    """
    if sys.platform != "win32":
        with signals_held_back():
            resource_tracker.ensure_running()


def _reserve(memory: SharedMemory) -> None:
    """Make sure that there is as much memory as was asked for: where there is less, who writes to it is killed."""
    if sys.platform == "linux":
        descriptor = os.open(_SHARED_MEMORY / memory.name, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, memory.size)
        finally:
            os.close(descriptor)


def _may_fork() -> bool:
    """Whether a copy of this process can be had, which starts at once; another thread might hold a lock in it."""
    return sys.platform == "linux" and threading.active_count() == 1
