"""Below the table of actions: what is planned or done, and the line in which the tool is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from fieldtool.errors import FieldToolError
from fieldtool.tui.cells import Line, wrap
from fieldtool.tui.made_view import MadeView
from protocols.text import safe_text

_Answer = TypeVar("_Answer")
_INDENT = 10


class ResultView(MadeView):
    """What is planned, or what came of it."""

    HELP: ClassVar[str] = (
        "What the meter showed before, what was written, and what it shows now. It is not enough that a command was "
        "sent: the meter is read out afterwards, and a difference is a failure."
    )

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._texts: tuple[str, ...] = ()
        self._style = "plain"

    def show_texts(self, texts: Sequence[str], style: str = "plain") -> None:
        """Show other lines, from the first one on; the first has the style."""
        self._texts, self._style = tuple(texts), style
        self.scroll_to(y=0, animate=False)
        self.make_anew()

    def make_lines(self, width: int) -> Iterator[Line]:
        """The texts, each with its further lines indented."""
        for place, text in enumerate(self._texts):
            pieces = wrap(text, max(20, width - _INDENT - 1))
            style = "plain" if place else self._style
            yield from (((" " + " " * _INDENT * bool(count) + piece, style),) for count, piece in enumerate(pieces))

    def empty_lines(self) -> Sequence[str]:
        """Nothing was planned yet."""
        return ("No action yet.",)


class AnswerInput(Input):
    """One line for what an action asks for."""

    HELP: ClassVar[str] = "Type the value; enter accepts it, escape ends the action before anything is sent."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", tooltip="End the action; nothing is sent", id="answer.leave"),
    ]

    def __init__(self) -> None:
        super().__init__(id="answer", compact=True, select_on_focus=False)

    def action_leave(self) -> None:
        """End the action."""
        row = self.parent
        if isinstance(row, AnswerRow):
            row.give(None)


class AnswerRow(Horizontal):
    """Asks one thing after the other; hidden while nothing is asked. Afterwards `home` has the focus."""

    def __init__(self, home: Widget) -> None:
        super().__init__(id="answer-row")
        self._home = home
        self._label = Static(id="answer-label", markup=False)
        self._problem = Static(id="answer-problem", markup=False)
        self._input = AnswerInput()
        self._waiting: asyncio.Future[str | None] | None = None

    def compose(self) -> ComposeResult:
        """What is asked for, the line, what is wrong with it."""
        yield self._label
        yield self._input
        yield self._problem

    def on_mount(self) -> None:
        """Nothing is asked yet."""
        self.display = False

    async def ask(
        self, what: str, explained: str, read: Callable[[str], _Answer], *, filled: str = ""
    ) -> _Answer | None:
        """Ask until `read` raises no `ValueError` or `UsageError` for what was typed; None when the user left."""
        self._label.update(safe_text(what))
        self._problem.update(safe_text(explained, 400))
        self._problem.remove_class("-bad")
        self._input.value = filled
        self._input.cursor_position = len(filled)
        self.display = True
        self.screen.set_focus(self._input)
        try:
            while True:
                self._waiting = asyncio.get_running_loop().create_future()
                typed = await self._waiting
                if typed is None:
                    return None
                try:
                    return read(typed)
                except (ValueError, FieldToolError) as error:
                    hint = getattr(error, "hint", "")
                    self._problem.update(safe_text(": ".join(part for part in (str(error), hint) if part), 400))
                    self._problem.add_class("-bad")
        finally:
            self._waiting = None
            self.display = False
            self.screen.set_focus(self._home)

    def give(self, typed: str | None) -> None:
        """Answer what is asked; None ends it."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(typed)

    @on(Input.Submitted, "#answer")
    def _take(self, event: Input.Submitted) -> None:
        self.give(event.value)
