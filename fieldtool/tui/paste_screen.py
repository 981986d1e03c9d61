"""A window to paste or type a telegram into, for terminals that do not say what is pasted, and for people who type."""

from __future__ import annotations

from typing import ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Static

from fieldtool.tui.pasted_text import PastedText, read_pasted
from protocols.captures.model import KeyInstead, NotRecognised
from protocols.text import safe_text

LINE_LIMIT: Final = 1 << 14
"""Characters of a line that is typed, or pasted as if it were."""

PAUSE_S: Final = 0.4
"""A terminal that pastes as if somebody typed sends its lines without such a pause between them."""

_SAID_LIMIT: Final = 400


class TelegramInput(Input):
    """One line; those before it are kept, and all are read when no more come: enter may be part of what is pasted."""

    HELP: ClassVar[str] = (
        "Type or paste a telegram: hex, or a line of rtl_wmbus, rtl_433, CUL, ESPHome and others. Enter reads it."
    )

    class Read(Message):
        """A text is to be read, which was typed or pasted."""

        def __init__(self, text: str, *, typed: bool) -> None:
            super().__init__()
            self.text = text
            self.typed = typed

    def __init__(self) -> None:
        super().__init__(id="telegram", placeholder="hex, or a line of another program", max_length=LINE_LIMIT)
        self._lines: list[str] = []
        self._pause: Timer | None = None

    def _on_paste(self, event: events.Paste) -> None:
        """Take what is pasted at once, whatever its length and its lines."""
        event.prevent_default()
        event.stop()
        self.post_message(self.Read(event.text, typed=False))

    async def _on_key(self, event: events.Key) -> None:
        """Take enter in its turn: as a binding it comes behind the characters of the next lines."""
        if event.key == "enter":
            event.prevent_default()
            event.stop()
            self._keep_line()

    def _keep_line(self) -> None:
        """Keep the line, and wait whether more come."""
        self._lines.append(self.value)
        self.value = ""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_S, self._read)

    def _read(self) -> None:
        """Read the lines, unless a further one has begun."""
        if not self.value:
            text, self._lines = "\n".join(self._lines), []
            self.post_message(self.Read(text, typed=True))


class PasteScreen(ModalScreen[PastedText | None]):
    """Gives back the telegrams, or None when the user left; what is none is said, and can be corrected if typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", tooltip="Read nothing", id="paste.leave"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._input = TelegramInput()
        self._problem = Static(id="paste-problem", markup=False)

    def compose(self) -> ComposeResult:
        """A box with one line, and what is wrong with it."""
        box = Vertical(id="paste-box")
        box.border_title = "Paste a telegram"
        box.border_subtitle = "enter reads it · escape leaves"
        with box:
            yield self._input
            yield self._problem

    @on(TelegramInput.Read)
    def _read(self, event: TelegramInput.Read) -> None:
        try:
            pasted = read_pasted(event.text)
        except NotRecognised as error:
            self._problem.update(safe_text(f"{error.seen}: {error.instead}", _SAID_LIMIT))
            line = event.text.strip()
            # What was pasted was not seen here yet, and must not be when it is a key.
            if event.typed and line.isprintable() and not isinstance(error, KeyInstead):
                self._input.value = line
                self._input.cursor_position = len(line)
        else:
            self.dismiss(pasted)

    def action_leave(self) -> None:
        """Read nothing."""
        self.dismiss(None)
