"""Captures through the decoder: streaming, in constant memory, in one process or in several."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from fieldtool.export.lines import telegram_line
from fieldtool.export.sighting_json import SightingWriter
from fieldtool.lazy_keys import LazyKeys
from fieldtool.user_profiles import load_profiles
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import Key, Outcome, RawFrame

CHUNK = 500
"""Frames that one process decodes at a time: small enough to keep all busy, large enough to be worth the way."""

CHUNKS_AHEAD = 3
"""Chunks in flight for each process; it bounds the memory."""

Show: TypeAlias = Callable[[LearnedDecoder, RawFrame], "Shown"]
Sleep: TypeAlias = Callable[[float], None]


@dataclass(slots=True)
class Tally:
    """What became of a replay."""

    by_outcome: Counter[Outcome] = field(default_factory=Counter)
    bad_lines: int = 0

    @property
    def telegrams(self) -> int:
        """All telegrams, whatever became of them."""
        return self.by_outcome.total()

    @property
    def all_well(self) -> bool:
        """True when every line held a telegram and every telegram decoded."""
        return not self.bad_lines and self.by_outcome.total() == self.by_outcome[Outcome.OK]


@dataclass(frozen=True, slots=True)
class Shown:
    """One telegram as text, with its outcome."""

    text: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DecoderSource:
    """What a process of its own makes its decoder of.

    Keys are the given ones, else those of the store with a passphrase file; `profiles` is the user's folder.
    """

    keys: tuple[Key, ...] = ()
    store: str | None = None
    passphrase_file: str | None = None
    profiles: str | None = None

    def decoder(self) -> LearnedDecoder:
        """Return a decoder with these keys and profiles; what is wrong with a profile was told before."""
        profiles = load_profiles(self.profiles).registry
        if self.keys:
            return LearnedDecoder(lambda _: self.keys, profiles=profiles)
        return LearnedDecoder(LazyKeys(self.store, self.passphrase_file), profiles=profiles)


def shown_as(form: str) -> Show:
    """Return what turns a frame into text: `json`, or `lines` for people."""
    if form == "lines":
        return _as_line
    writer = SightingWriter()

    def as_json(decoder: LearnedDecoder, frame: RawFrame) -> Shown:
        seen = decoder.sight(frame)
        return Shown(writer.line(seen), seen.outcome)

    return as_json


def _as_line(decoder: LearnedDecoder, frame: RawFrame) -> Shown:
    telegram = decoder.decode(frame)
    return Shown(telegram_line(telegram), telegram.outcome)


def replay(items: Iterable[CaptureItem], decoder: LearnedDecoder, form: str) -> Iterator[Shown | BadLine]:
    """Decode one entry after the other."""
    show = shown_as(form)
    for item in items:
        yield item if isinstance(item, BadLine) else show(decoder, item.frame)


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


def replay_in_processes(
    items: Iterable[CaptureItem], jobs: int, source: DecoderSource, form: str
) -> Iterator[Shown | BadLine]:
    """Decode with several processes; the result is, telegram for telegram, that of `replay`.

    A process knows only the compact-frame formats of its own chunks: what it could not decode is decoded once more
    here, where the formats of all chunks before are known.
    """
    here = source.decoder()
    show = shown_as(form)
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_process, initargs=(source, form)
    )
    try:
        waiting: deque[tuple[tuple[CaptureItem, ...], Future[_Done]]] = deque()
        for chunk in _chunks(items):
            frames = [item.frame for item in chunk if isinstance(item, CaptureEntry)]
            waiting.append((chunk, pool.submit(_decode_chunk, frames)))
            if len(waiting) >= jobs * CHUNKS_AHEAD:
                yield from _finish(*waiting.popleft(), here, show)
        while waiting:
            yield from _finish(*waiting.popleft(), here, show)
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(items: Iterable[CaptureItem]) -> Iterator[tuple[CaptureItem, ...]]:
    rest = iter(items)
    while chunk := tuple(islice(rest, CHUNK)):
        yield chunk


@dataclass(frozen=True, slots=True)
class _Done:
    """A chunk decoded in another process, and all formats that process knows."""

    shown: list[Shown]
    formats: FormatLibrary


_own_decoder: LearnedDecoder | None = None
_own_show: Show | None = None


def _start_process(source: DecoderSource, form: str) -> None:
    """Make the decoder of this process; it lives as long as the process does."""
    global _own_decoder, _own_show
    _own_decoder, _own_show = source.decoder(), shown_as(form)


def _decode_chunk(frames: list[RawFrame]) -> _Done:
    decoder, show = _own_decoder, _own_show
    if decoder is None or show is None:
        raise RuntimeError("a process of the pool was not started with its decoder")
    return _Done([show(decoder, frame) for frame in frames], decoder.formats)


def _finish(
    chunk: tuple[CaptureItem, ...], future: Future[_Done], here: LearnedDecoder, show: Show
) -> Iterator[Shown | BadLine]:
    done = future.result()
    shown = iter(done.shown)
    for item in chunk:
        if isinstance(item, BadLine):
            yield item
            continue
        one = next(shown)
        if one.outcome is Outcome.UNSUPPORTED:
            one = show(here, item.frame)
        yield one
    known = here.formats.formats
    if any(signature not in known for signature in done.formats.formats):
        here.formats = FormatLibrary({**done.formats.formats, **known})


def _mark(entry: CaptureEntry) -> float | datetime | None:
    return entry.offset_s if entry.offset_s is not None else entry.frame.at


def _distance_s(start: float | datetime, mark: float | datetime) -> float:
    if isinstance(start, datetime) and isinstance(mark, datetime):
        return (mark - start).total_seconds()
    if isinstance(start, datetime) or isinstance(mark, datetime):
        raise TypeError("a time and an offset cannot be compared")
    return mark - start


def tallied(results: Iterable[Shown | BadLine], tally: Tally) -> Iterator[Shown | BadLine]:
    """Count what passes by."""
    for result in results:
        if isinstance(result, BadLine):
            tally.bad_lines += 1
        else:
            tally.by_outcome[result.outcome] += 1
        yield result
