"""Captures through the decoder, a block of lines at a time: what is read by a plan never becomes an object.

A line with a telegram that one of the decoder's plans fits goes from its hex to its JSON at once. All other lines, and
all telegrams shown as lines for people, take the general way; the text is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, TypeAlias
from zlib import crc32

from fieldtool.export.lines import telegram_line
from fieldtool.export.sighting_json import SightingWriter
from fieldtool.export.telegram_json import received_json
from fieldtool.replay.capture import Block
from fieldtool.replay.second_pass import SecondPass
from protocols.captures.hex_lines import parse_own_line
from protocols.captures.lines import LineReader
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem
from protocols.learned import LearnedDecoder, Sighting
from protocols.model import Link, Outcome, RawFrame
from protocols.plausibility import Judge, with_findings

RECEPTIONS: Final = 4096
"""Signal strengths with radio modes whose text is kept."""

SENDER: Final = slice(2, 10)
"""The sender's address in a frame."""

_HEADER_DIGITS: Final = 20

_OWN_TIME: Final = len("2026-11-20 04:32:34.721Z")
_NO_TIME: Final = '{"at": null'
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the start of a capture that tells only how much later its telegrams came."""

_Quick: TypeAlias = tuple[bytes, str, datetime | None]
"""A frame, its reception as JSON, and when it was heard."""


class Share:
    """The part of all senders that one of several processes decodes: the one numbered `number` of `of`.

    All processes ask about the same telegrams in the same order, so each knows whose a sender is: of that process
    which had the fewest telegrams when the sender was first heard.
    """

    SENDERS: ClassVar[int] = 100_000
    """Senders whose process is remembered; it follows from the address for those heard later."""

    def __init__(self, number: int = 0, of: int = 1) -> None:
        self.number = number
        self.of = of
        self._owners: dict[bytes, int] = {}
        self._telegrams = [0] * of
        self._heads: dict[str, tuple[int, int]] = {}

    def claims(self, line: str) -> bool | None:
        """Whether a line with a telegram as long as L says is in the share; None when it must be read in full.

        The hex stands alone, or in the last of some columns.
        """
        digits = line[line.rfind(";") + 1 :]
        head = digits[:_HEADER_DIGITS]
        known = self._heads.get(head)
        if known is not None and len(digits) == known[1]:
            self._telegrams[known[0]] += 1
            return known[0] == self.number
        try:
            data = bytes.fromhex(head)
        except ValueError:
            return None
        if len(data) < SENDER.stop or len(digits) != 2 * data[0] + 2:
            return None
        ours = self.has(data[SENDER])
        if len(self._heads) >= self.SENDERS:
            self._heads.clear()
        owner = self._owners.get(data[SENDER])
        if owner is not None:
            self._heads[head] = owner, len(digits)
        return ours

    def has(self, sender: bytes) -> bool:
        """Whether the next telegram, which is of this sender, is in the share."""
        owner = self._owners.get(sender)
        if owner is None:
            owner = self._owner(sender)
        self._telegrams[owner] += 1
        return owner == self.number

    def _owner(self, sender: bytes) -> int:
        if len(self._owners) >= self.SENDERS:
            return crc32(sender) % self.of
        owner = self._owners[sender] = self._telegrams.index(min(self._telegrams))
        return owner


@dataclass(slots=True)
class Replayed:
    """What became of a block: its text in UTF-8, outcomes counted, and lines that held no telegram.

    `runs` tell where the text belongs: number of the first line and length of each piece that no telegram of another
    process interrupts. Each line of text ends with a line feed. Text of other processes lies in memory that is theirs
    again when the next block is asked for.
    """

    text: list[bytes | memoryview] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    bad_lines: list[BadLine] = field(default_factory=list)


class BlockReplay:
    """Decodes the blocks of captures, one after the other, or of each only what belongs to its share of the senders.

    `form` is `json` or `lines`; `ahead` is what the decoder searches formats with, and is told how far this is.
    Belongs to one thread.
    """

    def __init__(
        self, decoder: LearnedDecoder, form: str, *, share: Share | None = None, ahead: SecondPass | None = None
    ) -> None:
        self._decoder = decoder
        self._as_json = form == "json"
        self._share = share
        self._ahead = ahead
        self._items = 0
        self._writer = SightingWriter()
        self._judge = Judge()
        self._reader = LineReader()
        self._source = self._bare = ""
        self._receptions: dict[tuple[str, str], str | None] = {}

    def replay(self, block: Block) -> Replayed:
        """Decode a block."""
        if block.first == 1:
            self._begin(block.source)
        done = Replayed()
        lines = enumerate(block.data.decode("utf-8", "replace").split("\n"), block.first)
        if self._share is None:
            texts = [text for number, line in lines if (text := self._line(number, line, done)) is not None]
            _put_together(done, texts, [(block.first, 0)])
            return done
        texts, runs, going_on = [], [], False
        for number, line in lines:
            ours = None if self._reader.only_marked else self._share.claims(line)
            text = None if ours is False else self._line(number, line, done, ours=ours)
            if text is None:
                going_on = False
                continue
            if not going_on:
                runs.append((number, len(texts)))
                going_on = True
            texts.append(text)
        _put_together(done, texts, runs)
        return done

    def _line(self, number: int, line: str, done: Replayed, *, ours: bool | None = None) -> str | None:
        """Return what is shown for a line; None when there is nothing, or it is another's."""
        quick = self._quickly(line) if self._as_json and (ours or self._share is None) else None
        if quick is not None:
            raw, received, at = quick
            found = self._decoder.match(raw)
            if found is not None:
                self._items += 1
                done.outcomes[Outcome.OK] += 1
                return self._writer.matched(*found, received, raw, self._judge.matched(*found, at))
        item = self._reader.read(number, line)
        return None if item is None else self._item(item, done, ours=ours)

    def replay_item(self, item: CaptureItem) -> Replayed:
        """Decode a single entry, as `replay` would."""
        done = Replayed()
        text = self._item(item, done)
        _put_together(done, [] if text is None else [text], [(item.line, 0)])
        return done

    def _begin(self, source: str) -> None:
        self._source, self._reader = source, LineReader(source)
        self._bare = received_json(RawFrame(b"", source=source))
        self._receptions.clear()

    def _quickly(self, line: str) -> _Quick | None:
        """Read a line that is hex alone, or as `format_line` writes it; None for anything else."""
        if self._reader.only_marked:
            return None
        try:
            if ";" not in line:
                return bytes.fromhex(line), self._bare, None
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
        return raw, f'{{"at": "{at[:10]}T{at[11:]}"{reception}', heard_at

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

    def _item(self, item: CaptureItem, done: Replayed, *, ours: bool | None = None) -> str | None:
        """Decode in full what no plan fits."""
        share = self._share
        if share is not None and ours is None and isinstance(item, CaptureEntry) and not share.has(_sender(item.frame)):
            return None
        self._items += 1
        if isinstance(item, BadLine):
            if share is None or share.number == 0:
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


