"""The bottom line: the keys that work here, as one line of text that is drawn anew only when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import ActiveBinding
from textual.screen import Screen
from textual.widget import Widget

_GAP = 2
_KEPT = 2
"""The last keys of the line, help and quit, are shown even where others have to go."""


@dataclass(frozen=True, slots=True)
class KeyHint:
    """One entry: the keys, what they do, whether they do it now, and what a click runs."""

    keys: str
    words: str
    enabled: bool
    runs: ActiveBinding

    @property
    def width(self) -> int:
        """Cells that the entry takes."""
        return cell_len(self.keys) + 1 + cell_len(self.words)


def key_hints(screen: Screen[object]) -> tuple[KeyHint, ...]:
    """Return the keys that a screen shows now, keys of one group together."""
    hints: dict[str, KeyHint] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.show:
            continue
        keys = screen.app.get_key_display(binding)
        name = binding.group.description if binding.group is not None else f"{binding.action} {binding.description}"
        words = binding.group.description if binding.group is not None else binding.description
        before = hints.get(name)
        if before is None:
            hints[name] = KeyHint(keys, words, active.enabled, active)
        elif binding.group is not None:
            hints[name] = KeyHint(f"{before.keys} {keys}", words, before.enabled or active.enabled, before.runs)
    return tuple(hints.values())


def fitting(hints: tuple[KeyHint, ...], width: int) -> tuple[KeyHint, ...]:
    """Return what fits: entries go from the end of the line, but for the last two."""
    shown = list(hints)
    while len(shown) > _KEPT and sum(hint.width + _GAP for hint in shown) > width:
        del shown[-_KEPT - 1]
    return tuple(shown)


class KeyBar(Widget):
    """One line of keys; a click on one does the same as the key."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--words", "keys--disabled"}

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._hints: tuple[KeyHint, ...] = ()

    def on_mount(self) -> None:
        """Hear of keys that begin or cease to work."""
        self.screen.bindings_updated_signal.subscribe(self, self._look_again)
        self._look_again(self.screen)

    def on_resize(self) -> None:
        """Show as many as fit now."""
        self._look_again(self.screen)

    def _look_again(self, screen: Screen[object]) -> None:
        hints = fitting(key_hints(screen), self.size.width)
        if hints != self._hints:
            self._hints = hints
            self.refresh()

    def render(self) -> Text:
        """Keys and words."""
        text = Text(no_wrap=True, end="")
        for hint in self._hints:
            text.append(f"{' ' * _GAP if text else ' '}{hint.keys}", self._style("key" if hint.enabled else "disabled"))
            text.append(f" {hint.words}", self._style("words" if hint.enabled else "disabled"))
        return text

    def _style(self, name: str) -> Style:
        full = self.get_component_rich_style(f"keys--{name}")
        return Style(color=full.color, bold=full.bold)

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the mouse does."""
        start = 1 - _GAP
        for hint in self._hints:
            start += hint.width + _GAP
            if event.x < start:
                await self.app.run_action(hint.runs.binding.action, hint.runs.node)
                return
