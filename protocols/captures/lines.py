"""Captures of one telegram a line, in any form that the paste door knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from protocols.captures.hex_lines import LINE_LIMIT, MARK, MIN_FRAME, parse_own_line
from protocols.captures.model import BadLine, CaptureEntry, CaptureItem, NotRecognised, Pasted
from protocols.captures.paste import recognise
from protocols.captures.plausible import length_fits
from protocols.captures.rtl_433 import is_heading
from protocols.model import RawFrame


def parse_lines(lines: Iterable[str], source: str = "") -> Iterator[CaptureItem]:
    """Read a capture line by line; a bad line becomes a `BadLine` and never ends the file.

    Blank lines, comments and headings are skipped. Once a line with `telegram=` was seen, so are lines without it:
    files of that kind hold other things too. Times without a zone become offsets from the first of them.
    """
    only_marked = False
    first: datetime | None = None
    for number, text in enumerate(lines, start=1):
        marked = MARK in text
        only_marked = only_marked or marked
        if only_marked and not marked:
            continue
        frame = _quickly(text, source)
        if frame is not None:
            yield CaptureEntry(number, frame)
            continue
        try:
            pasted = _recognise(text)
        except NotRecognised as error:
            yield BadLine(number, error.seen)
            continue
        if pasted is None:
            continue
        if first is None:
            first = pasted.local_at
        yield _entry(number, pasted, source, first)


def _quickly(text: str, source: str) -> RawFrame | None:
    """Return the frame of a line that is nothing but the hex of one whole frame, or was written by `format_line`."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        frame = parse_own_line(text, source)
        return frame if frame is not None and length_fits(frame.data) else None
    return RawFrame(data, source=source) if length_fits(data) else None


def _recognise(text: str) -> Pasted | None:
    if len(text) > LINE_LIMIT:
        raise NotRecognised(f"line of {len(text)} characters; a telegram has at most 512 hex digits", "check the file")
    bare = text.lstrip("\ufeff").lstrip()
    if not bare or bare.startswith("#") or is_heading(bare):
        return None
    return recognise(bare)


def _entry(number: int, pasted: Pasted, source: str, first: datetime | None) -> CaptureItem:
    frame = pasted.frame
    if len(frame.data) < MIN_FRAME:
        return BadLine(number, f"{len(frame.data)} bytes are too few for a telegram")
    offset_s = pasted.offset_s
    if offset_s is None and pasted.local_at is not None and first is not None:
        offset_s = (pasted.local_at - first).total_seconds()
    return CaptureEntry(number, replace(frame, source=source) if source else frame, offset_s, pasted.kind)
