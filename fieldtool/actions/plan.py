"""What is about to be done with a meter, and what became of it, as values for the command line and the screens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from fieldtool.errors import UsageError
from keystore.certificates.levels import Action, level_table
from keystore.certificates.standing import Standing
from protocols.actions.commands import Command, build_command
from protocols.actions.event_log import LoggedEvent
from protocols.actions.parameters import Argument, ParameterKind
from protocols.actions.table import FORMS, ActionForm
from protocols.model import Address

CHANGE_KEY: Final = "change-key"
EVENT_LOG: Final = "event-log"
READ_OUT: Final = "read-out"
PRIMARY_ADDRESS: Final = "primary-address"
_WRAPPED: Final = "the new key under the present one"


@dataclass(frozen=True, slots=True)
class Wish:
    """An action with its parameters as they were given, checked; `new_key` is for a key change alone."""

    form: ActionForm
    arguments: dict[str, Argument]
    new_key: bytes | None = field(default=None, repr=False)

    @property
    def action(self) -> Action:
        """The action's row in the table of levels."""
        return level_table().actions[self.form.name]

    @property
    def changes_key(self) -> bool:
        """Whether it is the change of the meter's key."""
        return self.form.name == CHANGE_KEY

    @property
    def is_for_now(self) -> bool:
        """Whether it sets the time of sending, which is another one every time."""
        return any(one.kind is ParameterKind.TIME and one.name not in self.arguments for one in self.form.parameters)

    def command(self, now: datetime) -> Command | None:
        """Return the command; None for a key change, which is wrapped only once the meter has proved its key.

        A time that was not given is `now`.
        """
        if self.changes_key:
            return None
        times = [one.name for one in self.form.parameters if one.kind is ParameterKind.TIME]
        return build_command(self.form.name, **dict.fromkeys(times, now) | self.arguments)

    def shown(self, now: datetime) -> str:
        """Return the parameters for people; never a key."""
        command = self.command(now)
        if command is None:
            return "a new key, read from a file" if self.new_key is not None else "a new random key"
        return command.shown

    def written(self, now: datetime) -> str:
        """Return what is going to be sent: the command's bytes, a key left out."""
        command = self.command(now)
        if command is None:
            return f"{self.form.ci:02X} {self.form.header.hex().upper()} F2 and 24 bytes: {_WRAPPED}"
        return f"{command.ci:02X} {command.data.hex().upper()}"


def wish_for(action: str, arguments: dict[str, Argument], now: datetime, new_key: bytes | None = None) -> Wish:
    """Return the wish for an action; `UsageError` for one that has no command, or parameters that do not fit."""
    form = FORMS.get(action)
    if form is None:
        raise UsageError(f"{action} is not an action that writes", f"known: {', '.join(FORMS)}")
    if new_key is not None and action != CHANGE_KEY:
        raise UsageError(f"{action} takes no key", f"only {CHANGE_KEY} does")
    wish = Wish(form, dict(arguments), new_key)
    if wish.changes_key and arguments:
        raise UsageError("a key is never typed in", "leave it out for a random key, or give --key-file")
    try:
        wish.command(now)
    except ValueError as error:
        raise UsageError(str(error), "see: fieldtool meter actions") from error
    return wish


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """Everything to know before an action is done.

    `why_not` says why the level in use does not allow it, empty when it does. `before` is what the meter shows now, in
    words; `notes` are things to know, a sentence each. `unsettled` says that a key change of the meter is open: it is
    settled first.
    """

    wish: Wish
    meter: Address
    family: str | None
    at: datetime
    standing: Standing
    why_not: str
    before: str = ""
    reconfigurations_left: int | None = None
    unsettled: bool = False
    notes: tuple[str, ...] = ()

    @property
    def action(self) -> Action:
        """The action's row in the table of levels."""
        return self.wish.action

    @property
    def needs(self) -> str:
        """The levels that allow it: `Service`."""
        return " or ".join(level.title for level in level_table().levels_allowing(self.action))

    @property
    def parameter(self) -> str:
        """What is going to be set; never a key."""
        return self.wish.shown(self.at)

    @property
    def written(self) -> str:
        """What is going to be sent: the command's bytes, a key left out."""
        return self.wish.written(self.at)

    @property
    def summary(self) -> str:
        """What is going to happen, in one line."""
        parameter = f": {self.parameter}" if self.parameter else ""
        return f"meter {self.meter}: {self.action.text}{parameter}"


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What became of an action that the meter did.

    `matches` says whether the read-out shows what was written, None where it shows nothing of it; `after` is what it
    shows. `authentic` says whether the answer was made with a key that is filed for the meter, None for a meter without
    a key. `problem` says what is wrong although the meter has done it; empty when nothing is.
    """

    plan: ActionPlan
    after: str = ""
    matches: bool | None = None
    authentic: bool | None = None
    reconfigurations_left: int | None = None
    events: tuple[LoggedEvent, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as it was meant to be."""
        return not self.problem


class Held(StrEnum):
    """Which key a meter proved when it was asked about a key change."""

    NEW = "the new key"
    OLD = "the old key"
    OTHER = "another key that is filed for it"


_REST: Final = {
    Held.NEW: "the old one is superseded",
    Held.OLD: "the new one was never taken and is revoked",
    Held.OTHER: "somebody else changed it; both keys of the change are superseded",
}


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a key change: which key the meter proved, its check value and the meter's number for it."""

    meter: Address
    held: Held
    key_check_value: str
    key_version: int

    @property
    def took_new(self) -> bool:
        """Whether the meter holds the new key."""
        return self.held is Held.NEW

    @property
    def text(self) -> str:
        """The outcome in one sentence."""
        name = f"{self.meter.manufacturer} {self.meter.number}"
        key = f"{self.key_check_value}, version {self.key_version}"
        return f"meter {name} holds {self.held} ({key}); {_REST[self.held]}"
