"""The readings of one telegram: name, value, unit, and what sets each apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len

from fieldtool.tui.cells import Line, fit, fit_right, place_text, unit_text, value_text, words
from fieldtool.tui.line_list import MARKER_WIDTH, LineList
from protocols.model import Quality, Reading, Telegram
from protocols.text import safe_text

_VALUE_WIDTH = 16
_UNIT_WIDTH = 6
_LEAST_NAME_WIDTH = 14
_PLACE_WIDTH = 20


class ReadingList(LineList):
    """One line a reading; enter shows the bytes it was made from."""

    HELP: ClassVar[str] = (
        "What the meter says, exactly as it sent it: name, value, unit, and storage, tariff or function where it is "
        "not the present total. Enter shows the bytes that a reading comes from."
    )

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._readings: tuple[Reading, ...] = ()
        self._problem: str | None = None

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
        room = width - MARKER_WIDTH - _VALUE_WIDTH - _UNIT_WIDTH - 3
        place_width = _PLACE_WIDTH if room >= _LEAST_NAME_WIDTH + _PLACE_WIDTH else max(0, room - _LEAST_NAME_WIDTH)
        name = fit(words(reading.name), max(room - place_width, 1))
        place = (f" {fit(self._place(reading), place_width)}", "muted")
        return self.marker(index), (f"{name} ", "plain"), *_value_cells(reading), place

    def empty_lines(self) -> Sequence[str]:
        """Why there is no reading."""
        if self._problem:
            return "No readings.", safe_text(self._problem)
        return "No readings.", "The telegram holds no records."

    def _place(self, reading: Reading) -> str:
        quality = "" if reading.quality is Quality.GOOD or reading.value is None else words(reading.quality)
        return ", ".join(part for part in (quality, place_text(reading)) if part)


def _value_cells(reading: Reading) -> Line:
    """Value and unit, aligned; without a value its quality; long texts use the unit's room."""
    if reading.value is None:
        return ((fit(fit_right(words(reading.quality), _VALUE_WIDTH), _VALUE_WIDTH + 1 + _UNIT_WIDTH), "warning"),)
    value = value_text(reading.value)
    style = "strong" if reading.quality is Quality.GOOD else "warning"
    if cell_len(value) > _VALUE_WIDTH:
        return ((fit(f"{value} {unit_text(reading)}", _VALUE_WIDTH + 1 + _UNIT_WIDTH), style),)
    return (fit_right(value, _VALUE_WIDTH), style), (" ", "plain"), (fit(unit_text(reading), _UNIT_WIDTH), "plain")
