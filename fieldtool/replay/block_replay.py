"""Captures through the decoder, a block of lines at a time: what is read by a plan never becomes an object.

A line with a telegram that one of the decoder's plans fits goes from its hex to its JSON at once. All other lines, and
all telegrams shown as lines for people, take the general way; the text is the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
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

_OWN_TIME: Final = len("2026-11-20 04:32:34.721Z")
_NO_TIME: Final = '{"at": null'
_OF_OTHERS: Final = ""
"""Stands for the text of a telegram that is not in the share."""

BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the start of a capture that tells only how much later its telegrams came."""

_Quick: TypeAlias = tuple[bytes, str, datetime | None]
"""A frame, its reception as JSON, and when it was heard."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of all senders that one of several processes decodes: the one numbered `number` of `of`."""

    number: int = 0
    of: int = 1

    def has(self, sender: bytes) -> bool:
        """Whether a sender is in it; always the same answer for the same sender."""
        return self.of == 1 or crc32(sender) % self.of == self.number


ALL: Final = Share()


@dataclass(slots=True)
class Replayed:
    """What became of a block: its text in runs, outcomes counted, and lines that held no telegram.

    A run is the number of its first line and text that ends with a line feed; it ends where another process has the
    next telegram.
    """

    runs: list[tuple[int, str]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    bad_lines: list[BadLine] = field(default_factory=list)

    def add_run(self, first: int, texts: list[str]) -> None:
        """Close a run of lines, if there are any."""
        if texts:
            self.runs.append((first, "\n".join([*texts, ""])))


class BlockReplay:
    """Decodes the blocks of captures, one after the other, or of each only what belongs to its share of the senders.

    `form` is `json` or `lines`; `ahead` is what the decoder searches formats with, and is told how far this is.
    Belongs to one thread.
    """

    def __init__(
        self, decoder: LearnedDecoder, form: str, *, share: Share = ALL, ahead: SecondPass | None = None
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
        texts: list[str] = []
        began = matched = 0
        match, judge, write = self._decoder.match, self._judge.matched, self._writer.matched
        for number, line in enumerate(block.data.decode("utf-8", "replace").split("\n"), block.first):
            quick = self._quickly(line)
            text: str | None
            if quick is None:
                text = self._general(number, line, done)
            elif not self._share.has(quick[0][SENDER]):
                text = _OF_OTHERS
            elif (found := match(quick[0])) is None:
                text = self._general(number, line, done)
            else:
                raw, received, at = quick
                text = write(*found, received, raw, judge(*found, at))
                matched += 1
                self._items += 1
            if text is None:
                continue
            if text is _OF_OTHERS:
                done.add_run(began, texts)
                texts = []
                continue
            began = began if texts else number
            texts.append(text)
        done.add_run(began, texts)
        done.outcomes[Outcome.OK] += matched
        return done

    def replay_item(self, item: CaptureItem) -> Replayed:
        """Decode a single entry, as `replay` would."""
        done = Replayed()
        text = self._item(item, done)
        done.add_run(item.line, [text] if text else [])
        return done

    def _begin(self, source: str) -> None:
        self._source, self._reader = source, LineReader(source)
        self._bare = received_json(RawFrame(b"", source=source))
        self._receptions.clear()

    def _quickly(self, line: str) -> _Quick | None:
        """Read a line that is hex alone, or as `format_line` writes it; None for anything else."""
        if not self._as_json or self._reader.only_marked:
            return None
        try:
            if ";" not in line:
                return bytes.fromhex(line), self._bare, None
            at, rssi_dbm, mode, digits = line.split(";")
            raw = bytes.fromhex(digits)
            heard_at = datetime.fromisoformat(at) if at else None
        except ValueError:
            return None
        if not raw or len(raw) != raw[0] + 1:
            return None
        reception = self._reception(rssi_dbm, mode)
        if reception is None or not (at and _is_own_time(at)):
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

    def _general(self, number: int, line: str, done: Replayed) -> str | None:
        """Read any line; None when there is nothing to show for it."""
        item = self._reader.read(number, line)
        return None if item is None else self._item(item, done)

    def _item(self, item: CaptureItem, done: Replayed) -> str | None:
        """Decode in full what no plan fits."""
        if isinstance(item, CaptureEntry) and not self._share.has(_sender(item.frame)):
            return _OF_OTHERS
        self._items += 1
        if isinstance(item, BadLine):
            if self._share.number == 0:
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
