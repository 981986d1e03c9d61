"""What must hold for any bytes at all: no exception, little time, little memory, every byte in exactly one span."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from fieldtool.export.explain import explain
from fieldtool.export.lines import telegram_line
from fieldtool.export.sighting_json import SightingWriter
from fieldtool.export.telegram_json import telegram_json
from protocols.decode import decode
from protocols.learned import LearnedDecoder, Sighting
from protocols.model import KeyLookup, Outcome, RawFrame, Telegram
from tests.fuzz.frames import Frames

TIME_LIMIT_S = 0.005
"""Processor time that a frame may take."""

MEMORY_LIMIT = 4_000_000
"""Bytes that may be in use at a time while a frame is decoded and printed."""

MEASURED_EVERY = 500
"""How seldom memory is measured, which takes long, and how seldom a telegram is printed in all ways."""

ATTEMPTS = 5
"""A frame that took too long is decoded so often again: the machine has other things to do, and the shortest counts."""


@dataclass(slots=True)
class Findings:
    """What a run of frames came to."""

    frames: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    sightings: int = 0
    slowest_s: float = 0.0
    slowest: bytes = b""
    largest: int = 0

    def join(self, other: Findings) -> None:
        """Add another run's."""
        self.frames += other.frames
        self.outcomes += other.outcomes
        self.sightings += other.sightings
        self.largest = max(self.largest, other.largest)
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest = other.slowest_s, other.slowest


class Broken(AssertionError):
    """A rule that a frame broke; the message has the frame in hex."""


def check_frames(frames: Frames, count: int, *, fast_path_every: int = 1) -> Findings:
    """Decode so many frames in every way; raises `Broken` at the first that breaks a rule.

    Every frame, or one in `fast_path_every`, goes through the decoder that remembers layouts as well.
    """
    found = Findings()
    decoder, writer = LearnedDecoder(frames.keys), SightingWriter()
    gc.collect()
    gc.freeze()
    for number, data in enumerate(islice(frames, count)):
        try:
            telegram, took_s = _timed(data, frames.keys)
            _check(telegram)
            seen = telegram if number % fast_path_every else decoder.sight(RawFrame(data))
            if isinstance(seen, Sighting):
                found.sightings += 1
                _check_same(writer.line(seen), decode(data, frames.keys, formats=decoder.formats))
            if number % MEASURED_EVERY == 0:
                _print_in_all_ways(telegram)
                found.largest = max(found.largest, _memory_of(data, frames.keys))
        except Exception as error:
            raise Broken(f"{error!r} at frame {number}: {data.hex().upper()}") from error
        found.outcomes[telegram.outcome] += 1
        if took_s > found.slowest_s:
            found.slowest_s, found.slowest = took_s, data
    gc.unfreeze()
    found.frames = count
    return found


def _timed(data: bytes, keys: KeyLookup) -> tuple[Telegram, float]:
    """Decode, and again where it took too long: the shortest time counts."""
    began = time.thread_time()
    telegram = decode(data, keys)
    took_s = time.thread_time() - began
    for _ in range(ATTEMPTS):
        if took_s < TIME_LIMIT_S:
            return telegram, took_s
        began = time.thread_time()
        decode(data, keys)
        took_s = min(took_s, time.thread_time() - began)
    raise Broken(f"took {took_s * 1000:.1f} ms of processor time")


def _check(telegram: Telegram) -> None:
    """Every byte lies in exactly one span, and a telegram that failed says why."""
    position = 0
    for span in telegram.spans:
        if span.start != position or span.end <= span.start:
            raise Broken(f"span {span.start}-{span.end} follows {position}")
        position = span.end
    if position != len(telegram.data):
        raise Broken(f"spans end at {position} of {len(telegram.data)}")
    if telegram.ok == bool(telegram.problem):
        raise Broken(f"{telegram.outcome} with the problem {telegram.problem!r}")


def _check_same(line: str, general: Telegram) -> None:
    if line != telegram_json(general):
        raise Broken("the fast path gives another line than the general path")


def _print_in_all_ways(telegram: Telegram) -> None:
    json.loads(telegram_json(telegram))
    telegram_line(telegram)
    explain(telegram)


def _memory_of(data: bytes, keys: KeyLookup) -> int:
    """Most bytes in use at a time."""
    tracemalloc.start()
    try:
        telegram_json(decode(data, keys))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > MEMORY_LIMIT:
        raise Broken(f"needed {peak} bytes")
    return peak
