"""The line of column titles above a list."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.widget import Widget

from fieldtool.tui.cells import Line

_SCROLL_BAR_WIDTH = 1


class Heading(Widget):
    """One line, as wide as the lines of the list below it."""

    def __init__(self, line_for: Callable[[int], Line]) -> None:
        super().__init__(id="heading")
        self._line_for = line_for

    def render(self) -> Text:
        """The titles."""
        width = self.size.width - _SCROLL_BAR_WIDTH
        return Text("".join(text for text, _ in self._line_for(width)), no_wrap=True, end="")
