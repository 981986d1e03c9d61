"""Several captures as one, in the order of their receive times, whatever the order in which they are given."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from fieldtool.errors import InputError
from fieldtool.replay.capture import STDIN, open_capture
from protocols.captures.model import CaptureEntry, CaptureItem

LOOKED_AT: Final = 100
"""Items at the head of a capture among which a receive time is looked for."""

_EVER: Final = datetime.min.replace(tzinfo=UTC)


_LONG_AGO: Final = datetime(1000, 1, 1, tzinfo=UTC)
_APART: Final = timedelta(days=40)
"""A capture that only tells how far apart its telegrams are has a clock of its own, long before there were meters."""


class Captured(NamedTuple):
    """An item of a capture, and which of the captures it is, counted from 0."""

    item: CaptureItem
    capture: int

    @property
    def heard_at(self) -> datetime | None:
        """A stand-in for the receive time where only that since the beginning of the capture is known."""
        if not isinstance(self.item, CaptureEntry) or self.item.offset_s is None:
            return None
        return _LONG_AGO + self.capture * _APART + timedelta(seconds=self.item.offset_s)


class _Open(NamedTuple):
    """A capture that is being read, by the time of its next item; `capture` settles which of two equal ones comes."""

    at: datetime
    capture: int
    item: CaptureItem
    rest: Iterator[CaptureItem]


def in_order(paths: Sequence[Path], broken: list[InputError]) -> Iterator[Captured]:
    """Yield the items of all captures: those without receive times first, those that overlap telegram by telegram.

    The order within a capture is kept. Where one cannot be read on, why is added to `broken`, and the others go on.
    Captures are opened when their time comes; what `open_capture` raises is raised before the first item.
    """
    waiting = sorted(((_begin(path), number) for number, path in enumerate(paths)), reverse=True)
    reading: list[_Open] = []

    def read_on(at: datetime, capture: int, rest: Iterator[CaptureItem]) -> None:
        """Read the next item; one without a time belongs to the one before it."""
        try:
            item = next(rest, None)
        except InputError as error:
            broken.append(error)
            return
        if item is not None:
            heapq.heappush(reading, _Open(_time(item) or at, capture, item, rest))

    while waiting or reading:
        while waiting and (not reading or waiting[-1][0] <= reading[0].at):
            at, number = waiting.pop()
            read_on(at, number, open_capture(paths[number]))
        if reading:
            one = heapq.heappop(reading)
            yield Captured(one.item, one.capture)
            read_on(one.at, one.capture, one.rest)


def _begin(path: Path) -> datetime:
    """When the first telegram of a capture was heard; long ago where that is not known."""
    if str(path) == STDIN or (path.exists() and not path.is_file()):
        # What can be read only once is read from the start on.
        return _EVER
    return next(filter(None, map(_time, islice(open_capture(path), LOOKED_AT))), _EVER)


def _time(item: CaptureItem) -> datetime | None:
    return item.frame.at if isinstance(item, CaptureEntry) else None
