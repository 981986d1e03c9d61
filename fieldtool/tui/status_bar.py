"""The status bar: sources and their links, the counters, the keystore; always there, on every screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from fieldtool.pipeline.reception import Counters
from fieldtool.sources.events import SourceEvent
from fieldtool.tui.cells import Cell, fit
from fieldtool.tui.session import Session
from fieldtool.tui.signs import SOURCE_SIGNS
from protocols.text import safe_text

_STYLES = ("plain", "strong", "muted", "good", "warning", "bad")

_COUNTS: tuple[tuple[str, str, str], ...] = (
    ("received", "received", "strong"),
    ("shown", "shown", "plain"),
    ("damaged", "damaged", "plain"),
    ("no_key", "no key", "plain"),
    ("wrong_key", "wrong key", "plain"),
    ("unusable", "unusable", "plain"),
    ("dropped", "dropped", "plain"),
)
"""Field of `Counters`, word, style of the number."""

_LOSSES = ("unusable", "dropped")
"""Shown as bad where there are any; of both, only those that there are, so that 80 columns suffice."""

_SEPARATOR = " · "


class StatusBar(Widget):
    """Two lines, or one where the terminal is wide enough for all of it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"status--{name}" for name in _STYLES}

    def __init__(self, session: Session) -> None:
        super().__init__(id="status")
        self._session = session
        self._seen: tuple[Counters, tuple[SourceEvent, ...], str] | None = None

    def pull(self) -> None:
        """Read the session, and draw again when something changed."""
        session = self._session
        seen = (session.reception.counters, tuple(session.sources()), session.keystore())
        if seen != self._seen:
            self._seen = seen
            self.refresh()

    def on_mount(self) -> None:
        """Show the state from the first moment on."""
        self.pull()

    def render(self) -> Text:
        """Sources left, keystore right, the counters between or below them."""
        if self._seen is None:
            return Text()
        counters, sources, keystore = self._seen
        left, middle = _source_cells(sources), _count_cells(counters)
        right: list[Cell] = [("keystore ", "muted"), (safe_text(keystore), "plain")]
        width = self.size.width
        if self.size.height == 1:
            return self._text(_spread(left, middle, right, width))
        return self._text([*_spread(left, [], right, width), ("\n", "plain"), *_cut(middle, width)])

    def _text(self, cells: Sequence[Cell]) -> Text:
        text = Text(no_wrap=True, end="")
        for part, style in cells:
            text.append(part, self._style(style))
        return text

    def _style(self, name: str) -> Style:
        full = self.get_component_rich_style(f"status--{name}")
        return Style(color=full.color, bold=full.bold)


def _source_cells(sources: Sequence[SourceEvent]) -> list[Cell]:
    if not sources:
        return [("○ no receiver", "muted")]
    cells: list[Cell] = []
    for source in sources:
        sign = SOURCE_SIGNS[source.state]
        if cells:
            cells.append((_SEPARATOR, "muted"))
        cells += [(f"{sign.glyph} ", sign.style), (f"{safe_text(source.source)} {sign.word}", "plain")]
    return cells


def _count_cells(counters: Counters) -> list[Cell]:
    cells: list[Cell] = []
    for field, word, style in _COUNTS:
        number: int = getattr(counters, field)
        if not number and (field == "unusable" or (field == "dropped" and counters.unusable)):
            continue
        if cells:
            cells.append((_SEPARATOR, "muted"))
        cells += [(f"{word} ", "muted"), (str(number), "bad" if field in _LOSSES and number else style)]
    return cells


def _width(cells: Sequence[Cell]) -> int:
    return sum(cell_len(text) for text, _ in cells)


def _cut(cells: Sequence[Cell], width: int) -> list[Cell]:
    """Cut cells off at `width`, with an ellipsis."""
    kept: list[Cell] = []
    for text, style in cells:
        room = width - _width(kept)
        if cell_len(text) > room:
            return [*kept, (fit(text, room), style)]
        kept.append((text, style))
    return kept


def _spread(left: list[Cell], middle: list[Cell], right: list[Cell], width: int) -> list[Cell]:
    """Put `left` and `right` at the edges and `middle` between them; the left part gives way."""
    left = _cut(left, max(0, width - _width(middle) - _width(right) - 4))
    free = max(0, width - _width(left) - _width(middle) - _width(right))
    before = free // 2 if middle else 0
    return [*left, (" " * before, "plain"), *middle, (" " * (free - before), "plain"), *right]
