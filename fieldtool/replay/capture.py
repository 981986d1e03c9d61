"""A capture file as a stream of entries, whatever its length and whatever is in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from fieldtool.errors import InputError
from protocols.captures.hex_lines import LINE_LIMIT
from protocols.captures.lines import parse_lines
from protocols.captures.model import CaptureItem

STDIN = "-"
_SNIFFED = 4096
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def open_capture(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[CaptureItem]:
    """Yield the entries and bad lines of a capture; `-` is standard input.

    `progress` is told how many bytes were read, line by line. Raises `InputError` when the file cannot be read or is
    no text.
    """
    if str(path) == STDIN:
        yield from parse_lines(lines_of(sys.stdin.buffer, progress), "stdin")
        return
    try:
        with path.open("rb") as file:
            _refuse_binary(path, file.peek(_SNIFFED)[:_SNIFFED])
            yield from parse_lines(lines_of(file, progress), path.name)
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


def _refuse_binary(path: Path, start: bytes) -> None:
    if start.startswith(_UTF16_MARKS):
        raise InputError(f"{path} is UTF-16 text", "save it as UTF-8")
    if b"\0" in start:
        raise InputError(f"{path} is no text file: captures hold one telegram a line, in hex", "check the name")
