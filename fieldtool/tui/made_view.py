"""A scrolling view of lines that are all made at once, for the width there is."""

from __future__ import annotations

from collections.abc import Iterable

from fieldtool.tui.cells import Line
from fieldtool.tui.line_view import LineView


class MadeView(LineView):
    """Base of texts that are wrapped to the width: their lines are made again when it changes, or with `make_anew`."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._made_for = -1

    def make_lines(self, width: int) -> Iterable[Line]:
        """All lines, made for `width` cells."""
        raise NotImplementedError

    def make_anew(self) -> None:
        """Make and draw the lines again: what they are made of is something else."""
        self._made_for = -1
        self.show_lines()

    def line_count(self) -> int:
        """How many lines there are at this width."""
        width = self.line_width
        if width != self._made_for:
            self._lines = tuple(self.make_lines(width))
            self._made_for = width
        return len(self._lines)

    def line_at(self, index: int, width: int) -> Line:
        """One of them."""
        return self._lines[index]
