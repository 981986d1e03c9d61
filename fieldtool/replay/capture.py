"""A capture file as a stream of entries, whatever its length and whatever is in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, cast

from fieldtool.errors import InputError
from fieldtool.replay.packed import Progress, unpacked, unpacked_name
from protocols.captures.hex_lines import LINE_LIMIT
from protocols.captures.json_objects import ObjectSplitter, begins_as_json
from protocols.captures.lines import LineReader, parse_lines
from protocols.captures.model import LINE, OBJECT, BadLine, CaptureItem

STDIN = "-"
_SNIFFED = 4096
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

BLOCK_SIZE: Final = 1 << 16
"""Bytes read at a time, some 400 telegrams: what they become still fits into a processor's cache."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines of a capture: the number of the first, counted from 1, their bytes, and the capture's name.

    `begins` is set in the first block of a capture. `heard_only` are numbers of lines to be decoded and not shown.
    `unit` is what is counted: of a capture that is JSON, each object is a line. `bad` stands behind the lines and is no
    telegram.
    """

    first: int
    data: bytes
    source: str
    begins: bool = False
    heard_only: frozenset[int] = frozenset()
    unit: str = LINE
    bad: tuple[BadLine, ...] = ()

    @property
    def size(self) -> int:
        """How many lines it has."""
        return self.data.count(b"\n") + 1

    def lines(self) -> list[str]:
        """The lines as text; bytes that are no UTF-8 become replacement characters."""
        return self.data.decode("utf-8", "replace").split("\n")


def open_capture(path: Path, progress: Progress | None = None) -> Iterator[CaptureItem]:
    """Yield the entries and bad lines of a capture, which may be packed; `-` is standard input.

    `progress` is told how many bytes were read, line by line. Raises `InputError` when the file cannot be read or is
    no text.
    """
    with _opened(path, progress) as (file, source, counted):
        yield from items_of(file, source, counted)


def items_of(file: BufferedReader, source: str = "", progress: Progress | None = None) -> Iterator[CaptureItem]:
    """Yield the entries and bad lines of an open capture."""
    if not begins_as_json(file.peek(_SNIFFED)[:_SNIFFED]):
        yield from parse_lines(lines_of(file, progress), source)
        return
    reader = LineReader(source, OBJECT)
    for block in _object_blocks(file, source, progress):
        for number, text in enumerate(block.lines(), block.first):
            yield from reader.each(number, text)
        yield from block.bad


def open_captures(paths: Iterable[Path]) -> Iterator[CaptureItem]:
    """Yield the entries and bad lines of several captures, one after the other."""
    for path in paths:
        yield from open_capture(path)


def open_blocks(path: Path, progress: Progress | None = None) -> Iterator[Block]:
    """Yield a capture in blocks of whole lines, in constant memory; as `open_capture` otherwise.

    What goes beyond `LINE_LIMIT` of a line is let go, all but one byte. A block is handed over as soon as there is
    one, so that what comes through a pipe is not held back.
    """
    with _opened(path, progress) as (file, source, counted):
        if begins_as_json(file.peek(_SNIFFED)[:_SNIFFED]):
            yield from _object_blocks(file, source, counted)
            return
        number, rest = 1, b""
        while data := file.read1(BLOCK_SIZE):
            if counted is not None:
                counted(len(data))
            lines, end, tail = data.rpartition(b"\n")
            if not end:
                if len(rest) <= LINE_LIMIT:
                    rest = (rest + tail)[: LINE_LIMIT + 1]
                continue
            if rest:
                # What was kept of a long line is not made longer again.
                first, end, others = lines.partition(b"\n")
                lines = (rest + first)[: LINE_LIMIT + 1] + end + others
            yield Block(number, lines, source, begins=number == 1)
            number += lines.count(b"\n") + 1
            rest = tail
        if rest:
            yield Block(number, rest, source, begins=number == 1)


class UntilFailure:
    """Blocks up to what cannot be read, so that all before it is shown; `end` raises then what was wrong."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = blocks
        self._failure: InputError | None = None

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks."""
        try:
            yield from self._blocks
        except InputError as error:
            self._failure = error

    def end(self) -> None:
        """Raise `InputError` when something could not be read."""
        if self._failure is not None:
            raise self._failure


def _object_blocks(file: BufferedReader, source: str, progress: Progress | None) -> Iterator[Block]:
    """Yield a capture that is JSON in blocks of whole objects, each as one line."""
    splitter = ObjectSplitter()
    first, begins = 1, True
    while not splitter.has_ended and (data := file.read1(BLOCK_SIZE)):
        if progress is not None:
            progress(len(data))
        for objects, bad in _runs(splitter.feed(data)):
            yield Block(first, b"\n".join(objects), source, begins, unit=OBJECT, bad=bad)
            first += len(objects) + len(bad)
            begins = False
    missing = splitter.end()
    if missing is not None:
        yield Block(first, b"", source, begins, unit=OBJECT, bad=(missing,))


def _runs(items: Iterable[bytes | BadLine]) -> Iterator[tuple[list[bytes], tuple[BadLine, ...]]]:
    """Yield objects up to the next one that is bad, with that one."""
    objects: list[bytes] = []
    for item in items:
        if isinstance(item, BadLine):
            yield objects, (item,)
            objects = []
        else:
            objects.append(item)
    if objects:
        yield objects, ()


def standard_input() -> BufferedReader:
    """Return standard input; raises `InputError` when it is no text, of which a line without end might come."""
    stdin = cast(BufferedReader, sys.stdin.buffer)
    stdin = unpacked(stdin, "standard input") or stdin
    _refuse_binary("standard input", stdin.peek(_SNIFFED)[:_SNIFFED])
    return stdin


@contextmanager
def _opened(path: Path, progress: Progress | None) -> Iterator[tuple[BufferedReader, str, Progress | None]]:
    """Open a capture for its text; what counts the bytes of that is None where those of a packed file are counted."""
    if str(path) == STDIN:
        yield standard_input(), "stdin", progress
        return
    try:
        with path.open("rb") as file:
            text = unpacked(file, str(path), progress)
            counted = progress if text is None else None
            text = file if text is None else text
            _refuse_binary(str(path), text.peek(_SNIFFED)[:_SNIFFED])
            yield text, unpacked_name(path), counted
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"{path}: {reason}", "check the name and whether you may read it") from error


def lines_of(file: BinaryIO, progress: Callable[[int], None] | None = None, limit: int = LINE_LIMIT) -> Iterator[str]:
    """Yield lines as text in constant memory: what goes beyond `limit` bytes of a line is read and let go.

    Bytes that are no UTF-8 become replacement characters, so that a line with an umlaut in a comment still counts. A
    line that was cut is one character longer than `limit`.
    """
    while line := file.readline(limit + 1):
        whole = len(line)
        while not line.endswith(b"\n") and len(line) > limit and (more := file.readline(limit)):
            whole += len(more)
            if more.endswith(b"\n"):
                break
        if progress is not None:
            progress(whole)
        yield line.decode("utf-8", "replace")


def _refuse_binary(name: str, start: bytes) -> None:
    if start.startswith(UTF16_MARKS):
        raise InputError(f"{name} is UTF-16 text", "save it as UTF-8")
    if b"\0" in start:
        raise InputError(
            f"{name} is no text: captures hold one telegram a line, in hex", "check the name, or what is piped in"
        )