def _put_together(done: Replayed, texts: list[str], runs: Sequence[tuple[int, int]]) -> None:
    """Join the texts; `runs` are numbers of first lines, each with its place in `texts`."""
    if not texts:
        return
    whole = "\n".join([*texts, ""])
    done.text = [whole.encode()]
    if len(runs) == 1:
        done.runs = [(runs[0][0], len(done.text[0]))]
        return
    ends = [start for _, start in runs[1:]]
    ascii_only = whole.isascii()
    for (first, start), end in zip(runs, [*ends, len(texts)], strict=True):
        run = texts[start:end]
        length = sum(map(len, run if ascii_only else map(str.encode, run)))
        done.runs.append((first, length + len(run)))


def _sender(frame: RawFrame) -> bytes:
    """What tells senders apart; the devices of LoRaWAN change their addresses when they join, so all are one."""
    return frame.data[SENDER] if frame.link is Link.MBUS else b""


def heard_at(entry: CaptureEntry) -> datetime | None:
    """A time to measure distances with, where an entry has an offset and no time."""
    if entry.offset_s is None or entry.frame.at is not None:
        return None
    return BEGINNING + timedelta(seconds=entry.offset_s)


def _is_own_time(at: str) -> bool:
    """Whether a valid time is written as `format_line` writes it: to the millisecond, in UTC."""
    return len(at) == _OWN_TIME and at[4] == at[7] == "-" and at[10] == " " and at[19] == "." and at[23] == "Z"
