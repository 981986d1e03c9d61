"""The columns of the reception list: what each shows, and how they share the width of the terminal.

Widths depend on the terminal alone, never on what is shown: rows do not shift while telegrams come in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fieldtool.pipeline.installation import LATELY
from fieldtool.pipeline.reception import MeterRow
from fieldtool.tui.cells import NOTHING, Cell, Line, age_text, fit, fit_right, reading_cell, rssi_text, words
from fieldtool.tui.signs import ALARM_GLYPH, OUTCOME_SIGNS
from protocols.text import safe_text

ROOMY_WIDTH = 110
"""From this width on, two cells stand between columns."""

_STALE_S = 300
"""Older rows are dimmed: most meters of a walk-by system send several times in five minutes."""


ASKED_GLYPH = "→"
"""Stands for a meter that asks to be installed: its button was pressed."""

_WORDS_WIDTH = 12
"""From so many cells on, the last column has words for what a meter reports, not only a count."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `least` and `best` width in cells; the highest `drop` goes first where there is no room.

    `draw` gives text and style for a row, a width and the present time. `sign` stands for a title that does not fit.
    """

    key: str
    title: str
    least: int
    best: int
    drop: int
    draw: Callable[[MeterRow, int, datetime], Cell]
    right: bool = False
    sign: str = ""


@dataclass(frozen=True, slots=True)
class PlacedColumn:
    """A column and the width that it was given."""

    column: Column
    width: int


def _number(row: MeterRow, width: int, _now: datetime) -> Cell:
    if row.sender is None:
        return "no address" if width >= 10 else "no addr.", "muted"
    return _device(row.number or str(row.sender), width), "strong"


def _device(identifier: str, width: int) -> str:
    """A number, DevEUI or DevAddr; of one that is too long, the end, where the devices of a maker differ."""
    return identifier if len(identifier) <= width else f"…{identifier[1 - width :]}"


def _maker(row: MeterRow, _width: int, _now: datetime) -> Cell:
    return (safe_text(row.address.manufacturer) if row.address else NOTHING), "plain"


def _medium(row: MeterRow, _width: int, _now: datetime) -> Cell:
    return safe_text(row.medium or NOTHING), "plain"


def _rssi(row: MeterRow, width: int, _now: datetime) -> Cell:
    return rssi_text(row.rssi_dbm, width), "plain"


def _age(row: MeterRow, width: int, now: datetime) -> Cell:
    seconds = (now - row.last_at).total_seconds()
    return age_text(seconds, width), "muted" if seconds > _STALE_S else "plain"


def _telegrams(row: MeterRow, width: int, _now: datetime) -> Cell:
    text = str(row.telegrams)
    return text if len(text) <= width else f"{row.telegrams // 1000}k", "plain"


def _outcome(row: MeterRow, _width: int, _now: datetime) -> Cell:
    sign = OUTCOME_SIGNS[row.outcome]
    return sign.text, sign.style


def _reading(row: MeterRow, width: int, _now: datetime) -> Cell:
    if row.main_reading is None:
        return fit(fit_right(NOTHING, width - 1 - _unit_width(width)), width), "muted"
    return reading_cell(row.main_reading, width, _unit_width(width)), "strong"


def _unit_width(width: int) -> int:
    return 3 if width < 16 else 5


def _alarms(row: MeterRow, width: int, now: datetime) -> Cell:
    """What the meter reports; before that, for some minutes, that it asks to be installed."""
    count = f"{ALARM_GLYPH}{len(row.alarms)}" if row.alarms else ""
    if row.asked_at is not None and now - row.asked_at <= LATELY:
        said = " install " if width >= _WORDS_WIDTH else ""
        return f"{ASKED_GLYPH}{said}{count}", "strong"
    if not row.alarms:
        return "", "plain"
    if width < _WORDS_WIDTH:
        return count, "warning"
    return f"{ALARM_GLYPH} {', '.join(words(alarm) for alarm in row.alarms)}", "warning"


def _mode(row: MeterRow, _width: int, _now: datetime) -> Cell:
    return safe_text(row.mode or NOTHING), "plain"


def _key(row: MeterRow, _width: int, _now: datetime) -> Cell:
    return safe_text(row.key_check_value or NOTHING), "plain"


def _label(row: MeterRow, _width: int, _now: datetime) -> Cell:
    return safe_text(row.label or ""), "plain"


COLUMNS: tuple[Column, ...] = (
    Column("number", "number", 8, 10, 0, _number),
    Column("maker", "maker", 5, 6, 5, _maker),
    Column("label", "label", 10, 16, 9, _label),
    Column("medium", "medium", 10, 19, 4, _medium),
    Column("mode", "mode", 4, 4, 8, _mode),
    Column("rssi", "RSSI dBm", 9, 9, 1, _rssi, right=True),
    Column("age", "age", 4, 6, 3, _age, right=True),
    Column("telegrams", "telegrams", 4, 9, 6, _telegrams, right=True, sign="tgs"),
    Column("outcome", "outcome", 13, 15, 0, _outcome),
    Column("key", "key", 6, 6, 7, _key),
    Column("reading", "reading", 13, 22, 0, _reading, right=True),
    Column("alarms", "alarms", 3, 16, 2, _alarms, sign=ALARM_GLYPH),
)

_GROW = ("medium", "outcome", "number", "age", "telegrams", "maker", "label", "reading", "alarms")
"""Which columns get spare width first."""

_LAST = "alarms"
"""What is left over goes here: it is the only column whose text has no natural end."""


def place_columns(width: int, *, labels: bool = False) -> tuple[PlacedColumn, ...]:
    """Share `width` cells: drop what does not fit, grow the rest in order, give the last column what is left.

    Without `labels` no meter has one, and there is no column for them.
    """
    gap = gap_of(width)
    kept = [column for column in COLUMNS if labels or column.key != "label"]
    while _needed(kept, gap) > width and any(column.drop for column in kept):
        kept.remove(max(kept, key=lambda column: column.drop))
    widths = {column.key: column.least for column in kept}
    spare = max(0, width - _needed(kept, gap))
    bests = {column.key: column.best for column in kept}
    for key in _GROW:
        if key in widths:
            more = min(spare, bests[key] - widths[key])
            widths[key] += more
            spare -= more
    if _LAST in widths:
        widths[_LAST] += spare
    return tuple(PlacedColumn(column, widths[column.key]) for column in kept)


def gap_of(width: int) -> int:
    """Return the cells between two columns."""
    return 2 if width >= ROOMY_WIDTH else 1


def _needed(columns: Sequence[Column], gap: int) -> int:
    return sum(column.least for column in columns) + gap * (len(columns) - 1)


def heading_line(columns: Sequence[PlacedColumn], gap: int) -> Line:
    """Return the titles, aligned as the columns are."""
    titles = [placed.column.title for placed in columns]
    for index, placed in enumerate(columns):
        if len(titles[index]) > placed.width:
            titles[index] = placed.column.sign
    return _joined(columns, [(title, "heading") for title in titles], gap)


def row_line(row: MeterRow, columns: Sequence[PlacedColumn], gap: int, now: datetime) -> Line:
    """Return one meter as one line."""
    return _joined(columns, [placed.column.draw(row, placed.width, now) for placed in columns], gap)


def _joined(columns: Sequence[PlacedColumn], cells: Sequence[Cell], gap: int) -> Line:
    line: list[Cell] = []
    for placed, (text, style) in zip(columns, cells, strict=True):
        if line:
            line.append((" " * gap, "plain"))
        line.append(((fit_right if placed.column.right else fit)(text, placed.width), style))
    return tuple(line)
