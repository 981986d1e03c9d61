"""A golden file: telegrams as JSON, one a line, as `replay --json` wrote them; read in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from fieldtool.errors import InputError
from fieldtool.replay.capture import STDIN, UTF16_MARKS
from fieldtool.replay.golden_members import NoTelegram, parse_telegram
from fieldtool.replay.packed import unpacked

LINE_LIMIT: Final = 1 << 20
"""Bytes of a line that are kept; the longest telegrams make some ten thousand."""

READ_SIZE: Final = 1 << 20
LOOKED_AT: Final = 1 << 16
"""Bytes at the start in which a telegram must be found."""

HOW_TO_MAKE: Final = "make one with: fieldtool replay CAPTURE --json > GOLDEN"

_MARK: Final = b"\xef\xbb\xbf"


class GoldenFile:
    """The lines of an open golden file, taken one by one or, where they are what is expected, many at once."""

    def __init__(self, file: BufferedReader, name: str) -> None:
        self._file = file
        self._name = name
        self._buffer = b""
        self._at = 0
        self._ended = False
        self.line = 0
        """The number of the line that was taken last."""
        self._fill(LOOKED_AT)
        if self._buffer.startswith(_MARK):
            self._at = len(_MARK)

    def begin(self) -> bytes:
        """What the file begins with; nothing is taken."""
        return self._buffer[self._at : self._at + LOOKED_AT]

    def take_equal(self, chunks: Sequence[bytes | memoryview], lines: int) -> int:
        """Take what is byte by byte the same as `chunks`, which are so many whole lines; return how many chunks are."""
        self._fill(sum(map(len, chunks)))
        buffer, start = self._buffer, self._at
        at, same = start, 0
        for chunk in chunks:
            if not buffer.startswith(chunk, at):
                break
            at += len(chunk)
            same += 1
        self._at = at
        # Counting takes longer than comparing.
        self.line += lines if same == len(chunks) else buffer.count(b"\n", start, at)
        return same

    def take(self) -> bytes | None:
        """Take the next line, without its end, or None; of one beyond `LINE_LIMIT`, one byte more than that."""
        found = self._buffer.find(b"\n", self._at)
        while found < 0 and not self._ended and len(self._buffer) - self._at <= LINE_LIMIT:
            known = len(self._buffer) - self._at
            self._fill(known + 1)
            found = self._buffer.find(b"\n", self._at + known)
        if found < 0:
            return self._take_unended()
        line = self._buffer[self._at : found]
        self._at = found + 1
        self.line += 1
        return line.removesuffix(b"\r")[: LINE_LIMIT + 1]

    def _take_unended(self) -> bytes | None:
        """Take the last line, or one that is too long, and let go of the rest of it."""
        line = self._buffer[self._at : self._at + LINE_LIMIT + 1]
        self._at = len(self._buffer)
        while not self._ended:
            self._fill(1)
            found = self._buffer.find(b"\n", self._at)
            if found >= 0:
                self._at = found + 1
                break
            self._at = len(self._buffer)
        if not line:
            return None
        self.line += 1
        return line.removesuffix(b"\r")

    def _fill(self, size: int) -> None:
        """Have so many bytes at hand, unless the file ends before."""
        while not self._ended and len(self._buffer) - self._at < size:
            try:
                more = self._file.read(READ_SIZE)
            except OSError as error:
                raise InputError(
                    f"{self._name}: {error.strerror or 'cannot be read'}", "check the disk, or make it again"
                ) from error
            self._ended = not more
            self._buffer = self._buffer[self._at :] + more
            self._at = 0


@contextmanager
def open_golden(path: Path, captures: Iterable[Path] = ()) -> Iterator[GoldenFile]:
    """Open a golden file; raises `InputError` where it cannot be one, as when it is one of the captures."""
    if str(path) == STDIN:
        raise InputError("a golden is not read from standard input", "name a file, or a pipe: --against <(...)")
    if any(_same(path, capture) for capture in captures):
        raise InputError(f"{path} is the capture itself, not a golden of it", HOW_TO_MAKE)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder", f"name the golden file in it; {HOW_TO_MAKE}")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file", HOW_TO_MAKE) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the name and whether you may read it") from error
    with file:
        golden = GoldenFile(unpacked(file, str(path)) or file, str(path))
        _refuse_other(path, golden.begin())
        yield golden


def _same(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)  # noqa: PTH121 - of two paths that may not exist
    except OSError:
        return False


def _refuse_other(path: Path, begin: bytes) -> None:
    """Refuse what holds no telegram in its first lines, and say what it looks like."""
    if begin.startswith(UTF16_MARKS):
        raise InputError(f"{path} is UTF-16 text", "save it as UTF-8; Windows PowerShell: | Out-File -Encoding utf8")
    if b"\0" in begin:
        raise InputError(f"{path} is no text", HOW_TO_MAKE)
    if not begin.strip():
        raise InputError(f"{path} is empty", f"{HOW_TO_MAKE}, into another file than that it is compared with")
    lines = begin.splitlines()
    if any(map(_is_telegram, lines)) or (len(begin) >= LOOKED_AT and lines[-1].startswith(b"{")):
        return
    what = "telegrams of `--json`" if any(line.startswith(b"{") for line in lines) else "JSON; is it a capture?"
    raise InputError(f"{path} is no golden file: it does not hold {what}", HOW_TO_MAKE)


def _is_telegram(line: bytes) -> bool:
    try:
        parse_telegram(line)
    except NoTelegram:
        return False
    return True
