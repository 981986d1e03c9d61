"""Text tables as bytes: encoding, delimiter, lines and cells; nothing of what the cells mean."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.key_text import looks_like_key

DELIMITERS: Final = ";,\t|"
HEADER_SEARCH_LINES: Final = 20
"""A table may stand below a title; further down than this it is not looked for."""

_CHUNK: Final = 1 << 20
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_GUESSED: Final = "the file is not UTF-8: read as Windows-1252, check the umlauts"


def is_text(data: bytes) -> bool:
    """True for anything that can be text."""
    return b"\0" not in data[:4096] or data[:2] in _UTF16_MARKS


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its number from 1, and its cells."""

    number: int
    cells: list[str]


class TableText:
    """The text of a table that is being read: its first lines, and then all rows behind one of them.

    `warnings` says when the encoding had to be guessed; `declared` is the delimiter of a spreadsheet's `sep=` line.
    """

    def __init__(self, data: bytes, thing: str) -> None:
        self._thing = thing
        encoding, guessed = _encoding(data)
        self._lines = io.TextIOWrapper(io.BytesIO(data), encoding, errors="replace", newline="")
        self.warnings = (_GUESSED,) if guessed else ()
        self.head: list[str] = list(islice(self._lines, HEADER_SEARCH_LINES))
        self.declared = _declared_delimiter(self.head)
        self.lines = data.count(b"\n") + 1

    def rows(self, delimiter: str, after: int) -> Iterator[Line]:
        """Yield the rows behind the first `after` lines; empty lines and comments (`#`) are passed over.

        Raises `ImportRejected` where the table cannot be read on. Can be called once.
        """
        reader = csv.reader(chain(self.head[after:], self._lines), delimiter=delimiter)
        line = after
        try:
            for cells in reader:
                number, line = line + 1, after + reader.line_num
                if line > number and any(_holds_lines(cell, delimiter) for cell in cells):
                    raise self._swallowed(number)
                if cells and not cells[0].lstrip().startswith("#") and any(map(str.strip, cells)):
                    yield Line(number, cells)
        except csv.Error:
            raise ImportRejected(
                ImportReason.DAMAGED,
                f"{self._thing} cannot be read as a table from line {line + 1}",
                "check its quotes",
            ) from None

    def _swallowed(self, number: int) -> ImportRejected:
        """What is to be said of a cell that holds the keys of other lines: the last of them would be this line's."""
        return ImportRejected(
            ImportReason.DAMAGED,
            f"{self._thing}: a quote in line {number} has no end before other lines with keys",
            "check the quotes of that line",
        )


def _holds_lines(cell: str, delimiter: str) -> bool:
    """True for a cell that holds other lines of the table with their keys; a note of several lines may hold a key."""
    return delimiter in cell and ("\n" in cell or "\r" in cell) and looks_like_key(cell)


def cells_of(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line that stands alone, none when it cannot be split."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def first_line(data: bytes) -> str:
    """Return the first line that is neither empty nor a comment of what may be a table, to tell formats apart."""
    encoding, _ = _encoding(data[:_CHUNK], whole=len(data) <= _CHUNK)
    text = data[:_CHUNK].decode(encoding, "replace")
    return next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")


def text_lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is neither empty nor a comment."""
    encoding, _ = _encoding(data)
    lines = io.TextIOWrapper(io.BytesIO(data), encoding, errors="replace")
    for number, line in enumerate(lines, start=1):
        text = line.strip().strip("\ufeff")
        if text and not text.startswith("#"):
            yield number, text


def likely_delimiter(lines: Sequence[str], columns: int) -> str:
    """Return the delimiter that gives most of the lines at least so many cells."""
    return max(DELIMITERS, key=lambda delimiter: sum(len(cells_of(line, delimiter)) >= columns for line in lines))


def _encoding(data: bytes, *, whole: bool = True) -> tuple[str, bool]:
    """Return the encoding and whether it is a guess."""
    if data[:2] in _UTF16_MARKS:
        return "utf-16", False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _CHUNK):
            decoder.decode(data[start : start + _CHUNK], whole and start + _CHUNK >= len(data))
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8-sig", False
    # Five bytes mean nothing in Windows-1252; who wrote them used Latin-1.
    return ("latin-1" if _undefined(data) else "cp1252"), True


def _undefined(data: bytes) -> bool:
    return any(byte in data for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"))


def _declared_delimiter(head: Sequence[str]) -> str | None:
    for line in head:
        text = line.strip().strip('"').lstrip("\ufeff")
        if text.lower().startswith("sep=") and len(text) == 5:
            return text[4]
    return None
