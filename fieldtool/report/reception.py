"""How well a meter is received: how often it sends, and how many of its transmissions were heard."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

MINUTE_S: Final = 60
SILENCE_S: Final = 300
"""When nothing at all is heard for so long, perhaps nobody listened: such a gap counts for no meter's losses."""

SILENCE_INTERVALS: Final = 4
"""Unless it is no longer than so many intervals of the meter: then it may have been alone."""

SAME_S: Final = 5
SAME_NUMBERED_S: Final = 120
"""Within this time the same bytes are the same transmission, heard twice or repeated; the longer time holds where
transmissions are numbered, and bridges receivers whose clocks differ."""

FEWEST_INTERVALS: Final = 3
"""Fewer say nothing of losses."""

_FIT: Final = 0.75
"""So many of the intervals must fit what was found out."""

_SMALL_STEP: Final = 16
_TOLERANCE, _DRIFT = 0.4, 0.05
"""How far an interval may be off: parts of one interval, and of the time between the two telegrams."""

NO_COUNTER: Final = -1


class Reception(NamedTuple):
    """How a meter is received.

    `transmissions` are its telegrams without damaged ones, repeats counted once; `interval_s` is the median from one to
    the next, `received` the share of those sent that was heard, between the first and the last: found by the meter's
    own numbers (`by_numbers`), else by how regularly it sends. None is what is not known.
    """

    transmissions: int | None = None
    interval_s: float | None = None
    received: float | None = None
    by_numbers: bool = False
    median_rssi_dbm: int | None = None


NOT_KNOWN: Final = Reception()


class _Pair(NamedTuple):
    """Two transmissions, one heard after the other: seconds between them, and how far the number went forward."""

    seconds: float
    step: int | None


