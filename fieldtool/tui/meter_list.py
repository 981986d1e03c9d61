"""The reception list: one line a meter, live, with a cursor that stays on its meter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from fieldtool.pipeline.reception import MeterRow, Sender
from fieldtool.tui.cells import Line
from fieldtool.tui.line_list import MARKER_WIDTH, LineList
from fieldtool.tui.meter_columns import PlacedColumn, gap_of, heading_line, place_columns, row_line
from fieldtool.tui.meter_filter import MeterFilter
from fieldtool.tui.meter_table import MeterTable, SortBy


class MeterList(LineList):
    """One line a meter; new telegrams change lines, never the place of the cursor's meter on the screen."""

    HELP: ClassVar[str] = (
        "Every meter in range, one line each. The cursor stays on its meter while telegrams come in, and meters keep "
        "their places until you sort. ✓ decoded, ○ no key filed, ✗ the filed key does not fit, ≈ damaged on the way, "
        "◇ recognised but not decoded here, ⊘ not permitted, ▲ the meter reports something, → it asks to be installed."
    )

    def __init__(
        self,
        clock: Callable[[], datetime],
        empty: Callable[[], Sequence[str]],
        *,
        id: str,  # noqa: A002
        labels: bool = False,
    ) -> None:
        super().__init__(id=id)
        self.table = MeterTable()
        self._clock = clock
        self._empty = empty
        self._labels = labels
        self._now = clock()
        self._columns: tuple[PlacedColumn, ...] = ()
        self._columns_width = -1

    @property
    def selected(self) -> MeterRow | None:
        """The row of the meter under the cursor."""
        return self.table.row_at(self.cursor) if len(self.table) else None

    def line_count(self) -> int:
        """How many meters pass the filter."""
        return len(self.table)

    def line_at(self, index: int, width: int) -> Line:
        """One meter."""
        row = self.table.row_at(index)
        return (self.marker(index), *row_line(row, self._placed(width), gap_of(width), self._now))

    def heading(self, width: int) -> Line:
        """The titles of the columns, as wide as the lines are."""
        return ((" " * MARKER_WIDTH, "plain"), *heading_line(self._placed(width), gap_of(width)))

    def empty_lines(self) -> Sequence[str]:
        """What is missing, and what to do."""
        return self._empty()

    def take(self, rows: Sequence[MeterRow]) -> None:
        """Take over the newest rows."""
        self._keeping_place(lambda: self.table.update(rows))

    def tell_time(self) -> None:
        """Let the ages grow."""
        self._now = self._clock()
        self.show_lines()

    def sort(self, by: SortBy) -> None:
        """Sort now, and bring the cursor's meter into view."""
        self._changing(lambda: self.table.sort(by))

    def set_filter(self, new: MeterFilter) -> None:
        """Show only meters that pass."""
        self._changing(lambda: self.table.set_filter(new))

    def _placed(self, width: int) -> tuple[PlacedColumn, ...]:
        room = width - MARKER_WIDTH
        if room != self._columns_width:
            self._columns = place_columns(room, labels=self._labels)
            self._columns_width = room
        return self._columns

    def _address(self) -> tuple[Sender, ...]:
        """The sender under the cursor; empty when there is no line."""
        return tuple(self.table.shown[self.cursor : self.cursor + 1])

    def _changing(self, change: Callable[[], object]) -> None:
        """Do what may reorder the list, with the cursor on its meter before and after."""
        before, held = self.cursor, self._address()
        change()
        found = self.table.index_of(held[0]) if held else None
        self.put_cursor(before if found is None else found)

    def _keeping_place(self, update: Callable[[], bool]) -> None:
        """Update rows; when lines were put in above the cursor, scroll along, so that its line stays where it is."""
        before, held, top = self.cursor, self._address(), self.scroll_offset.y
        if not update():
            self.show_lines()
            return
        found = self.table.index_of(held[0]) if held else None
        self.cursor = max(0, min(before if found is None else found, len(self.table) - 1))
        self.show_lines()
        moved = self.cursor - before
        if top and moved:
            self.scroll_to(y=top + moved, animate=False)
        else:
            self.reveal(self.cursor)
