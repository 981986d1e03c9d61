"""Captures through the decoder: streaming, in constant memory, in one process or in several."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeAlias

from fieldtool.export.lines import telegram_line
from fieldtool.export.sighting_json import SightingWriter
from fieldtool.lazy_keys import LazyKeys
from fieldtool.replay.second_pass import SecondPass
from fieldtool.user_profiles import load_profiles
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem
from protocols.learned import LearnedDecoder, Sighting
from protocols.mbus.compact import FormatLibrary
from protocols.model import Finding, Key, Outcome, RawFrame, Telegram
from protocols.plausibility import Judge, Observation, with_findings

CHUNK = 500
"""Frames that one process decodes at a time: small enough to keep all busy, large enough to be worth the way."""

CHUNKS_AHEAD = 3
"""Chunks in flight for each process; it bounds the memory."""

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the start of a capture that tells only how much later its telegrams came."""

Again: TypeAlias = Callable[[], Iterable[CaptureItem]]
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


class Shower:
    """Turns frames into text: as `json`, or as `lines` for people. Belongs to one thread."""

    def __init__(self, form: str) -> None:
        self._writer = SightingWriter() if form == "json" else None

    def see(self, decoder: LearnedDecoder, frame: RawFrame) -> Telegram | Sighting:
        """Decode, as far as the text needs it."""
        return decoder.decode(frame) if self._writer is None else decoder.sight(frame)

    def show(self, seen: Telegram | Sighting, findings: Sequence[Finding]) -> Shown:
        """Return what was seen as text, with what was found."""
        if self._writer is not None:
            return Shown(self._writer.line(seen, findings), seen.outcome)
        if isinstance(seen, Sighting):
            raise TypeError("lines for people are made of whole telegrams")
        return Shown(telegram_line(with_findings(seen, findings)), seen.outcome)


@dataclass(frozen=True, slots=True)
class DecoderSource:
    """What a process of its own makes its decoder of.

    Keys are the given ones, else those of the store with a passphrase file; `profiles` is the user's folder,
    `formats` are the compact-frame formats known so far.
    """

    keys: tuple[Key, ...] = ()
    store: str | None = None
    passphrase_file: str | None = None
    profiles: str | None = None
    formats: FormatLibrary | None = None

    def decoder(self) -> LearnedDecoder:
        """Return a decoder with these keys and profiles; what is wrong with a profile was told before."""
        profiles = load_profiles(self.profiles).registry
        if self.keys:
            return LearnedDecoder(lambda _: self.keys, formats=self.formats, profiles=profiles)
        return LearnedDecoder(LazyKeys(self.store, self.passphrase_file), formats=self.formats, profiles=profiles)


def replay(
    items: Iterable[CaptureItem], decoder: LearnedDecoder, form: str, again: Again | None = None
) -> Iterator[Shown | BadLine]:
    """Decode one entry after the other, and judge it by those before.

    `again` opens the same capture once more: then compact frames whose format comes later are read as well.
    """
    shower, judge = Shower(form), Judge()
    ahead = _look_ahead(decoder, again)
    for item in items:
        if ahead is not None:
            ahead.pass_by()
        if isinstance(item, BadLine):
            yield item
            continue
        seen = shower.see(decoder, item.frame)
        yield shower.show(seen, judge.judge(seen, _heard_at(item)))


def _look_ahead(decoder: LearnedDecoder, again: Again | None) -> SecondPass | None:
    if again is None:
        return None
    decoder.search_formats = ahead = SecondPass(again, decoder)
    return ahead