class Air:
    """When anything was heard at all, by minute."""

    def __init__(self) -> None:
        self.by_minute: Counter[int] = Counter()
        self._ends: list[float] = []
        self._lengths: list[float] = []

    def add(self, at_s: float) -> None:
        """Count a telegram."""
        self.by_minute[int(at_s // MINUTE_S)] += 1
        self._ends.clear()

    @property
    def listened_minutes(self) -> int:
        """Minutes from the first to the last telegram, without silences."""
        minutes = sorted(self.by_minute)
        return len(minutes) + sum(b - a - 1 for a, b in pairwise(minutes) if (b - a - 1) * MINUTE_S < SILENCE_S)

    def longest_silence(self, start_s: float, end_s: float) -> float:
        """The longest time between two moments in which nothing was heard; 0 where that is none of note."""
        if not self._ends:
            minutes = sorted(self.by_minute)
            gaps = [((b - a - 1) * MINUTE_S, b * MINUTE_S) for a, b in pairwise(minutes)]
            notable = [(float(length), float(end)) for length, end in gaps if length >= SILENCE_S]
            # One that is never within keeps all this from being done again.
            self._lengths, self._ends = map(list, zip((0.0, float("-inf")), *notable, strict=True))
        within = slice(bisect_right(self._ends, start_s), bisect_left(self._ends, end_s + MINUTE_S))
        return max(self._lengths[within], default=0.0)


@dataclass(slots=True)
class Log:
    """The telegrams of one meter, in columns: some 20 bytes each.

    Of damaged ones nothing but the signal strength is kept. `modulus` is where the meter's numbers begin anew.
    """

    times: array[float]
    contents: array[int]
    numbers: array[int]
    strengths: array[int]
    modulus: int = 256

    @classmethod
    def empty(cls) -> Log:
        """No telegram yet."""
        return cls(array("d"), array("q"), array("i"), array("h"))

    def add(self, at_s: float | None, content: bytes, number: int | None) -> None:
        """Take a telegram in: when it was heard, what a repeater leaves as it is, and its number, up to the modulus."""
        if at_s is not None:
            self.times.append(at_s)
            self.contents.append(hash(content))
            self.numbers.append(NO_COUNTER if number is None else number % self.modulus)

    def strength(self, rssi_dbm: int | None) -> None:
        """Take a signal strength in."""
        if rssi_dbm is not None:
            self.strengths.append(max(-32768, min(rssi_dbm, 32767)))

    def reception(self, air: Air) -> Reception:
        """Work out how the meter is received."""
        strength = round(median(self.strengths)) if self.strengths else None
        if not self.times:
            return Reception(median_rssi_dbm=strength)
        sent = self._transmissions()
        raw = [(a, b, self._pair(a, b)) for a, b in pairwise(sent)]
        if not raw:
            return Reception(len(sent), median_rssi_dbm=strength)
        limit = max(SILENCE_S, SILENCE_INTERVALS * median(pair.seconds for _, _, pair in raw))
        pairs = [pair for a, b, pair in raw if not self._is_gap(a, b, limit, air)]
        if not pairs:
            return Reception(len(sent), median_rssi_dbm=strength)
        interval_s, received, by_numbers = _by_numbers(pairs, self.modulus) or _by_intervals(pairs)
        return Reception(len(sent), interval_s, received, by_numbers, strength)

    def _is_gap(self, a: int, b: int, limit_s: float, air: Air) -> bool:
        start, end = self.times[a], self.times[b]
        return end - start > SILENCE_S and air.longest_silence(start, end) >= limit_s

    def _pair(self, a: int, b: int) -> _Pair:
        first, second = self.numbers[a], self.numbers[b]
        step = None if NO_COUNTER in (first, second) else (second - first) % self.modulus
        return _Pair(self.times[b] - self.times[a], step)

    def _transmissions(self) -> list[int]:
        """The places of the telegrams in the order of their times, repeats left out."""
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        numbered = len({self.numbers[place] for place in order}) >= FEWEST_INTERVALS
        window_s = SAME_NUMBERED_S if numbered else SAME_S
        heard: dict[int, float] = {}
        sent = []
        for place in order:
            before = heard.get(self.contents[place])
            if before is None or self.times[place] - before > window_s:
                heard[self.contents[place]] = self.times[place]
                sent.append(place)
        return sent


_Found = tuple[float, float | None, bool]


def _by_numbers(pairs: Sequence[_Pair], modulus: int) -> _Found | None:
    """Interval and share by the numbers; None where these do not count transmissions one by one."""
    near = [pair.seconds / pair.step for pair in pairs if pair.step is not None and 0 < pair.step <= _SMALL_STEP]
    if len(near) < FEWEST_INTERVALS or not any(pair.step == 1 for pair in pairs):
        return None
    interval_s = median(near)
    if interval_s <= 0:
        return None
    sent = list(_sent(pairs, interval_s, modulus))
    if len(sent) < _FIT * len(pairs):
        return None
    each = [seconds / count for seconds, count in sent if count]
    total = sum(count for _, count in sent)
    return median(each), sum(count > 0 for _, count in sent) / total, True


def _sent(pairs: Sequence[_Pair], interval_s: float, modulus: int) -> Iterator[tuple[float, int]]:
    """Yield the seconds between two telegrams with how many were sent since the first, where number and time agree."""
    for pair in pairs:
        if pair.step is not None:
            count = pair.step + modulus * max(0, round((pair.seconds / interval_s - pair.step) / modulus))
            if abs(pair.seconds - count * interval_s) <= _TOLERANCE * interval_s + _DRIFT * pair.seconds:
                yield pair.seconds, count


def _by_intervals(pairs: Sequence[_Pair]) -> _Found:
    """Interval by the times alone, and the share where the meter sends regularly."""
    interval_s = median(pair.seconds for pair in pairs)
    if len(pairs) < FEWEST_INTERVALS or interval_s <= 0:
        return interval_s, None, False
    counts = [max(1, round(pair.seconds / interval_s)) for pair in pairs]
    regular = sum(
        abs(pair.seconds - count * interval_s) <= _TOLERANCE / 2 * interval_s + _DRIFT * pair.seconds
        for pair, count in zip(pairs, counts, strict=True)
    )
    share = len(pairs) / sum(counts) if regular >= _FIT * len(pairs) else None
    return interval_s, share, False
