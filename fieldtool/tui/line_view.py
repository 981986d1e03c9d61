"""A scrolling view of styled lines that draws only what is visible and redraws only what changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from fieldtool.tui.cells import Cell, Line, wrap

STYLES = (
    *("plain", "strong", "muted", "heading", "good", "warning", "bad"),
    *("decrypted", "encrypted", "marked", "cursor", "chosen"),
)
"""The names of styles that cells may use; their looks are in app.tcss."""

_WITH_BACKGROUND = frozenset({"marked", "cursor"})
"""Their whole look is used, of the others only the foreground; `chosen` lies behind cells of any style."""


def joined_cells(line: Iterable[Cell]) -> list[Cell]:
    """Join cells of one style, and blanks to what they stand behind: changes of style are most of what is sent."""
    joined: list[Cell] = []
    for text, style in line:
        if joined:
            before, before_style = joined[-1]
            blank = text.isspace() and not {style, before_style} & _WITH_BACKGROUND
            if style == before_style or blank:
                joined[-1] = before + text, before_style
                continue
        joined.append((text, style))
    return joined


class LineView(ScrollView, can_focus=True, inherit_bindings=False):
    """Base of all lists: subclasses give the lines, this class draws them.

    Call `show_lines` after what the lines are made of has changed; lines that are as they were are not drawn again.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{name}" for name in STYLES}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "line_up", "Up", False, tooltip="One line up", id="view.up"),
        Binding("down,j", "line_down", "Down", False, tooltip="One line down", id="view.down"),
        Binding("pageup", "screen_up", "Page up", False, tooltip="One screen up", id="view.page_up"),
        Binding("pagedown", "screen_down", "Page down", False, tooltip="One screen down", id="view.page_down"),
        Binding("home,g", "first_line", "First", False, tooltip="To the first line", id="view.first"),
        Binding("end,G", "last_line", "Last", False, tooltip="To the last line", id="view.last"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._drawn: dict[int, tuple[int, Line]] = {}

    def line_count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line_at(self, index: int, width: int) -> Line:
        """The line at `index`, made for `width` cells."""
        raise NotImplementedError

    def empty_lines(self) -> Sequence[str]:
        """What is said instead when there is no line: what is missing, and what to do."""
        raise NotImplementedError

    @property
    def line_width(self) -> int:
        """Cells for one line, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def page_height(self) -> int:
        """Lines that are visible at once."""
        return max(1, self.scrollable_content_region.height)

    def on_resize(self) -> None:
        """Make the lines anew for the new width, and keep in view what is looked at; views that come into sight too."""
        self.show_lines()
        self.call_after_refresh(self.reveal_chosen)

    def reveal_chosen(self) -> None:
        """Scroll to what is looked at; where nothing is, stay."""

    def show_lines(self) -> None:
        """Draw those visible lines that are not as they were."""
        size = Size(1, self.line_count())
        if size != self.virtual_size:
            self.virtual_size = size
        top = self.scroll_offset.y
        for y, drawn in list(self._drawn.items()):
            if (y + top, self._visible_line(y + top)) != drawn:
                self.refresh_line(y + top)

    def render_line(self, y: int) -> Strip:
        """Draw the line `y` cells below the top edge."""
        index = y + self.scroll_offset.y
        line = self._visible_line(index)
        self._drawn[y] = (index, line)
        if len(self._drawn) > 2 * self.page_height:
            self._drawn = {row: drawn for row, drawn in self._drawn.items() if row < self.page_height}
        strip = Strip(self._segments(line)).adjust_cell_length(self.line_width)
        return self.finish_line(index, strip).apply_style(self.rich_style)

    def finish_line(self, index: int, strip: Strip) -> Strip:
        """Change a drawn line as a whole; here not at all."""
        return strip

    def style_named(self, name: str) -> Style:
        """Return a style of `STYLES`; only marks and cursors bring a background."""
        full = self.get_component_rich_style(f"line--{name}")
        if name in _WITH_BACKGROUND:
            return full
        return Style(color=full.color, bold=full.bold, italic=full.italic, underline=full.underline, dim=full.dim)

    def _segments(self, line: Iterable[Cell]) -> list[Segment]:
        return [Segment(text, self.style_named(style)) for text, style in joined_cells(line)]

    def _visible_line(self, index: int) -> Line:
        count = self.line_count()
        if count:
            return self.line_at(index, self.line_width) if index < count else ()
        lines = [
            (line, "muted" if place else "plain")
            for place, text in enumerate(self.empty_lines())
            for line in wrap(text, self.line_width)
        ]
        row = index - max(0, (self.page_height - len(lines)) // 2)
        if not 0 <= row < len(lines):
            return ()
        text, style = lines[row]
        return ((f"{text:^{self.line_width}}", style),)

    def action_line_up(self) -> None:
        """One line up."""
        self.scroll_relative(y=-1, animate=False)

    def action_line_down(self) -> None:
        """One line down."""
        self.scroll_relative(y=1, animate=False)

    def action_screen_up(self) -> None:
        """One screen up."""
        self.scroll_relative(y=-self.page_height, animate=False)

    def action_screen_down(self) -> None:
        """One screen down."""
        self.scroll_relative(y=self.page_height, animate=False)

    def action_first_line(self) -> None:
        """To the first line."""
        self.scroll_to(y=0, animate=False)

    def action_last_line(self) -> None:
        """To the last line."""
        self.scroll_to(y=self.line_count(), animate=False)
