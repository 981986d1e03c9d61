"""A replay as a whole: what became of it, and at which pace it goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from fieldtool.replay.block_replay import Replayed
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem
from protocols.model import Outcome

Sleep: TypeAlias = Callable[[float], None]


@dataclass(slots=True)
class Tally:
    """What became of the telegrams of a replay."""

    by_outcome: Counter[Outcome] = field(default_factory=Counter)

    def add(self, replayed: Replayed) -> None:
        """Count a part of it."""
        self.by_outcome += replayed.outcomes

    @property
    def telegrams(self) -> int:
        """All telegrams, whatever became of them."""
        return self.by_outcome.total()

    @property
    def all_well(self) -> bool:
        """True when every telegram decoded."""
        return self.by_outcome.total() == self.by_outcome[Outcome.OK]


def paced(items: Iterable[CaptureItem], factor: float, sleep: Sleep = time.sleep) -> Iterator[CaptureItem]:
    """Hold entries back so that they come `factor` times as fast as they were recorded; without times: at once."""
    start: float | datetime | None = None
    begun = time.monotonic()
    for item in items:
        mark = None if isinstance(item, BadLine) else _mark(item)
        if mark is not None:
            start = mark if start is None else start
            with suppress(TypeError):  # a file that mixes offsets and times has no common start
                due = _distance_s(start, mark) / factor - (time.monotonic() - begun)
                if due > 0:
                    sleep(due)
        yield item


def _mark(entry: CaptureEntry) -> float | datetime | None:
    return entry.offset_s if entry.offset_s is not None else entry.frame.at


def _distance_s(start: float | datetime, mark: float | datetime) -> float:
    if isinstance(start, datetime) and isinstance(mark, datetime):
        return (mark - start).total_seconds()
    if isinstance(start, datetime) or isinstance(mark, datetime):
        raise TypeError("a time and an offset cannot be compared")
    return mark - start
