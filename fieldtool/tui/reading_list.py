"""The readings of one telegram: name, value, unit, and what sets each apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len

from fieldtool.tui.cells import Line, fit, fit_right, place_text, unit_text, value_text, words
from fieldtool.tui.line_list import MARKER_WIDTH, LineList
from protocols.model import Quality, Reading, Telegram
from protocols.text import safe_text

_LEAST_VALUE_WIDTH, _MOST_VALUE_WIDTH = 10, 24
_MOST_UNIT_WIDTH = 6
_LEAST_NAME_WIDTH = 14
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Widths:
    """Cells of the four columns, made for one telegram: names and values are seen in full where there is room."""

    name: int
    value: int
    unit: int
    place: int

    @classmethod
    def of(cls, readings: Sequence[Reading], width: int) -> Widths:
        """Share `width` cells; long texts take what others leave; the place gives way first, then the name."""
        value = max([_LEAST_VALUE_WIDTH, *(cell_len(_value(reading)) for reading in readings)])
        unit = max([0, *(cell_len(unit_text(reading)) for reading in readings)])
        unit = min(unit, _MOST_UNIT_WIDTH)
        name = max([_LEAST_NAME_WIDTH, *(cell_len(words(reading.name)) for reading in readings)])
        place = max([0, *(cell_len(_place(reading)) for reading in readings)])
        shared = width - MARKER_WIDTH - unit - 2 * len(_GAP) - 1
        value = min(value, max(_MOST_VALUE_WIDTH, shared - name - place))
        room = max(1, shared - value)
        return cls(min(name, room), value, unit, max(0, room - name))


class ReadingList(LineList):
    """One line a reading; enter shows the bytes it was made from."""

    HELP: ClassVar[str] = (
        "The readings exactly as the meter sent them: name, value, unit, and storage, tariff or function if it is not"
        " the present total. Enter shows the bytes of a reading."
    )

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._readings: tuple[Reading, ...] = ()
        self._problem: str | None = None
        self._made = Widths(0, 0, 0, 0)
        self._made_for: tuple[tuple[Reading, ...], int] | None = None

    @property
    def selected(self) -> Reading | None:
        """The reading under the cursor."""
        return self._readings[self.cursor] if self._readings else None

    def show_telegram(self, telegram: Telegram) -> None:
        """Show the readings of another telegram; the cursor stays on the same line."""
        self._readings = telegram.readings
        self._problem = telegram.problem
        self.put_cursor(self.cursor)

    def line_count(self) -> int:
        """How many readings there are."""
        return len(self._readings)

    def line_at(self, index: int, width: int) -> Line:
        """One reading."""
        reading = self._readings[index]
        widths = self._widths(width)
        good = reading.quality is Quality.GOOD and reading.value is not None
        return (
            self.marker(index),
            (fit(words(reading.name), widths.name) + _GAP, "plain"),
            (fit_right(_value(reading), widths.value), "strong" if good else "warning"),
            (" " + fit(unit_text(reading) if reading.value is not None else "", widths.unit) + _GAP, "plain"),
            (fit(_place(reading), widths.place), "muted"),
        )

    def empty_lines(self) -> Sequence[str]:
        """Why there is no reading."""
        if self._problem:
            return "No readings.", safe_text(self._problem)
        return "No readings.", "The telegram holds no records."

    def _widths(self, width: int) -> Widths:
        if self._made_for != (self._readings, width):
            self._made_for = (self._readings, width)
            self._made = Widths.of(self._readings, width)
        return self._made


def _value(reading: Reading) -> str:
    """The value, or what is wrong with it when there is none."""
    return value_text(reading.value) if reading.value is not None else words(reading.quality)


def _place(reading: Reading) -> str:
    """What sets the reading apart, led by what is wrong with a value that is shown all the same."""
    doubt = "" if reading.quality is Quality.GOOD or reading.value is None else words(reading.quality)
    return ", ".join(part for part in (doubt, place_text(reading)) if part)
