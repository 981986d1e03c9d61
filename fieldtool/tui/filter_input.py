"""The line in which a filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterInput(Input):
    """One line of text; enter and escape both go back to the list."""

    HELP: ClassVar[str] = (
        "A row is shown if it contains all words: in number (also as in hex dumps), maker, medium, outcome, alarms, "
        "profile, mode or key check value. medium:heat looks in one field, -outcome:ok leaves rows out, rssi>-80 and "
        "telegrams<3 compare. Red text has a mistake: the last valid filter stays in force. Enter keeps the filter."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back to the list", tooltip="Keep the last valid filter", id="filter.leave"),
    ]

    class Left(Message):
        """The user went back to the list."""

    def __init__(self) -> None:
        super().__init__(id="filter", compact=True, select_on_focus=False)

    def action_leave(self) -> None:
        """Go back to the list."""
        self.post_message(self.Left())
