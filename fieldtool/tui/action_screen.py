"""Actions with one meter: what may be done, what it would write, what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from fieldtool.actions.links import LINKS, OPTIONS, MeterChoice, parse_meter
from fieldtool.actions.plan import CHANGE_KEY, READ_OUT
from fieldtool.errors import FieldToolError
from fieldtool.sources.url import parse_url
from fieldtool.tui.action_list import ActionEntry, ActionList
from fieldtool.tui.action_run import ActionRun, link_over
from fieldtool.tui.action_text import outcome_lines, plan_lines, read_out_lines
from fieldtool.tui.action_views import AnswerRow, ResultView
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.key_bar import KeyBar
from fieldtool.tui.line_view import STYLES
from fieldtool.tui.live_screen import LiveScreen
from fieldtool.tui.question_screen import QuestionScreen
from fieldtool.tui.session import Session
from fieldtool.tui.signs import ALARM_GLYPH
from keystore.certificates.clock import ClockState
from keystore.errors import KeystoreError, Locked
from protocols.actions.parameters import Argument, Parameter, ParameterKind
from protocols.actions.table import FORMS
from protocols.model import Address
from protocols.text import safe_text

_WORK = "actions"
_LINK_EXAMPLES = "like mbus:///dev/ttyUSB0?baud=2400, optical:///dev/ttyUSB0, im871a:///dev/ttyUSB0?mode=c2"
_METER_EXAMPLES = "its eight digits, as in 63001468 or KAM63001468, or p5 for primary address 5"
_Result = TypeVar("_Result")


class ActionScreen(LiveScreen):
    """The table of actions; one action at a time runs beside the screen, and can be stopped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Back to where you were; stops what is running", id="actions.back"),
        Binding("m", "other_meter", "Meter", tooltip="Choose another meter, or another way to it", id="actions.meter"),
        Binding(
            "r", "recover", "Recover", tooltip="Ask the meter which key it holds, after a key change", id="actions.key"
        ),
        Binding("u", "unlock", "Unlock", tooltip="Unlock the keystore with its passphrase", id="actions.unlock"),
    ]

    def __init__(self, session: Session, access: CertificateAccess, address: Address | None) -> None:
        super().__init__(session)
        self.access = access
        self.actions = ActionList(id="actions")
        self.result = ResultView(id="result")
        self.answers = AnswerRow(self.actions)
        self._title = Static(id="title", markup=False)
        self._explained = Static(id="explained", markup=False)
        self._message = Static(id="message", markup=False)
        self._choice = None if address is None else MeterChoice(address.number, address.manufacturer)
        self._run: ActionRun | None = None
        self._open_changes: tuple[str, ...] = ()
        self._shown: object = self

    def compose(self) -> ComposeResult:
        """Title; actions and the chosen one; what is planned or done; message, what is asked; status, keys."""
        self.actions.border_title = "Actions"
        self.result.border_title = "Plan and outcome"
        yield self._title
        yield self.actions
        yield self._explained
        yield self.result
        yield self._message
        yield self.answers
        yield self.status_bar
        yield KeyBar()

    def on_mount(self) -> None:
        """Look at once; ask for the passphrase where it is needed."""
        self.result.display = False
        self.say("")
        self.actions.focus()
        if self.access.is_locked and self.session.unlock_keystore is not None:
            self.call_later(self.action_unlock)
        else:
            self._begin(self._attend())

    def pull(self) -> None:
        """Show what was seen last, and how far the running action is."""
        super().pull()
        seen = self.access.seen
        if seen is not self._shown:
            self._shown = seen
            self.actions.show_seen(seen)
            self._explain()
            self.refresh_bindings()
        self._show_title()
        if self._run is not None and self._run.progress:
            self.say(f"{self._run.progress} …", "escape stops", style="muted")

    def _show_title(self) -> None:
        title = Text(" Actions", "bold", no_wrap=True, overflow="ellipsis")
        meter = "any meter" if self._choice is None else f"meter {self._choice}"
        link = self.session.visited.link
        title.append(f"  {safe_text(meter)}{f'  over {safe_text(link)}' if link else ''}", "not bold")
        seen = self.access.seen
        if seen is not None:
            title.append("  ")
            for text, style in seen.cells:
                title.append(text, self.actions.style_named(style))
        if title != self._title.content:
            self._title.update(title)

    @on(ActionList.Moved, "#actions")
    def _explain(self) -> None:
        entry = self.actions.selected
        self._explained.update("" if entry is None else entry.explained)

    def say(self, *texts: str, style: str = "plain") -> None:
        """Say what came of something; nothing to say takes no room."""
        text = ": ".join(safe_text(text, 400) for text in texts if text)
        self._message.display = bool(text)
        for name in STYLES:
            self._message.set_class(name == style, f"-{name}")
        if text != self._message.content:
            self._message.update(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to unlock what is locked, and to recover a key where a change is open."""
        if action == "unlock":
            return self.access.is_locked and self.session.unlock_keystore is not None
        if action == "recover":
            return bool(self._open_changes)
        return True

    def action_back(self) -> None:
        """Stop what is running; without that, back to the screen before."""
        if self._run is not None:
            self._run.stop()
        else:
            self.dismiss()

    async def action_unlock(self) -> None:
        """Ask for the passphrase."""
        await self.app.run_action("app.unlock_keystore")

    def action_other_meter(self) -> None:
        """Ask for link and meter anew."""
        self._begin(self._choose_meter())

    def action_recover(self) -> None:
        """Ask the meter which key it holds."""
        self._begin(self._recover())

    @on(ActionList.Chosen, "#actions")
    def _choose(self) -> None:
        entry = self.actions.selected
        if entry is not None:
            self._begin(self._do(entry))

    def _begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside the screen, one thing at a time; what is refused is said."""
        if any(worker.group == _WORK and worker.node is self and not worker.is_finished for worker in self.workers):
            work.close()
            return
        self.run_worker(self._told(work), group=_WORK, description=_WORK)

    async def _told(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except Locked as error:
            self.say(error.message, error.hint, style="warning")
            await self.action_unlock()
        except (FieldToolError, KeystoreError) as error:
            self.say(error.message, error.hint, style="bad")
        await self._look()

    async def _look(self) -> None:
        """See the level in use, and which key changes are open."""
        await self._beside(self.access.look)
        self._open_changes = () if self.access.is_locked else await self._beside(self.access.open_key_changes)
        meters = ", ".join(self._open_changes)
        told = f"  {ALARM_GLYPH} key change not settled: {meters}" if meters else ""
        self.actions.border_title = f"Actions{told}"
        self.refresh_bindings()
        self.pull()

    async def _beside(self, work: Callable[[], _Result]) -> _Result:
        """Do what may wait in another thread, and be there when it ends: a link must not be closed under its user."""
        thread = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            if self._run is not None:
                self._run.stop()
            await asyncio.wait((thread,))
            if not thread.cancelled():
                thread.exception()
            raise

    async def _attend(self) -> None:
        """Judge the clock before anything is done with it."""
        clock = await self._beside(self.access.attend_clock)
        if clock.state is ClockState.FAR_AHEAD and await self._yes("The clock", f"{clock.reason}. Go on?"):
            await self._beside(self.access.open().confirm_clock)

    async def _yes(self, title: str, *lines: str) -> bool:
        return await self.app.push_screen_wait(QuestionScreen(title, *lines))

    async def _choose_meter(self) -> bool:
        """Ask for link and meter; False when the user left."""
        visited = self.session.visited
        known = visited.link or link_over(self.session.sources())
        link = await self.answers.ask("link", _LINK_EXAMPLES, _read_link, filled=known)
        if link is None:
            return False
        named = str(self._choice) if self._choice is not None else visited.meter
        choice = await self.answers.ask("meter", _METER_EXAMPLES, parse_meter, filled=named)
        if choice is None:
            return False
        self._choice, visited.link, visited.meter = choice, link, str(choice)
        self._show_title()
        return True

    async def _reachable(self) -> ActionRun | None:
        """A visit to the meter; what is not known of it is asked for."""
        vault = self.access.unlocked
        if (self._choice is None or not self.session.visited.link) and not await self._choose_meter():
            return None
        if self._choice is None:
            return None
        session = self.session
        return ActionRun(vault, session.visited.link, self._choice, session.open_link, session.lend_port)

    async def _do(self, entry: ActionEntry) -> None:
        """One action from what it asks for to what came of it."""
        self.say("")
        name = entry.action.name
        run = await self._reachable()
        if run is None:
            return
        if name == READ_OUT:
            await self._visiting(run, self._read_out(run))
            return
        arguments = await self._arguments(name)
        if arguments is not None:
            await self._visiting(run, self._planned(run, entry, arguments))

    async def _arguments(self, action: str) -> dict[str, Argument] | None:
        """Ask for the parameters of an action; None when the user left."""
        arguments: dict[str, Argument] = {}
        for parameter in FORMS[action].parameters:
            if parameter.kind is ParameterKind.WRAPPED_KEY:
                continue
            default = parameter.default
            known = "now" if parameter.kind is ParameterKind.TIME else "" if default is None else str(default)
            explained = f"{parameter.range_text} (empty: {known})" if known else parameter.range_text
            given = await self.answers.ask(parameter.text, explained, _reader(parameter, known=bool(known)))
            if given is None:
                return None
            if given != "":
                arguments[parameter.name] = given
        return arguments

    async def _read_out(self, run: ActionRun) -> None:
        read_out = await self._beside(run.read_out)
        self._show_result("Readings", read_out_lines(read_out))
        self.say("read out", style="good")

    async def _planned(self, run: ActionRun, entry: ActionEntry, arguments: dict[str, Argument]) -> None:
        name = entry.action.name
        plan = await self._beside(lambda: run.plan(name, arguments))
        run.progress = ""
        self._show_result("Plan", plan_lines(plan))
        if plan.why_not:
            # It is written down that somebody wanted it.
            await self._beside(lambda: run.check(plan))
        self.say("")
        if entry.action.writes and not await self._yes(f"{name}: do it?", *plan_lines(plan)):
            self.say("nothing was sent", style="warning")
            return
        outcome = await self._beside(lambda: run.execute(plan))
        self._show_result("Outcome", outcome_lines(outcome), "plain" if outcome.ok else "bad")
        done = outcome.after if name == CHANGE_KEY else f"{name} done"
        self.say(outcome.problem or done, style="good" if outcome.ok else "bad")

    async def _recover(self) -> None:
        run = await self._reachable()
        if run is None:
            return

        async def ask() -> None:
            settled = await self._beside(run.recover)
            text = "no key change of this meter is open" if settled is None else settled.text
            self.say(text, style="warning" if settled is None else "good")

        await self._visiting(run, ask())

    async def _visiting(self, run: ActionRun, work: Coroutine[Any, Any, None]) -> None:
        """Do what uses a link; it is let go of whatever happens."""
        self._run = run
        try:
            await work
        finally:
            self._run = None
            await self._beside(run.close)

    def _show_result(self, title: str, texts: list[str], style: str = "plain") -> None:
        self.result.border_title = title
        self.result.display = True
        self.result.show_texts(texts, style)


def _read_link(text: str) -> str:
    """Return a link's address that can be opened; raises `UsageError`."""
    return parse_url(text.strip(), tuple(LINKS), OPTIONS).text


def _reader(parameter: Parameter, *, known: bool) -> Callable[[str], Argument]:
    """How one parameter is read; an empty line stands for what is known."""
    return lambda text: "" if known and not text.strip() else parameter.read(text)
