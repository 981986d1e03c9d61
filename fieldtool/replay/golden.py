"""What is replayed now against a golden: the same telegrams, in order, and what differs in them.

Lines that are byte by byte the same are not looked into. Where one is missing or extra, both sides are read ahead,
within bounds, and telegrams with the same frame are put together again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final, TypeAlias

from fieldtool.replay.alignment import Pair, common_closely
from fieldtool.replay.golden_file import LINE_LIMIT, GoldenFile
from fieldtool.replay.golden_members import ABSENT, Change, Ignored, NoTelegram, changes, parse_telegram

WINDOWS: Final = (64, 512, 4096)
"""Lines of either side that are read ahead to put telegrams together again; more, when that does not do."""

WINDOW_SIZE: Final = 1 << 24
"""Bytes of either side that are held at most, or one line."""

OWN: Final = 0
"""Stands for the number of a line that is not of the golden."""

_AT: Final = ("received", "at")


class Kind(StrEnum):
    """What a difference is."""

    CHANGED = "changed"
    ONLY_IN_GOLDEN = "only_in_golden"
    """A member that the telegram no longer has."""
    NEW = "new"
    """A member that the golden does not have."""
    MISSING = "missing"
    """A telegram of the golden that did not come."""
    EXTRA = "extra"
    """A telegram that the golden does not have."""


Telegram: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Difference:
    """One telegram that differs: both sides, None where there is none, and every member that differs.

    `line` is that of the golden, or the one before which an extra telegram stands.
    """

    line: int
    golden: Telegram | None
    now: Telegram | None
    changes: tuple[Change, ...] = ()

    @property
    def telegram(self) -> Telegram:
        """What it is now, or was where it is missing."""
        return self.now or self.golden or {}


def kind_of(change: Change) -> Kind:
    """Say what kind of difference a change is; null is a value, and none is not."""
    if change.golden is ABSENT:
        return Kind.NEW
    return Kind.ONLY_IN_GOLDEN if change.now is ABSENT else Kind.CHANGED


class _Line:
    """A line, and what it is found by: the digits of the frame, and when it was received."""

    __slots__ = ("key", "number", "telegram", "text")

    def __init__(self, text: bytes, number: int = OWN) -> None:
        self.text, self.number = text, number
        self.key: tuple[object, object] | None = None
        self.telegram: Telegram | None = None


class Comparison:
    """Takes what is replayed, piece by piece, and tells of each telegram that differs and each line that is none."""

    def __init__(
        self,
        golden: GoldenFile,
        ignored: Ignored,
        tell: Callable[[Difference], None],
        tell_bad: Callable[[int, str], None],
    ) -> None:
        self._golden = golden
        self._ignored = ignored
        self._tell = tell
        self._tell_bad = tell_bad
        self._ahead, self._now = _Held(), _Held()
        self._window = 0
        self._all_read = False
        self._by_time = not ignored.covers(_AT)
        self.begun = False
        self.equal = 0
        self.in_full = 0
        """How many were compared member by member."""

    def add(self, chunks: Sequence[bytes | memoryview], lines: int) -> None:
        """Take so many whole lines of JSON, which need to be there only until this returns."""
        self.begun = self.begun or bool(chunks)
        if not self._now and not self._ahead:
            before = self._golden.line
            same = self._golden.take_equal(chunks, lines)
            self.equal += self._golden.line - before
            chunks = chunks[same:]
        if chunks:
            for text in b"".join(chunks).splitlines():
                self._now.append(_Line(text))
            self._advance(more=True)

    def end(self) -> None:
        """Compare what is left; all that is still in the golden is missing."""
        self._advance(more=False)
        while self._ahead or self._read():
            self._miss()

    def _advance(self, *, more: bool) -> None:
        """Compare as far as can be; `more` of what is replayed may come."""
        while self._now:
            if not self._ahead and not self._read(wanted=self._now[0].text):
                self._surplus()
            elif self._ahead[0].text == self._now[0].text:
                self._ahead.popleft()
                self._now.popleft()
                self.equal += 1
            elif self._key(self._ahead[0]) == self._key(self._now[0]):
                self._compare()
            elif not self._put_together(more=more):
                return

    def _read(self, wanted: bytes | None = None) -> bool:
        """Read the next telegram of the golden; what is `wanted` is one for sure. False at the end."""
        while (text := self._golden.take()) is not None:
            line = _Line(text, self._golden.line)
            if text == wanted or (text.strip() and self._is_good(line)):
                self._ahead.append(line)
                return True
        self._all_read = True
        return False

    def _is_good(self, line: _Line) -> bool:
        try:
            if len(line.text) > LINE_LIMIT:
                raise NoTelegram(f"longer than {LINE_LIMIT} characters")  # noqa: TRY301 - told as all others are
            self._key(line)
        except NoTelegram as problem:
            self._tell_bad(line.number, str(problem))
            return False
        return True

    def _key(self, line: _Line) -> tuple[object, object]:
        if line.key is None:
            line.telegram = telegram = _telegram(line)
            received = telegram.get("received")
            at = received.get("at") if self._by_time and isinstance(received, dict) else None
            line.key = telegram["hex"], at if isinstance(at, str) else None
        return line.key

    def _put_together(self, *, more: bool) -> bool:
        """Find which lines ahead belong together, and compare the first of them; False when more must be known."""
        size = WINDOWS[self._window]
        if more and len(self._now) < size and self._now.size < WINDOW_SIZE:
            return False
        while len(self._ahead) < size and self._ahead.size < WINDOW_SIZE and self._read():
            self._ahead[-1].telegram = None
        golden, now = self._keys(self._ahead, size), self._keys(self._now, size)
        pairs = common_closely(golden, now)
        is_all = not more and self._all_read and len(golden) == len(self._ahead) and len(now) == len(self._now)
        if not is_all and 2 * len(pairs) < min(len(golden), len(now)) and self._window + 1 < len(WINDOWS):
            self._window += 1
            return True
        self._window = 0
        if is_all:
            self._take(pairs, (len(golden), len(now)))
        else:
            self._take_half(pairs, (len(golden), len(now)))
        return True

    def _keys(self, lines: deque[_Line], size: int) -> list[tuple[object, object]]:
        keys = []
        for line in islice(lines, size):
            keys.append(self._key(line))
            line.telegram = None
        return keys

    def _take_half(self, pairs: Sequence[Pair], sizes: Pair) -> None:
        """Take what lies before the middle, where what comes later changes nothing; the first pair in any case."""
        taken = [pair for pair in pairs if 2 * pair[0] < sizes[0] and 2 * pair[1] < sizes[1]] or pairs[:1]
        half = (min(sizes) + 1) // 2
        self._take(taken, (taken[-1][0] + 1, taken[-1][1] + 1) if taken else (half, half))

    def _take(self, pairs: Sequence[Pair], sizes: Pair) -> None:
        """Compare pairs, and tell of all without a partner, up to so many lines of both."""
        golden = now = 0
        for pair in (*pairs, sizes):
            for _ in range(pair[0] - golden):
                self._miss()
            for _ in range(pair[1] - now):
                self._surplus()
            if pair is not sizes:
                self._compare()
            golden, now = pair[0] + 1, pair[1] + 1

    def _compare(self) -> None:
        golden, now = self._ahead.popleft(), self._now.popleft()
        if golden.text == now.text:
            self.equal += 1
            return
        self.in_full += 1
        one, other = _telegram(golden), _telegram(now)
        self._ignored.look(one)
        self._ignored.look(other)
        found = tuple(change for change in changes(one, other) if not self._ignored.covers(change.path))
        if found:
            self._tell(Difference(golden.number, one, other, found))
        else:
            self.equal += 1

    def _miss(self) -> None:
        line = self._ahead.popleft()
        self._tell(Difference(line.number, _telegram(line), None))

    def _surplus(self) -> None:
        before = self._ahead[0].number if self._ahead else self._golden.line + 1
        self._tell(Difference(before, None, _telegram(self._now.popleft())))


class _Held(deque[_Line]):
    """Lines that wait, and the bytes they hold."""

    size = 0

    def append(self, line: _Line) -> None:
        """Add the next line."""
        self.size += len(line.text)
        super().append(line)

    def popleft(self) -> _Line:
        """Take the first line."""
        line = super().popleft()
        self.size -= len(line.text)
        return line


def _telegram(line: _Line) -> Telegram:
    return line.telegram or parse_telegram(line.text, own=line.number == OWN)
