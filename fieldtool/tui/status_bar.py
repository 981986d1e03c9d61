"""The status bar: sources and their links, the counters, the keystore; always there, on every screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from fieldtool.pipeline.reception import Counters
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.cells import Cell, fit
from fieldtool.tui.session import Session
from fieldtool.tui.signs import OUTCOME_SIGNS, SOURCE_SIGNS
from protocols.model import Outcome
from protocols.text import safe_text

_STYLES = ("plain", "strong", "muted", "good", "warning", "bad")

_COUNTS: tuple[tuple[str, str, str, str], ...] = (
    ("received", "received", "received", "strong"),
    ("shown", "shown", OUTCOME_SIGNS[Outcome.OK].glyph, "plain"),
    ("damaged", "damaged", OUTCOME_SIGNS[Outcome.DAMAGED].glyph, "plain"),
    ("no_key", "no key", OUTCOME_SIGNS[Outcome.NO_KEY].glyph, "plain"),
    ("wrong_key", "wrong key", OUTCOME_SIGNS[Outcome.WRONG_KEY].glyph, "plain"),
    ("unsupported", "unsupported", OUTCOME_SIGNS[Outcome.UNSUPPORTED].glyph, "plain"),
    ("not_permitted", "not permitted", OUTCOME_SIGNS[Outcome.NOT_PERMITTED].glyph, "plain"),
    ("duplicates", "duplicates", "dup", "plain"),
    ("unusable", "unusable", "unusable", "plain"),
    ("dropped", "dropped", "dropped", "plain"),
)
"""Field of `Counters`, word, what stands for it where there is little room, style of the number."""

_LOSSES = ("unusable", "dropped")
"""Shown as bad where there are any, and first where not even the short form of all counts has room."""

_WHERE_THERE_ARE_ANY = ("unsupported", "not_permitted", "duplicates", "unusable")
_ALWAYS = ("received", "shown")

_WORKING = frozenset({SourceState.CONNECTED, SourceState.RECOVERED, SourceState.RECORDING})

_EXPLAINED = frozenset({SourceState.LOST, SourceState.FAILED})
"""Shown with what happened, where there is room for it."""

_SEPARATOR = " · "

_EDGES = 4
"""Cells that stay free between the receivers, the counts and the keystore."""


class StatusBar(Widget):
    """Two lines, or one where the terminal is wide enough for all of it; one more for why a receiver was lost."""

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
            self._make_room()
            self.refresh()

    def on_mount(self) -> None:
        """Show the state from the first moment on."""
        self.pull()

    def on_resize(self) -> None:
        """See whether there is room for reasons now."""
        self._make_room()

    def _make_room(self) -> None:
        """Take a line for reasons where they have no room beside the receivers."""
        self.set_class(bool(self._reasons(self._parts())), "-reasons")

    def _parts(self) -> tuple[list[Cell], list[Cell], list[Cell]]:
        """Receivers, counts and keystore, as they fit."""
        if self._seen is None:
            return [], [], []
        counters, sources, keystore = self._seen
        right: list[Cell] = [("keystore ", "muted"), (safe_text(keystore), "plain")]
        width = self.size.width
        if not self.screen.has_class("-broad"):
            left = _first_fitting(_source_forms(sources), width - _width(right) - _EDGES)
            return left, _cut(_first_fitting(_count_forms(counters), width), width), right
        room = width - _width(right) - _EDGES
        counts = _first_fitting(_count_forms(counters), room - _width(_source_forms(sources)[0]))
        left = _first_fitting(_source_forms(sources), room - _width(counts))
        # Reasons that found no room here leave it to the counts.
        return left, _first_fitting(_count_forms(counters), room - _width(left)), right

    def _reasons(self, parts: tuple[list[Cell], list[Cell], list[Cell]]) -> list[Cell]:
        """Why receivers were lost and what to do, where `parts` do not say it; as much as fits."""
        troubled = (
            [source for source in self._seen[1] if source.state in _EXPLAINED and source.detail] if self._seen else []
        )
        shown = "".join(text for text, _ in parts[0])
        if all(f": {_with_cure(source.detail, source)}" in shown for source in troubled):
            return []
        return _cut(_first_fitting(_reason_forms(troubled), self.size.width), self.size.width)

    def render(self) -> Text:
        """Sources left, keystore right, reasons below them, the counters between or at the bottom."""
        parts = self._parts()
        left, counts, right = parts
        width, below = self.size.width, [("\n", "plain")]
        reasons = self._reasons(parts) if self.has_class("-reasons") else []
        told: list[Cell] = [*below, *reasons] if reasons else []
        if self.screen.has_class("-broad"):
            return self._text([*_spread(left, counts, right, width), *told])
        return self._text([*_spread(left, [], right, width), *told, *below, *counts])

    def _text(self, cells: Sequence[Cell]) -> Text:
        text = Text(no_wrap=True, end="")
        for part, style in cells:
            text.append(part, self._style(style))
        return text

    def _style(self, name: str) -> Style:
        full = self.get_component_rich_style(f"status--{name}")
        return Style(color=full.color, bold=full.bold)


def _source_forms(sources: Sequence[SourceEvent]) -> list[list[Cell]]:
    """The receivers in full, and shorter: without reasons, then a sign for what works, then a part of each name."""
    if not sources:
        return [[("○ no receiver", "muted")]]
    troubles_first = sorted(_briefly(sources), key=lambda named: named[0].state in _WORKING)
    whole = [(source, source.source) for source in sources]
    return [
        _source_cells(whole, frozenset(), explained=True),
        _source_cells(whole, _WORKING, explained=True),
        _source_cells(whole, frozenset()),
        _source_cells(whole, _WORKING),
        _source_cells(troubles_first, _WORKING),
    ]


def _reason_forms(troubled: Sequence[SourceEvent]) -> list[list[Cell]]:
    """The reasons of all with what to do, then without, then those of the first alone."""
    why = [_reason(source) for source in troubled]
    full = [_with_cure(reason, source) for reason, source in zip(why, troubled, strict=True)]
    forms = (full, why, full[:1], why[:1])
    return [[(_SEPARATOR.join(texts), "bad")] for texts in forms]


def _reason(source: SourceEvent) -> str:
    """What happened, and to which receiver where that is not said."""
    told = source.source.split(" ")[-1] in source.detail
    return safe_text(source.detail if told else f"{source.source}: {source.detail}")


def _with_cure(reason: str, source: SourceEvent) -> str:
    """A reason, and what to do where that is known."""
    return safe_text(reason) + (f"; {safe_text(source.hint)}" if source.hint else "")


def _briefly(sources: Sequence[SourceEvent]) -> list[tuple[SourceEvent, str]]:
    """The ports alone, `/dev/ttyUSB0`; the kinds where these differ instead; else the names as they are."""
    for part in (-1, 0):
        named = [(source, source.source.split(" ")[part]) for source in sources]
        if len({name for _, name in named}) == len(sources):
            return named
    return [(source, source.source) for source in sources]


def _source_cells(
    named: Sequence[tuple[SourceEvent, str]], without_word: frozenset[SourceState], *, explained: bool = False
) -> list[Cell]:
    cells: list[Cell] = []
    for source, name in named:
        sign = SOURCE_SIGNS[source.state]
        if cells:
            cells.append((_SEPARATOR, "muted"))
        word = "" if source.state in without_word else f" {sign.word}"
        is_told = explained and source.detail and source.state in _EXPLAINED
        why = f": {_with_cure(source.detail, source)}" if is_told else ""
        cells += [(f"{sign.glyph} ", sign.style), (f"{safe_text(name)}{word}{why}", "plain")]
    return cells


def _count_forms(counters: Counters) -> list[list[Cell]]:
    """The counts in full, and shorter: without those that are zero, with signs for words, and with losses first."""
    full = [count for count in _COUNTS if count[0] not in _WHERE_THERE_ARE_ANY or getattr(counters, count[0])]
    counted = [count for count in full if count[0] in _ALWAYS or getattr(counters, count[0])]
    losses_first = sorted(counted, key=lambda count: count[0] not in _LOSSES)
    return [
        _count_cells(counters, [(field, word, style) for field, word, _, style in full]),
        _count_cells(counters, [(field, word, style) for field, word, _, style in counted]),
        _count_cells(counters, [(field, sign, style) for field, _, sign, style in counted]),
        _count_cells(counters, [(field, sign, style) for field, _, sign, style in losses_first]),
    ]


def _count_cells(counters: Counters, counts: Sequence[tuple[str, str, str]]) -> list[Cell]:
    cells: list[Cell] = []
    for field, word, style in counts:
        number: int = getattr(counters, field)
        if cells:
            cells.append((_SEPARATOR, "muted"))
        cells += [(f"{word} ", "muted"), (str(number), "bad" if field in _LOSSES and number else style)]
    return cells


def _first_fitting(forms: Sequence[list[Cell]], width: int) -> list[Cell]:
    """Return the first form that has room in `width` cells, else the last one."""
    return next((form for form in forms if _width(form) <= width), forms[-1])


def _width(cells: Sequence[Cell]) -> int:
    return sum(cell_len(text) for text, _ in cells)


def _cut(cells: Sequence[Cell], width: int) -> list[Cell]:
    """Cut cells off at `width`, with an ellipsis."""
    if _width(cells) <= width:
        return list(cells)
    kept: list[Cell] = []
    for text, style in cells:
        room = width - _width(kept)
        if cell_len(text) >= room:
            # A blank more than there is room for: what follows is cut, even where this cell alone would fit.
            return [*kept, (fit(f"{text} ", room), style)]
        kept.append((text, style))
    return kept


def _spread(left: list[Cell], middle: list[Cell], right: list[Cell], width: int) -> list[Cell]:
    """Put `left` and `right` at the edges and `middle` between them; the left part gives way."""
    left = _cut(left, max(0, width - _width(middle) - _width(right) - _EDGES))
    free = max(0, width - _width(left) - _width(middle) - _width(right))
    before = free // 2 if middle else 0
    return [*left, (" " * before, "plain"), *middle, (" " * (free - before), "plain"), *right]
