"""The table of actions, one line each: what it does, the level it needs, whether it may be done now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType

from fieldtool.tui.cells import Line, fit
from fieldtool.tui.certificate_access import CertificatesSeen
from fieldtool.tui.line_list import LineList
from keystore.certificates.levels import Action, level_table
from protocols.actions.parameters import ParameterKind
from protocols.actions.table import FORMS

_NAME_WIDTH, _NEEDS_WIDTH = 22, 14
_ALLOWED, _NOT_ALLOWED = ("✓ ", "good"), ("⊘ ", "warning")


@dataclass(frozen=True, slots=True)
class ActionEntry:
    """One action; `why_not` is empty when the level in use allows it."""

    action: Action
    why_not: str

    @property
    def needs(self) -> str:
        """The least level that allows it."""
        return level_table().levels_allowing(self.action)[0].title

    @property
    def explained(self) -> str:
        """Why it is not allowed, else what it asks for."""
        if self.why_not:
            return self.why_not
        form = FORMS.get(self.action.name)
        parameters = [one for one in form.parameters if one.kind is not ParameterKind.WRAPPED_KEY] if form else []
        asks = "; ".join(f"{one.text}: {one.range_text}" for one in parameters)
        writes = "writes" if self.action.writes else "changes nothing"
        return f"allowed, {writes}{f'. Asks for the {asks}' if asks else ''}"


class ActionList(LineList):
    """Every action of the level table; enter begins one."""

    HELP: ClassVar[str] = (
        "The actions with a meter, and the lowest level that allows each. ✓ the level in use allows it; ⊘ it does "
        "not, and the line below says why. Enter asks for the values of the action, shows what would be written, and "
        "asks again before anything is sent. The meter checks the certificate too."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Do", tooltip="Begin the action under the cursor", id="actions.choose"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._entries: tuple[ActionEntry, ...] = ()

    @property
    def selected(self) -> ActionEntry | None:
        """The action under the cursor."""
        return self._entries[self.cursor] if self._entries else None

    def show_seen(self, seen: CertificatesSeen | None) -> None:
        """Show what may be done now."""
        actions = level_table().actions.values() if seen is not None else ()
        self._entries = tuple(ActionEntry(one, seen.why_not.get(one.name, "") if seen else "") for one in actions)
        self.put_cursor(self.cursor)

    def line_count(self) -> int:
        """How many actions there are."""
        return len(self._entries)

    def line_at(self, index: int, width: int) -> Line:
        """One action."""
        entry = self._entries[index]
        rest = max(0, width - 3 - _NAME_WIDTH - _NEEDS_WIDTH)
        style = "muted" if entry.why_not else "plain"
        return (
            self.marker(index),
            _NOT_ALLOWED if entry.why_not else _ALLOWED,
            (fit(entry.action.name, _NAME_WIDTH), "muted" if entry.why_not else "strong"),
            (fit(entry.action.text, rest), style),
            (fit(f" {entry.needs}", _NEEDS_WIDTH), style),
        )

    def empty_lines(self) -> Sequence[str]:
        """Why there is nothing."""
        return "The keystore is locked.", "Press u to unlock it: it holds keys and certificates."
