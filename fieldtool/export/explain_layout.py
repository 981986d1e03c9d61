"""The lines of an explanation as a terminal of some width shows them: what is too long goes on below its column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

NAME_WIDTH: Final = 15
BYTES_A_LINE: Final = 12
NARROW: Final = 100
"""Columns below which a line has fewer bytes, and names take no more room than the longest of them needs."""

_BYTES_A_NARROW_LINE: Final = 6
_GLUE: Final = "\0"
"""Stands for a blank at which no line is to end; no text that was made safe has one."""

_MIN_TEXT: Final = 16
"""Columns below which a text begins on a line of its own."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide lines may be: None for as long as their text is, as a file or another program wants them."""

    width: int | None = None
    name_width: int = NAME_WIDTH

    @classmethod
    def of(cls, width: int | None, longest_name: int) -> Layout:
        """Return the layout for a terminal, or None for no terminal, and the longest name of a field."""
        narrow = width is not None and width < NARROW
        return cls(width, min(longest_name, NAME_WIDTH) if narrow else NAME_WIDTH)

    @property
    def bytes_a_line(self) -> int:
        """How many bytes stand in a line."""
        return BYTES_A_LINE if self.width is None or self.width >= NARROW else _BYTES_A_NARROW_LINE

    @property
    def hex_width(self) -> int:
        """Columns that the bytes of a line take."""
        return 3 * self.bytes_a_line - 1

    def hang(self, head: str, text: str) -> Iterator[str]:
        """Yield what stands in the first columns, and a text beside it."""
        return self.beside([head], text)

    def beside(self, heads: list[str], text: str) -> Iterator[str]:
        """Yield a text beside lines of which all but the last are as wide as the first."""
        column = max(map(len, heads))
        if self.width is None:
            pieces = [text.replace(_GLUE, " ")]
        elif self.width - column >= _MIN_TEXT:
            pieces = self._pieces(text, self.width - column)
        else:
            indent = min(len(heads[0]) - len(heads[0].lstrip()) + 2, max(0, self.width - _MIN_TEXT))
            yield from (head.rstrip() for head in heads)
            yield from (f"{'':{indent}}{piece}" for piece in self._pieces(text, self.width - indent))
            return
        for head, piece in zip_longest(heads, pieces, fillvalue=""):
            yield f"{head:{column}}{piece}".rstrip()

    @staticmethod
    def whole(text: str) -> str:
        """Return a text that is not to be broken where it has room on a line."""
        return text.replace(" ", _GLUE)

    @staticmethod
    def _pieces(text: str, width: int) -> list[str]:
        pieces = textwrap.wrap(text, max(1, width), break_on_hyphens=False)
        return [piece.replace(_GLUE, " ") for piece in pieces]
