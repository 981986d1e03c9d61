"""Help for where the user is: what the focused part shows, and every key that works there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen

from fieldtool.tui.cells import Line, wrap
from fieldtool.tui.made_view import MadeView

_KEYS_WIDTH = 16
_DESCRIPTION_WIDTH = 18


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """One key binding as it is explained."""

    keys: str
    description: str
    tooltip: str


def help_entries(screen: Screen[object]) -> tuple[HelpEntry, ...]:
    """Collect all bindings that work on a screen as it is now, one entry an action: the screen's own come first."""
    keys: dict[tuple[str, str], list[str]] = {}
    explained: dict[tuple[str, str], tuple[str, str]] = {}
    bindings = sorted(screen.active_bindings.values(), key=lambda active: _rank(active, screen))
    for active in bindings:
        binding = active.binding
        if binding.system or not binding.description or not active.enabled:
            continue
        action = (type(active.node).__name__, binding.action)
        shown = keys.setdefault(action, [])
        key = screen.app.get_key_display(binding)
        if key not in shown:
            shown.append(key)
        explained[action] = binding.description, active.tooltip or binding.tooltip
    return tuple(HelpEntry(" ".join(keys[action]), *explained[action]) for action in keys)


def _rank(active: ActiveBinding, screen: Screen[object]) -> int:
    """The screen's keys, the program's, those of the focused part; keys that explain nothing come last."""
    if not (active.tooltip or active.binding.tooltip):
        return 3
    return 0 if active.node is screen else 1 if active.node is screen.app else 2


def help_text(node: DOMNode | None) -> str:
    """Return what the focused part says of itself."""
    return (node.HELP or "") if node is not None else ""


class HelpView(MadeView):
    """The text of the help, to scroll through."""

    HELP: ClassVar[str] = "Scroll with the arrows; escape closes the help."

    def __init__(self, text: str, entries: Sequence[HelpEntry]) -> None:
        super().__init__(id="help-text")
        self._text = text
        self._entries = entries

    def make_lines(self, width: int) -> list[Line]:
        """The text, then the keys."""
        return _help_lines(self._text, self._entries, width)

    def empty_lines(self) -> Sequence[str]:
        """What is said where no key does anything."""
        return ("No keys are bound here.",)


def _help_lines(text: str, entries: Sequence[HelpEntry], width: int) -> list[Line]:
    lines: list[Line] = [((piece, "plain"),) for piece in wrap(text, width)] + [()] if text else []
    indent = _KEYS_WIDTH + _DESCRIPTION_WIDTH
    for entry in entries:
        pieces = wrap(entry.tooltip, max(10, width - indent))
        lines.append(
            (
                (f"{entry.keys:<{_KEYS_WIDTH - 1}} ", "heading"),
                (f"{entry.description:<{_DESCRIPTION_WIDTH - 1}} ", "strong"),
                (pieces[0], "plain"),
            )
        )
        lines.extend(((" " * indent, "plain"), (piece, "plain")) for piece in pieces[1:])
    return lines


class HelpScreen(ModalScreen[None]):
    """A window over the screen that it explains."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "close", "Close", tooltip="Close the help", id="help.close"),
    ]

    def __init__(self, title: str, text: str, entries: Sequence[HelpEntry]) -> None:
        super().__init__()
        self._title_text = title
        self._view = HelpView(text, entries)

    def compose(self) -> ComposeResult:
        """A box with the text."""
        box = Vertical(id="help-box")
        box.border_title = self._title_text
        box.border_subtitle = "escape closes"
        with box:
            yield self._view

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss(None)
