"""Actions with one meter: what may be done, what it would write, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from fieldtool.actions.links import LINKS, OPTIONS, MeterChoice, parse_meter
from fieldtool.actions.plan import CHANGE_KEY, READ_OUT
from fieldtool.export.action_text import outcome_lines, plan_lines
from fieldtool.sources.url import parse_url
from fieldtool.tui.action_list import ActionEntry, ActionList
from fieldtool.tui.action_run import ActionRun, link_over
from fieldtool.tui.action_views import AnswerRow, ResultView
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.key_bar import KeyBar
from fieldtool.tui.read_out_text import read_out_lines
from fieldtool.tui.session import Session
from fieldtool.tui.signs import ALARM_GLYPH
from fieldtool.tui.store_screen import StoreScreen
from protocols.actions.parameters import Argument, Parameter, ParameterKind
from protocols.actions.table import FORMS
from protocols.model import Address
from protocols.text import safe_text

_LINK_EXAMPLES = "like mbus:///dev/ttyUSB0?baud=2400, optical:///dev/ttyUSB0, im871a:///dev/ttyUSB0?mode=c2"
_METER_EXAMPLES = "its eight digits, as in 63001468 or KAM63001468, or p5 for primary address 5"


class ActionScreen(StoreScreen):
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
        super().__init__(session, access)
        self.actions = ActionList(id="actions")
        self.result = ResultView(id="result")
        self.answers = AnswerRow(self.actions)
        self._title = Static(id="title", markup=False)
        self._explained = Static(id="explained", markup=False)
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
        yield self.message
        yield self.answers
        yield self.status_bar
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin with the actions alone. Textual calls this beside the base's own."""
        self.result.display = False
        self.actions.focus()

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

    @property
    def at_a_meter(self) -> bool:
        """Whether a link to a meter is in use."""
        return self._run is not None

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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to unlock what is locked, and to recover a key where a change is open."""
        if action == "recover":
            return bool(self._open_changes)
        return super().check_action(action, parameters)

    def action_back(self) -> None:
        """Stop what is running; without that, back to the screen before."""
        if self._run is not None:
            self._run.stop()
        else:
            self.dismiss()

    def action_other_meter(self) -> None:
        """Ask for link and meter anew."""
        self.begin(self._choose_meter())

    def action_recover(self) -> None:
        """Ask the meter which key it holds."""
        self.begin(self._recover())

    @on(ActionList.Chosen, "#actions")
    def _choose(self) -> None:
        entry = self.actions.selected
        if entry is not None:
            self.begin(self._do(entry))

    async def look(self) -> None:
        """See the level in use, and which key changes are open."""
        await super().look()
        self._open_changes = () if self.access.is_locked else await self.beside(self.access.open_key_changes)
        meters = ", ".join(self._open_changes)
        told = f"  {ALARM_GLYPH} key change not settled: {meters}" if meters else ""
        self.actions.border_title = f"Actions{told}"
        self.refresh_bindings()

    def give_up(self) -> None:
        """Stop what waits for the meter."""
        if self._run is not None:
            self._run.stop()

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
        read_out = await self.beside(run.read_out)
        self._show_result("Readings", read_out_lines(read_out))
        self.say("read out", style="good")

    async def _planned(self, run: ActionRun, entry: ActionEntry, arguments: dict[str, Argument]) -> None:
        name = entry.action.name
        plan = await self.beside(lambda: run.plan(name, arguments))
        run.progress = ""
        self._show_result("Plan", plan_lines(plan, with_refusal=False))
        if plan.why_not:
            # It is written down that somebody wanted it.
            await self.beside(lambda: run.check(plan))
        self.say("")
        if entry.action.writes and not await self.yes(f"{name}: do it?", *plan_lines(plan, with_refusal=False)):
            self.say("nothing was sent", style="warning")
            return
        outcome = await self.beside(lambda: run.execute(plan))
        self._show_result("Outcome", outcome_lines(outcome), "plain" if outcome.ok else "bad")
        done = outcome.after if name == CHANGE_KEY else f"{name} done"
        self.say(outcome.problem or done, style="good" if outcome.ok else "bad")

    async def _recover(self) -> None:
        run = await self._reachable()
        if run is None:
            return

        async def ask() -> None:
            settled = await self.beside(run.recover)
            text = "no key change of this meter is open" if settled is None else settled.text
            self.say(text, style="warning" if settled is None else "good")

        await self._visiting(run, ask())

    async def _visiting(self, run: ActionRun, work: Coroutine[Any, Any, None]) -> None:
        """Do what uses a link; it is let go of whatever happens. What came of the action before is wiped."""
        self._run = run
        self.result.display = False
        try:
            await work
        finally:
            self._run = None
            await self.beside(run.close)

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
