"""Captures of one telegram a line, or several, in any form that the paste door knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from protocols.captures.hex_lines import LINE_LIMIT, MARK, MIN_FRAME, parse_own_line
from protocols.captures.key_rows import is_row_of_keys
from protocols.captures.model import (
    LINE,
    BadLine,
    CaptureEntry,
    CaptureItem,
    NotRecognised,
    Pasted,
    SeveralFrames,
    SeveralLines,
)
from protocols.captures.paste import recognise
from protocols.captures.plausible import length_fits
from protocols.captures.rtl_433 import is_heading
from protocols.mbus.wired import Acknowledge
from protocols.model import Link, RawFrame
from protocols.plural import counted

_ACKNOWLEDGE = Acknowledge().to_bytes()
"""The one frame of the wired bus that is shorter than five bytes."""


def parse_lines(lines: Iterable[str], source: str = "") -> Iterator[CaptureItem]:
    """Read a capture line by line; a bad line becomes a `BadLine` and never ends the file."""
    reader = LineReader(source)
    for number, text in enumerate(lines, start=1):
        item = reader.read(number, text)
        if isinstance(item, SeveralLines):
            yield from reader.unfold(number, item)
        elif item is not None:
            yield item


class LineReader:
    """Reads the lines of one capture in turn.

    Blank lines, comments and headings are skipped. Once a line with `telegram=` was seen, so are lines without it:
    files of that kind hold other things too. Times without a zone become offsets from the first of them. `unit` is
    what bad lines are counted in.
    """

    def __init__(self, source: str = "", unit: str = LINE) -> None:
        self._source = source
        self._unit = unit
        self._first: datetime | None = None
        self.only_marked = False

    def each(self, number: int, text: str) -> Iterator[CaptureItem]:
        """Yield all that a line holds."""
        item = self.read(number, text)
        if isinstance(item, SeveralLines):
            yield from self.unfold(number, item)
        elif item is not None:
            yield item

    def unfold(self, number: int, several: SeveralLines) -> Iterator[CaptureItem]:
        """Yield all that the lines hold that a line stands for."""
        for text in several.texts:
            yield from self.each(number, text)

    def read(self, number: int, text: str) -> CaptureItem | SeveralLines | None:
        """Return what a line holds; None when it is to be skipped."""
        marked = MARK in text
        self.only_marked = self.only_marked or marked
        if self.only_marked and not marked:
            return None
        frame = _quickly(text, self._source)
        if frame is not None:
            return CaptureEntry(number, frame)
        try:
            pasted = _recognise(text)
        except SeveralFrames as several:
            return SeveralLines(several.texts)
        except NotRecognised as error:
            return BadLine(number, error.seen, self._unit)
        if pasted is None:
            return None
        if self._first is None:
            self._first = pasted.local_at
        return self._entry(number, pasted)

    def _entry(self, number: int, pasted: Pasted) -> CaptureItem:
        frame = pasted.frame
        size = len(frame.data)
        if size < MIN_FRAME and frame.link is Link.MBUS and frame.data != _ACKNOWLEDGE:
            are = "is" if size == 1 else "are"
            return BadLine(number, f"{counted(size, 'byte')} {are} too few for a telegram", self._unit)
        offset_s = pasted.offset_s
        if offset_s is None and pasted.local_at is not None and self._first is not None:
            offset_s = (pasted.local_at - self._first).total_seconds()
        return CaptureEntry(
            number, replace(frame, source=self._source) if self._source else frame, offset_s, pasted.kind
        )


def _quickly(text: str, source: str) -> RawFrame | None:
    """Return the frame of a line that is nothing but the hex of one whole frame, or was written by `format_line`."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        frame = parse_own_line(text, source)
        sure = frame is not None and (frame.link is Link.LORAWAN or frame.frame_format or length_fits(frame.data))
        return frame if sure else None
    return RawFrame(data, source=source) if length_fits(data) and not is_row_of_keys(text) else None


def _recognise(text: str) -> Pasted | None:
    if len(text) > LINE_LIMIT:
        raise NotRecognised(f"line of {len(text)} characters; a telegram has at most 512 hex digits", "check the file")
    bare = text.lstrip("\ufeff").lstrip()
    if not bare or bare.startswith("#") or is_heading(bare):
        return None
    return recognise(bare)
