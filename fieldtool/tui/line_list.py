"""A line view with a cursor: one line is the chosen one."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from fieldtool.tui.line_view import LineView

MARKER = "▌"
"""Stands before the chosen line, so that it is found without colours too."""

MARKER_WIDTH = 1


class LineList(LineView):
    """Base of lists in which one line is chosen; `Moved` and `Chosen` are posted only for what the user does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", tooltip="Open the line under the cursor", id="list.choose"),
    ]

    class Moved(Message):
        """The user moved the cursor."""

        def __init__(self, view: LineList) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LineList:
            """The list it happened in."""
            return self.view

    class Chosen(Moved):
        """The user pressed enter, or clicked twice."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.cursor = 0

    def put_cursor(self, index: int) -> None:
        """Move the cursor, and scroll no more than is needed to see it."""
        self.cursor = max(0, min(index, self.line_count() - 1))
        self.show_lines()
        self.reveal(self.cursor)

    def reveal_chosen(self) -> None:
        """Scroll to the cursor."""
        self.reveal(self.cursor)

    def reveal(self, index: int) -> None:
        """Scroll no more than is needed to see a line."""
        top = self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False)
        elif index >= top + self.page_height:
            self.scroll_to(y=index - self.page_height + 1, animate=False)

    def finish_line(self, index: int, strip: Strip) -> Strip:
        """Put the marker and the cursor's background on the chosen line."""
        if index != self.cursor or not self.line_count():
            return strip
        if not self.has_focus:
            return strip
        return strip.apply_style(Style(bgcolor=self.get_component_rich_style("line--chosen").bgcolor))

    def marker(self, index: int) -> tuple[str, str]:
        """The cell that every line of a list begins with."""
        if index != self.cursor:
            return " " * MARKER_WIDTH, "plain"
        return MARKER, "heading" if self.has_focus else "muted"

    def on_focus(self) -> None:
        """Show the cursor as the one that keys move."""
        self.show_lines()

    def on_blur(self) -> None:
        """Show the cursor as resting."""
        self.show_lines()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a second click opens."""
        index = event.y + self.scroll_offset.y
        if index < self.line_count():
            self._move(index)
            if event.chain == 2:
                self.post_message(self.Chosen(self))

    def _move(self, index: int) -> None:
        self.put_cursor(index)
        self.post_message(self.Moved(self))

    def action_choose(self) -> None:
        """Open the line under the cursor."""
        if self.line_count():
            self.post_message(self.Chosen(self))

    def action_line_up(self) -> None:
        """Choose the line above."""
        self._move(self.cursor - 1)

    def action_line_down(self) -> None:
        """Choose the line below."""
        self._move(self.cursor + 1)

    def action_screen_up(self) -> None:
        """Choose one screen further up."""
        self._move(self.cursor - self.page_height)

    def action_screen_down(self) -> None:
        """Choose one screen further down."""
        self._move(self.cursor + self.page_height)

    def action_first_line(self) -> None:
        """Choose the first line."""
        self._move(0)

    def action_last_line(self) -> None:
        """Choose the last line."""
        self._move(self.line_count() - 1)