def _heard_at(item: CaptureEntry) -> datetime | None:
    """A time to measure distances with, where an entry has an offset and no time."""
    if item.offset_s is None or item.frame.at is not None:
        return None
    return BEGINNING + timedelta(seconds=item.offset_s)


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
    items: Iterable[CaptureItem],
    jobs: int,
    source: DecoderSource,
    form: str,
    *,
    again: Again | None = None,
    here: LearnedDecoder | None = None,
) -> Iterator[Shown | BadLine]:
    """Decode with several processes; the result is, telegram for telegram, that of `replay`.

    A process knows only the telegrams of its own chunks: what it could not decode for want of a format is decoded once
    more by the decoder `here` (default: one more of `source`), where the formats of all chunks before are known, and
    here telegrams are judged by those before them.
    """
    last = _Here(here or source.decoder(), form, again)
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_process, initargs=(source, form)
    )
    try:
        waiting: deque[tuple[tuple[CaptureItem, ...], Future[_Done]]] = deque()
        for chunk in _chunks(items):
            frames = [item.frame for item in chunk if isinstance(item, CaptureEntry)]
            waiting.append((chunk, pool.submit(_decode_chunk, frames)))
            if len(waiting) >= jobs * CHUNKS_AHEAD:
                chunk, future = waiting.popleft()
                yield from last.finish(chunk, future.result())
        while waiting:
            chunk, future = waiting.popleft()
            yield from last.finish(chunk, future.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(items: Iterable[CaptureItem]) -> Iterator[tuple[CaptureItem, ...]]:
    rest = iter(items)
    while chunk := tuple(islice(rest, CHUNK)):
        yield chunk


@dataclass(frozen=True, slots=True)
class _Done:
    """A chunk decoded in another process: texts with outcomes, observations, and all formats that process knows."""

    shown: list[Shown]
    observed: list[Observation | None]
    formats: FormatLibrary


class _Worker:
    """What a process of the pool decodes with."""

    def __init__(self, source: DecoderSource, form: str) -> None:
        self._decoder = source.decoder()
        self._shower = Shower(form)
        self._judge = Judge()

    def decode(self, frames: list[RawFrame]) -> _Done:
        """Decode a chunk; each telegram shows what it tells of itself alone."""
        shown, observed = [], []
        for frame in frames:
            seen = self._shower.see(self._decoder, frame)
            observation = self._judge.observe(seen)
            observed.append(observation)
            shown.append(self._shower.show(seen, () if observation is None else observation.remarks))
        return _Done(shown, observed, self._decoder.formats)


_worker: _Worker | None = None


def _start_process(source: DecoderSource, form: str) -> None:
    """Make the decoder of this process; it lives as long as the process does."""
    global _worker
    _worker = _Worker(source, form)


def _decode_chunk(frames: list[RawFrame]) -> _Done:
    if _worker is None:
        raise RuntimeError("a process of the pool was not started with its decoder")
    return _worker.decode(frames)


class _Here:
    """Puts the chunks together in order: missing formats, and the histories of all meters."""

    def __init__(self, decoder: LearnedDecoder, form: str, again: Again | None) -> None:
        self._decoder = decoder
        self._shower = Shower(form)
        self._judge = Judge()
        self._ahead = _look_ahead(decoder, again)

    def finish(self, chunk: tuple[CaptureItem, ...], done: _Done) -> Iterator[Shown | BadLine]:
        """Yield what a chunk came to."""
        results = zip(done.shown, done.observed, strict=True)
        for item in chunk:
            if self._ahead is not None:
                self._ahead.pass_by()
            yield item if isinstance(item, BadLine) else self._finished(item, *next(results))
        self._decoder.formats = self._decoder.formats.joined(done.formats)

    def _finished(self, item: CaptureEntry, shown: Shown, observation: Observation | None) -> Shown:
        if shown.outcome is Outcome.UNSUPPORTED:
            seen = self._shower.see(self._decoder, item.frame)
            return self._shower.show(seen, self._judge.judge(seen, _heard_at(item)))
        if observation is None:
            return shown
        if observation.at is None:
            observation = observation._replace(at=_heard_at(item))
        findings = self._judge.weigh(observation)
        if findings == observation.remarks:
            return shown
        return self._shower.show(self._shower.see(self._decoder, item.frame), findings)


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
