"""A window with one question that only a person can answer; everything but yes is no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from protocols.text import safe_text


class QuestionScreen(ModalScreen[bool]):
    """Gives back True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", tooltip="Yes, go on", id="question.yes"),
        Binding("n,escape", "answer(False)", "No", tooltip="No, leave everything as it is", id="question.no"),
    ]

    def __init__(self, title: str, *lines: str) -> None:
        super().__init__()
        self._title_text = title
        self._question = "\n".join(safe_text(line, 2000) for line in lines)

    def compose(self) -> ComposeResult:
        """A box with the question."""
        box = Vertical(id="question-box")
        box.border_title = self._title_text
        box.border_subtitle = "y yes · n no"
        with box:
            yield Static(self._question, markup=False)

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)
