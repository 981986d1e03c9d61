"""One visit to a meter: the link is opened, an action planned and done, the link closed; with progress, and a stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Final

from fieldtool import enrolment
from fieldtool.actions.action_log import RECOVER, Attempt
from fieldtool.actions.errors import LinkSilent
from fieldtool.actions.links import LINKS, OPTIONS, FieldLink, LinkContext, MeterChoice
from fieldtool.actions.plan import ActionOutcome, ActionPlan, Settled, wish_for
from fieldtool.actions.read_out import ReadOut, take_read_out
from fieldtool.actions.service import ActionService
from fieldtool.sources.events import SourceEvent
from fieldtool.sources.url import parse_url
from keystore.vault import Vault
from protocols.actions.parameters import Argument

LinkOpener = Callable[[str, MeterChoice, LinkContext], FieldLink]
PortLender = Callable[[str], AbstractContextManager[None]]
"""Keeps receivers away from a port for as long as it is entered."""


_TWO_WAY: Final = "?mode=c2"
"""Meters listen after they have sent in this mode; a stick that only hears is set to it for the action."""


@dataclass(slots=True)
class Visited:
    """Where a meter was last reached, and which one: what is offered next time."""

    link: str = ""
    meter: str = ""


def link_over(sources: Iterable[SourceEvent]) -> str:
    """Return the link over the first receiver that listens and can send; empty where none can."""
    for event in sources:
        kind, _, target = event.source.partition(" ")
        if kind in LINKS and target:
            network = target.startswith("socket:")
            return f"{kind}+{target}{_TWO_WAY}" if network else f"{kind}://{target}{_TWO_WAY}"
    return ""


class ActionRun:
    """Actions over one link; `stop` and `progress` are for every thread, the rest is for one that may wait.

    Raises what `ActionService` and the opening of links raise. After `stop` nothing more is sent, and what waits for
    the meter ends with `LinkSilent`; a wired link waits out the answer that is under way.
    """

    def __init__(self, vault: Vault, link: str, meter: MeterChoice, opener: LinkOpener, lend: PortLender) -> None:
        self._vault = vault
        self._link_text = link
        self._meter = meter
        self._opener = opener
        self._lend = lend
        self._lent = ExitStack()
        self._link: StoppableLink | None = None
        self._stopped = threading.Event()
        self.progress = ""

    def plan(self, action: str, arguments: dict[str, Argument]) -> ActionPlan:
        """Look at the meter, and return what would be done."""
        self.progress = "asking the meter"
        now = enrolment.now()
        self._reach(action, wish_for(action, arguments, now).shown(now))
        return self._service().plan(action, self._meter, arguments)

    def check(self, plan: ActionPlan) -> None:
        """Raise `NotPermitted` when the level in use does not allow what was planned; that is in the audit log then."""
        self._service().check(plan)

    def execute(self, plan: ActionPlan) -> ActionOutcome:
        """Do what was planned."""
        self.progress = "sending the command"
        return self._service().execute(plan)

    def read_out(self) -> ReadOut:
        """Read the meter out; that needs no certificate."""
        self.progress = "reading the meter out"
        return take_read_out(self._opened(), self._vault.keys_for)

    def recover(self) -> Settled | None:
        """Ask the meter which key it holds, when a change of its key is open."""
        self.progress = "asking the meter which key it holds"
        self._reach(RECOVER)
        return self._service().recover(self._meter)

    def stop(self) -> None:
        """End what waits for the meter."""
        self._stopped.set()
        self.progress = "stopping"
        if self._link is not None:
            self._link.cancel()

    def close(self) -> None:
        """Let go of the link, and give its port back to who listened with it; twice is no error."""
        try:
            if self._link is not None:
                self._link.close()
                self._link = None
        finally:
            self._lent.close()

    def _reach(self, action: str, parameter: str = "") -> None:
        """Open the link for an action; that it cannot be opened is written down."""
        with Attempt(self._vault, lambda: enrolment.now(), action, self._meter, parameter).noted():
            self._opened()

    def _service(self) -> ActionService:
        return ActionService(self._vault, self._opened(), enrolment.now)

    def _opened(self) -> StoppableLink:
        if self._link is None:
            context = LinkContext(self._vault.keys_for, self._tell, enrolment.now)
            self._lent.enter_context(self._lend(parse_url(self._link_text, tuple(LINKS), OPTIONS).target))
            self._link = StoppableLink(self._opener(self._link_text, self._meter, context), self._stopped)
        return self._link

    def _tell(self, text: str) -> None:
        if not self._stopped.is_set():
            self.progress = text


class StoppableLink:
    """A link that sends nothing more once `stopped` is set; see `FieldLink`."""

    def __init__(self, link: FieldLink, stopped: threading.Event) -> None:
        self._link = link
        self._stopped = stopped

    @property
    def longest_message(self) -> int:
        """As of the link."""
        return self._link.longest_message

    def exchange(self, message: bytes) -> bytes:
        """Carry a message, unless somebody said stop."""
        self._go_on()
        return self._link.exchange(message)

    def read_out(self) -> list[bytes]:
        """Read out, unless somebody said stop."""
        self._go_on()
        return self._link.read_out()

    def cancel(self) -> None:
        """End what waits, where the link can."""
        self._link.cancel()

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise LinkSilent("you stopped it")
