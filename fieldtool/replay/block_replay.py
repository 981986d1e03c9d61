"""Captures through the decoder, a block of lines at a time: what is read by a plan never becomes an object.

A line with a telegram that one of the decoder's plans fits goes from its hex to its JSON at once. All other lines, and
all telegrams shown as lines for people, take the general way; the text is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from fieldtool.export.lines import telegram_line
from fieldtool.export.sighting_json import SightingWriter
from fieldtool.export.telegram_json import received_json
from fieldtool.replay.capture import Block
from fieldtool.replay.second_pass import SecondPass
from protocols.captures.hex_lines import parse_own_line
from protocols.captures.lines import LineReader
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem, SeveralLines
from protocols.learned import LearnedDecoder, Sighting
from protocols.model import Outcome, RawFrame
from protocols.plausibility import Judge, Watch, with_findings

RECEPTIONS: Final = 4096
"""Signal strengths with radio modes whose text is kept."""


_OWN_TIME: Final = len("2026-11-20 04:32:34.721Z")
_NO_TIME: Final = '{"at": null'
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the start of a capture that tells only how much later its telegrams came."""

_Quick: TypeAlias = tuple[bytes, str, str, datetime | None]
"""A frame, its digits as they were written, its reception as JSON, and when it was heard."""


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


class BlockReplay:
    """Decodes the blocks of captures, one after the other.

    `form` is `json` or `lines`; `ahead` is what the decoder searches formats with, and is told how far this is.
    Belongs to one thread.
    """

    def __init__(self, decoder: LearnedDecoder, form: str, *, ahead: SecondPass | None = None) -> None:
        self._decoder = decoder
        self._as_json = form == "json"
        self._ahead = ahead
        self._items = 0
        self._planned = 0
        self._writer = SightingWriter()
        self._judge = Judge()
        self._reader = LineReader()
        self._source = self._bare = ""
        self._receptions: dict[tuple[str, str], str | None] = {}

    def replay(self, block: Block, *, measured: bool = False) -> Replayed:
        """Decode a block; `measured` asks for the lengths."""
        if block.begins:
            self._begin(block)
        done = Replayed()
        self._planned = 0
        numbered: Iterable[tuple[int, str]] = enumerate(block.lines(), block.first)
        if block.heard_only:
            numbered = self._shown(numbered, block.heard_only)
        texts = [self._line(number, line, done) for number, line in numbered]
        for bad in block.bad:
            self._item(bad, done)
        if self._planned:
            done.outcomes[Outcome.OK] += self._planned
        shown = [text for text in texts if text is not None]
        whole = "\n".join([*shown, ""]) if shown else ""
        if whole:
            done.text.append(whole.encode())
        if measured:
            size = len if whole.isascii() else _size
            done.lengths = [0 if text is None else size(text) + 1 for text in texts]
        return done

    def replay_item(self, item: CaptureItem) -> Replayed:
        """Decode a single entry, as `replay` would."""
        done = Replayed()
        text = self._item(item, done)
        if text is not None:
            done.text.append(f"{text}\n".encode())
        return done

    def _shown(self, numbered: Iterable[tuple[int, str]], heard_only: frozenset[int]) -> Iterator[tuple[int, str]]:
        """The lines to be shown; the others teach the decoder what it needs for those behind them."""
        for number, line in numbered:
            if number not in heard_only:
                yield number, line
                continue
            for item in self._reader.each(number, line):
                if isinstance(item, CaptureEntry):
                    self._decoder.decode(item.frame)

    def _line(self, number: int, line: str, done: Replayed) -> str | None:
        """Return what is shown for a line; None when there is nothing."""
        quick = self._quickly(line) if self._as_json else None
        if quick is not None:
            raw, digits, received, at = quick
            found = self._decoder.match(raw)
            if found is not None:
                plan, data, plain = found
                watch: Watch | None = plan.watch
                if watch is None or watch.era is not self._judge.era:
                    watch = plan.watch = self._judge.watch(plan)
                    plan.line = self._writer.of_meter(plan)
                self._items += 1
                self._planned += 1
                if len(digits) != 2 * len(raw) or not digits.isupper():
                    digits = raw.hex().upper()
                return self._writer.text(plan.line, data, plain, received, digits, watch.follow(data, plain, at))
        item = self._reader.read(number, line)
        if isinstance(item, SeveralLines):
            texts = [text for part in item.texts if (text := self._line(number, part, done)) is not None]
            return "\n".join(texts) if texts else None
        return None if item is None else self._item(item, done)

    def _item(self, item: CaptureItem, done: Replayed) -> str | None:
        """Decode in full what no plan fits."""
        self._items += 1
        if isinstance(item, BadLine):
            done.bad_lines.append(item)
            return None
        if self._ahead is not None:
            self._ahead.passed = self._items
        frame = item.frame
        seen = self._decoder.sight(frame) if self._as_json else self._decoder.decode(frame)
        findings = self._judge.judge(seen, heard_at(item))
        done.outcomes[seen.outcome] += 1
        if self._as_json or isinstance(seen, Sighting):
            return self._writer.line(seen, findings)
        return telegram_line(with_findings(seen, findings))

    def _begin(self, block: Block) -> None:
        self._source, self._reader = block.source, LineReader(block.source, block.unit)
        self._bare = received_json(RawFrame(b"", source=block.source))
        self._receptions.clear()

    def _quickly(self, line: str) -> _Quick | None:
        """Read a line that is hex alone, or as `format_line` writes it; None for anything else."""
        if self._reader.only_marked:
            return None
        try:
            if ";" not in line:
                return bytes.fromhex(line), line, self._bare, None
            at, rssi_dbm, mode, digits = line.split(";")
            raw = bytes.fromhex(digits)
            heard_at = datetime.fromisoformat(at)
        except ValueError:
            return None
        if not raw or len(raw) != raw[0] + 1:
            return None
        reception = self._reception(rssi_dbm, mode)
        if reception is None or not _is_own_time(at):
            return None
        return raw, digits, f'{{"at": "{at[:10]}T{at[11:]}"{reception}', heard_at

    def _reception(self, rssi_dbm: str, mode: str) -> str | None:
        """What is said of a reception behind its time; None when it is not what `format_line` writes."""
        try:
            return self._receptions[rssi_dbm, mode]
        except KeyError:
            frame = parse_own_line(f";{rssi_dbm};{mode};00", self._source)
            text = None if frame is None else received_json(frame).removeprefix(_NO_TIME)
            if len(self._receptions) >= RECEPTIONS:
                self._receptions.clear()
            self._receptions[rssi_dbm, mode] = text
            return text


def _size(text: str) -> int:
    return len(text.encode())


def heard_at(entry: CaptureEntry) -> datetime | None:
    """A time to measure distances with, where an entry has an offset and no time."""
    if entry.offset_s is None or entry.frame.at is not None:
        return None
    return BEGINNING + timedelta(seconds=entry.offset_s)


def _is_own_time(at: str) -> bool:
    """Whether a valid time is written as `format_line` writes it: to the millisecond, in UTC."""
    return len(at) == _OWN_TIME and at[4] == at[7] == "-" and at[10] == " " and at[19] == "." and at[23] == "Z"
