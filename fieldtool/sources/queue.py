"""A bounded queue between two threads; overflow drops the oldest and counts, it never blocks who puts."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeAlias, TypeVar

from protocols.model import RawFrame

T = TypeVar("T")

QUEUE_SIZE = 10_000
"""Frames that may wait: about half a minute of the busiest air there is."""


class BoundedQueue(Generic[T]):
    """Hands values from the threads that put to the thread that gets.

    When it is full the oldest value goes: a screen that falls behind should show the present.
    """

    def __init__(self, size: int = QUEUE_SIZE) -> None:
        self._values: deque[T] = deque()
        self._size = size
        self._changed = threading.Condition()
        self._dropped = 0
        self._unusable = 0
        self._closed = False

    def put(self, value: T) -> bool:
        """Add a value without ever waiting; False when the oldest had to go for it, or the queue is closed."""
        with self._changed:
            if self._closed:
                return False
            full = len(self._values) >= self._size
            if full:
                self._values.popleft()
                self._dropped += 1
            self._values.append(value)
            self._changed.notify_all()
            return not full

    def put_when_free(self, value: T, timeout_s: float) -> bool:
        """Add a value as soon as there is room: for files, which can wait; False when there was none in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or len(self._values) < self._size, timeout_s):
                return False
            if not self._closed:
                self._values.append(value)
                self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> T | None:
        """Return the oldest value, None when none came in time or the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._values or self._closed, timeout_s)
            if not self._values:
                return None
            value = self._values.popleft()
            self._changed.notify_all()
            return value

    def close(self) -> None:
        """End the queue: what is in it can still be got, nothing more is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take_dropped(self) -> int:
        """Return how many values were dropped since the last call."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def count_unusable(self) -> None:
        """Count what a receiver handed over and no value could be made of: damaged packets, noise on its line."""
        with self._changed:
            self._unusable += 1

    def take_unusable(self) -> int:
        """Return how many such pieces were counted since the last call."""
        with self._changed:
            unusable, self._unusable = self._unusable, 0
            return unusable

    @property
    def finished(self) -> bool:
        """True when it is closed and empty."""
        with self._changed:
            return self._closed and not self._values

    def __len__(self) -> int:
        with self._changed:
            return len(self._values)


FrameQueue: TypeAlias = BoundedQueue[RawFrame]
"""What the reader threads put and the pipeline gets."""
