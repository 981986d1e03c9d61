"""Captures through the decoder, blocks of lines at a time: what is read by a plan never becomes an object.

A telegram that one of the decoder's plans fits goes from the hex of its line to its JSON at once. All other lines, and
all telegrams shown as lines for people, take the general way; the text is the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Final

from fieldtool.export.lines import telegram_line
from fieldtool.export.sighting_json import LinePieces, SightingWriter, line_of
from fieldtool.replay.capture import Block, UntilFailure
from fieldtool.replay.glance import NOTHING, SENDER, Glancer, Glimpse, digits_of, received_of
from fieldtool.replay.second_pass import SecondPass
from protocols.captures.lines import LineReader
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem, SeveralLines
from protocols.learned import LearnedDecoder, Match, Sighting
from protocols.model import Finding, Outcome
from protocols.plausibility import Judge, Watch, with_findings

TOGETHER: Final = 256
"""Telegrams that are decoded together, and then judged together."""

TELEGRAMS_BY_METER: Final = 40_000
"""Telegrams that are worth to be decoded meter by meter: some 40 MB without their text."""

MANY_METERS: Final = 300
"""Meters from which on that is worth it: what is known of fewer stays in the processor's cache."""

PLANNED_OF_ONE: Final = 10
"""It is so as long as plans fit all but one of so many: what the general way reads is kept as text, which is long."""

STEP: Final = 16
"""How many times as many lines may be decoded next."""

BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the start of a capture that tells only how much later its telegrams came."""


@dataclass(slots=True)
class Replayed:
    """What became of a block: its text in UTF-8, outcomes counted, and lines that held no telegram.

    Each line of text ends with a line feed. `lengths` are those of the text of each line of the block, where they were
    asked for. Text of other processes lies in memory that is theirs again when the next block is asked for.
    """

    text: list[bytes | memoryview] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    bad_lines: list[BadLine] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """Blocks that are read together: all their lines, what was seen in each, and what is to be shown for it.

    That is its text, what that will be written from, or None when there is nothing. `starts` are the places at which
    the blocks begin, `singly` is how many lines were decoded the general way.
    """

    blocks: Sequence[Block]
    done: deque[Replayed]
    lines: list[str] = field(default_factory=list)
    glimpses: list[Glimpse] = field(default_factory=list)
    shown: list[str | LinePieces | None] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    singly: int = 0

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> _Batch:
        """Cut blocks into lines."""
        batch = cls(blocks, deque(Replayed() for _ in blocks))
        for block in blocks:
            batch.starts.append(len(batch.lines))
            batch.lines += block.lines()
        batch.shown = [None] * len(batch.lines)
        return batch


class BlockReplay:
    """Decodes the blocks of captures, one after the other.

    `form` is `json` or `lines`; `ahead` is what the decoder searches formats with, and is told how far this is.
    `by_meter` telegrams may be decoded meter by meter, which is quicker when there are many meters: all of a meter in
    their order, while a format of compact frames may come from a telegram behind. Belongs to one thread.
    """

    def __init__(
        self, decoder: LearnedDecoder, form: str, *, ahead: SecondPass | None = None, by_meter: int = 0
    ) -> None:
        self._decoder = decoder
        self._as_json = form == "json"
        self._ahead = ahead
        self._by_meter = by_meter
        self._items = self._begun_at = 0
        self._worth = 0
        self._writer = SightingWriter()
        self._judge = Judge()
        self._reader = LineReader()
        self._glancer = Glancer()

    @property
    def lines_together(self) -> int:
        """How many lines it is worth to hand over at once."""
        return min(self._by_meter, self._worth) if self._decoder.meters >= MANY_METERS else 0

    def replay_all(self, blocks: Iterable[Block]) -> Iterator[Replayed]:
        """Decode blocks as they come; yields what became of each, also where the next one cannot be read."""
        together, lines, readable = list[Block](), 0, UntilFailure(blocks)
        for block in readable:
            together.append(block)
            lines += block.size
            if lines >= self.lines_together:
                yield from self.replay_together(together)
                together, lines = [], 0
        yield from self.replay_together(together)
        readable.end()

    def replay(self, block: Block, *, measured: bool = False) -> Replayed:
        """Decode a block; `measured` asks for the lengths."""
        (done,) = self.replay_together((block,), measured=measured)
        return done

    def replay_together(self, blocks: Iterable[Block], *, measured: bool = False) -> Iterator[Replayed]:
        """Decode blocks, and yield what became of each; all is decoded when the first is yielded."""
        together: list[Block] = []
        for block in blocks:
            if block.begins or block.heard_only:
                yield from self._batch(together, measured=measured)
                together = []
            if block.begins:
                self._reader = LineReader(block.source, block.unit)
                self._glancer.begin(block.source)
            if block.heard_only:
                yield self._in_turn(block, measured=measured)
            else:
                together.append(block)
        yield from self._batch(together, measured=measured)

    def replay_item(self, item: CaptureItem) -> Replayed:
        """Decode a single entry, as `replay` would."""
        done = Replayed()
        text = self._item(item, done)
        if text is not None:
            done.text.append(f"{text}\n".encode())
        return done

    def _in_turn(self, block: Block, *, measured: bool) -> Replayed:
        """Decode a block of which some lines are not shown: those teach what is needed for others behind them."""
        done = Replayed()
        texts: list[str | None] = []
        for number, line in enumerate(block.lines(), block.first):
            if number not in block.heard_only:
                texts.append(self._line(number, line, done))
                continue
            for item in self._reader.each(number, line):
                if isinstance(item, CaptureEntry):
                    self._decoder.decode(item.frame)
        return self._finished(block, texts, done, measured=measured)

    def _batch(self, blocks: Sequence[Block], *, measured: bool) -> Iterator[Replayed]:
        if not blocks:
            return
        batch = _Batch.of(blocks)
        self._begun_at = self._items
        self._decode(batch)
        # In few steps: the lines ahead may be of another kind, but of several processes each waits for the one that
        # takes its blocks in other steps.
        self._worth = 0 if batch.singly * PLANNED_OF_ONE > len(batch.lines) else STEP * len(batch.lines)
        ends = [*batch.starts[1:], len(batch.lines)]
        for block, start, end in zip(blocks, batch.starts, ends, strict=True):
            # What was yielded is not kept: the text is many times as long as all else.
            done = batch.done.popleft()
            yield self._finished(block, self._texts(batch, start, end, done), done, measured=measured)
            del done

    def _finished(self, block: Block, texts: list[str | None], done: Replayed, *, measured: bool) -> Replayed:
        for bad in block.bad:
            self._item(bad, done)
        done.bad_lines.sort(key=attrgetter("line"))
        shown = [text for text in texts if text is not None]
        whole = "\n".join([*shown, ""]) if shown else ""
        if whole:
            done.text.append(whole.encode())
        if measured:
            size = len if whole.isascii() else _size
            done.lengths = [0 if text is None else size(text) + 1 for text in texts]
        return done

    def _decode(self, batch: _Batch) -> None:
        """Decode and judge all telegrams.

        Those in lines that can be read at a glance wait for the ones behind them: then each step, reading, decoding,
        judging, writing, is done for many of them, with its code and with what it knows of a meter in the caches.
        """
        read, glimpses, waiting = self._glancer.read, batch.glimpses, list[int]()
        for place, line in enumerate(batch.lines):
            glimpse = (self._as_json and not self._reader.only_marked and read(line)) or NOTHING
            glimpses.append(glimpse)
            if glimpse is not NOTHING:
                waiting.append(place)
                continue
            if waiting:
                self._decode_waiting(batch, waiting)
                waiting.clear()
            self._decode_line(batch, place)
        self._decode_waiting(batch, waiting)

    def _decode_waiting(self, batch: _Batch, places: Sequence[int]) -> None:
        """Decode lines that were read at a glance, all of the same kind of meter one after the other."""
        if self._by_meter:
            places = self._by_kind(batch, places)
        for first in range(0, len(places), TOGETHER):
            self._decode_some(batch, places[first : first + TOGETHER])

    def _by_kind(self, batch: _Batch, places: Sequence[int]) -> list[int]:
        """Put places in order by kind of meter, then by meter; those of one meter stay in their order."""
        of_sender: defaultdict[bytes, list[int]] = defaultdict(list)
        glimpses = batch.glimpses
        for place in places:
            of_sender[glimpses[place][0][SENDER]].append(place)
        self._decoder.expect([glimpses[of_one[0]][0] for of_one in of_sender.values()])
        return list(chain.from_iterable([of_sender[sender] for sender in sorted(of_sender, key=_kind)]))

    def _decode_some(self, batch: _Batch, places: Sequence[int]) -> None:
        match, glimpses = self._decoder.match, batch.glimpses
        while places:
            matches: list[Match] = []
            for place in places:
                found = match(glimpses[place][0])
                if found is None:
                    break
                matches.append(found)
            self._judge_some(batch, places, matches)
            if len(matches) < len(places):
                self._decode_line(batch, places[len(matches)])
            places = places[len(matches) + 1 :]

    def _judge_some(self, batch: _Batch, places: Sequence[int], matches: Sequence[Match]) -> None:
        """Judge telegrams that plans fit, and write down what is their own, up to how they were received."""
        judge, glimpses, shown, findings = self._judge, batch.glimpses, batch.shown, list[tuple[Finding, ...]]()
        places = places[: len(matches)]
        for place, (plan, data, plain) in zip(places, matches, strict=True):
            watch: Watch | None = plan.watch
            if watch is None or watch.era is not judge.era:
                watch = plan.watch = judge.watch(plan)
                plan.line = self._writer.of_meter(plan)
            findings.append(watch.follow(data, plain, glimpses[place][2]))
        pieces = self._writer.pieces
        for place, (plan, data, plain), found in zip(places, matches, findings, strict=True):
            shown[place] = pieces(plan.line, data, plain, found)
        self._items += len(matches)

    def _decode_line(self, batch: _Batch, place: int) -> None:
        """Decode a line whose telegram no plan fits, or that is written in another way."""
        index = bisect_right(batch.starts, place) - 1
        number = batch.blocks[index].first + place - batch.starts[index]
        batch.shown[place] = self._line(number, batch.lines[place], batch.done[index])
        batch.singly += 1

    def _texts(self, batch: _Batch, start: int, end: int, done: Replayed) -> list[str | None]:
        """Write what is shown for each line of a block, and let go of it."""
        shown, glimpses, lines = batch.shown, batch.glimpses, batch.lines
        texts: list[str | None] = []
        written = 0
        for one, glimpse, line in zip(shown[start:end], glimpses[start:end], lines[start:end], strict=True):
            if not isinstance(one, tuple):
                texts.append(one)
                continue
            texts.append(line_of(one, received_of(glimpse, line), digits_of(glimpse, line)))
            written += 1
        if written:
            done.outcomes[Outcome.OK] += written
        size = end - start
        shown[start:end], glimpses[start:end], lines[start:end] = [None] * size, [NOTHING] * size, [""] * size
        return texts

    def _line(self, number: int, line: str, done: Replayed) -> str | None:
        """Decode what is in a line the general way; return what is shown for it."""
        item = self._reader.read(number, line)
        if isinstance(item, SeveralLines):
            several = [self._line(number, part, done) for part in item.texts]
            texts = [text for text in several if text is not None]
            return "\n".join(texts) if texts else None
        return None if item is None else self._item(item, done)

    def _item(self, item: CaptureItem, done: Replayed) -> str | None:
        """Decode in full what no plan fits."""
        self._items += 1
        if isinstance(item, BadLine):
            done.bad_lines.append(item)
            return None
        if self._ahead is not None:
            # Of a batch that is decoded meter by meter, anything may not have been decoded yet.
            self._ahead.passed = self._begun_at if self._by_meter else self._items
        frame = item.frame
        seen = self._decoder.sight(frame) if self._as_json else self._decoder.decode(frame)
        findings = self._judge.judge(seen, heard_at(item))
        done.outcomes[seen.outcome] += 1
        if self._as_json or isinstance(seen, Sighting):
            return self._writer.line(seen, findings)
        return telegram_line(with_findings(seen, findings))


def _kind(sender: bytes) -> bytes:
    """Manufacturer, version and device type."""
    return sender[:2] + sender[6:]


def _size(text: str) -> int:
    return len(text.encode())


def heard_at(entry: CaptureEntry) -> datetime | None:
    """A time to measure distances with, where an entry has an offset and no time."""
    if entry.offset_s is None or entry.frame.at is not None:
        return None
    return BEGINNING + timedelta(seconds=entry.offset_s)
