"""A window that asks for the passphrase of a locked keystore; what is typed is not shown and not kept."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input


class PassphraseInput(Input):
    """One line that shows only how much was typed."""

    HELP: ClassVar[str] = (
        "Type the passphrase or the recovery key of the keystore; enter unlocks, escape leaves it locked."
    )


class UnlockScreen(ModalScreen[str | None]):
    """Gives back what was typed, or None when the user left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", tooltip="Leave the keystore locked", id="unlock.leave"),
    ]

    def compose(self) -> ComposeResult:
        """A box with one line."""
        box = Vertical(id="unlock-box")
        box.border_title = "Unlock the keystore"
        box.border_subtitle = "enter unlocks · escape leaves it locked"
        with box:
            yield PassphraseInput(password=True, placeholder="passphrase or recovery key", id="passphrase")

    @on(Input.Submitted, "#passphrase")
    def _take(self, event: Input.Submitted) -> None:
        """Hand over what was typed, and forget it here."""
        typed = event.value
        event.input.clear()
        self.dismiss(typed or None)

    def action_leave(self) -> None:
        """Leave the keystore locked."""
        self.dismiss(None)
