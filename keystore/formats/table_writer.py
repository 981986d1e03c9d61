"""Lines of tables that are written: cells that a spreadsheet neither changes nor runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_FORMULA_BEGINNINGS: Final = tuple("=+-@\t\r")


def table_line(cells: Sequence[str], delimiter: str = ";", quoted: frozenset[int] = frozenset()) -> str:
    """Return one line with its end (CRLF); the cells at the `quoted` places are quoted whatever they hold."""
    return delimiter.join(table_cell(text, delimiter, quote=i in quoted) for i, text in enumerate(cells)) + "\r\n"


def table_cell(text: str, delimiter: str, *, quote: bool = False) -> str:
    """Return one cell; what a spreadsheet would run as a formula gets an apostrophe before it."""
    if text.startswith(_FORMULA_BEGINNINGS):
        text = f"'{text}"
    if quote or any(c in text for c in f'"\r\n{delimiter}'):
        return '"' + text.replace('"', '""') + '"'
    return text
