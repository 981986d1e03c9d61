"""Certificates: the level in use and why, what else there is, whom the store trusts; import and choose."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from fieldtool.enrolment import Enrolment, Source, read_source
from fieldtool.tui.certificate_access import CertificateAccess, CertificatesSeen
from fieldtool.tui.certificate_list import CertificateList
from fieldtool.tui.certificate_views import LevelView, SourceInput, TrustView
from fieldtool.tui.key_bar import KeyBar
from fieldtool.tui.session import Session
from fieldtool.tui.store_screen import StoreScreen
from keystore.certificates.standing import Standing
from protocols.plural import counted

_QUOTES = "\"'"


class Import(Enum):
    """What is to be imported; the value is what stands before the line to type into."""

    CERTIFICATE = "certificate"
    REVOCATIONS = "revocation list"


class CertificateScreen(StoreScreen):
    """The certificates of the store; everything that takes time runs beside the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Back to where you were", id="certificates.back"),
        Binding(
            "i",
            "import_certificate",
            "Import",
            tooltip="Import the certificate desk's answer: a file or a code",
            id="certificates.import",
        ),
        Binding(
            "r",
            "import_list",
            "Revocations",
            tooltip="Import a revocation list: a file or a code",
            id="certificates.revocations",
        ),
        Binding("u", "unlock", "Unlock", tooltip="Unlock the keystore with its passphrase", id="certificates.unlock"),
    ]

    def __init__(self, session: Session, access: CertificateAccess) -> None:
        super().__init__(session, access)
        self.certificates = CertificateList(id="certificates")
        self.level = LevelView(id="level")
        self.trust = TrustView(id="trust")
        self._title = Static(id="title", markup=False)
        self._explained = Static(id="explained", markup=False)
        self._input = SourceInput()
        self._label = Static(id="source-label", markup=False)
        self._input_row = Horizontal(id="source-row")
        self._importing = Import.CERTIFICATE
        self._shown: object = self
        """What was seen when it was shown last; at first something that was never seen."""

    def compose(self) -> ComposeResult:
        """Title; level; certificates and the chosen one; trust; message, what to import; status, keys."""
        self.level.border_title = "Level in use"
        self.certificates.border_title = "Certificates"
        self.trust.border_title = "Trust anchors and revocation lists"
        yield self._title
        yield self.level
        yield self.certificates
        yield self._explained
        yield self.trust
        yield self.message
        with self._input_row:
            yield self._label
            yield self._input
        yield self.status_bar
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin with nothing to type into. Textual calls this beside the base's own."""
        self._show_input(shown=False)

    def pull(self) -> None:
        """Show what was seen last, when it is something else."""
        super().pull()
        seen = self.access.seen
        if seen is not self._shown:
            self._shown = seen
            self._show(seen)

    def _show(self, seen: CertificatesSeen | None) -> None:
        self.level.show_seen(seen)
        self.trust.show_seen(seen)
        self.certificates.show_seen(seen, self._why_nothing())
        self._explain()
        title = Text(" Certificates", "bold", no_wrap=True, overflow="ellipsis")
        if seen is not None:
            tag = f", certificate {seen.tag}" if seen.tag else ""
            left = "" if seen.days_left is None else f", {counted(seen.days_left, 'day')} left"
            title.append(f"  level {seen.level}{tag}{left}", "not bold")
        self._title.update(title)
        self.refresh_bindings()

    def _why_nothing(self) -> tuple[str, ...]:
        if self.access.problem:
            return "The certificates cannot be read.", self.access.problem
        if self.session.unlock_keystore is None:
            return "There is no keystore.", "Make one with: fieldtool store create"
        if not self.access.is_locked:
            return ("Looking …",)
        return "The keystore is locked.", "Press u to unlock it. Reading meters needs no certificate."

    @on(CertificateList.Moved, "#certificates")
    def _explain(self) -> None:
        entry = self.certificates.selected
        self._explained.update("" if entry is None else entry.explained)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to unlock what is locked, to import where it is not."""
        if action in {"import_certificate", "import_list"}:
            return None if self.access.is_locked else True
        return super().check_action(action, parameters)

    def action_back(self) -> None:
        """Back to the screen before."""
        self.dismiss()

    def action_import_certificate(self) -> None:
        """Ask for a certificate."""
        self._ask_source(Import.CERTIFICATE)

    def action_import_list(self) -> None:
        """Ask for a revocation list."""
        self._ask_source(Import.REVOCATIONS)

    def _ask_source(self, what: Import) -> None:
        self._importing = what
        self._label.update(what.value)
        self._input.clear()
        self._input.placeholder = "file name, or the text of the code"
        self.say("")
        self._show_input(shown=True)
        self.set_focus(self._input)

    def _show_input(self, *, shown: bool) -> None:
        self._input_row.display = shown
        if not shown:
            self.set_focus(self.certificates)

    @on(SourceInput.Left)
    def _leave_input(self) -> None:
        self._show_input(shown=False)

    @on(Input.Submitted, "#source")
    def _take_typed(self, event: Input.Submitted) -> None:
        typed = event.value.strip()
        if len(typed) > 1 and typed[0] == typed[-1] and typed[0] in _QUOTES:
            typed = typed[1:-1]
        if typed:
            self._take(lambda: read_source(typed))

    @on(SourceInput.Pasted)
    def _take_pasted(self, event: SourceInput.Pasted) -> None:
        self._take(lambda: Source("pasted text", event.text.encode()))

    def _take(self, source: Callable[[], Source]) -> None:
        self._show_input(shown=False)
        self.say("checking …", style="muted")
        self.begin(self._import(source) if self._importing is Import.CERTIFICATE else self._import_list(source))

    @on(CertificateList.Chosen, "#certificates")
    def _use_selected(self) -> None:
        entry = self.certificates.selected
        if entry is None:
            return
        if not entry.name:
            self.say("this request waits for its answer", "press i to import it", style="warning")
            return
        self.begin(self._use(entry.name))

    async def _opened(self) -> Enrolment:
        """The certificates, after the clock was judged."""
        await self.attend()
        return self.access.open()

    async def _import(self, source: Callable[[], Source]) -> None:
        certificates = await self._opened()
        plan = await self.beside(lambda: certificates.plan(source()))
        if plan.new_issuer and not await self.yes("Import a certificate", f"{plan.questions[0]}. Go on?"):
            self.say("the certificate was not imported", style="warning")
            return
        activate = not plan.lower_than or await self.yes("Use this certificate", f"{plan.questions[-1]}. Go on?")
        standing = await self.beside(lambda: certificates.keep(plan, activate=activate))
        kept = "" if activate else "kept, and not in use"
        self._tell(f"imported {plan.credential.tag}, {plan.chain.grant.title}", kept, standing)

    async def _import_list(self, source: Callable[[], Source]) -> None:
        certificates = await self._opened()
        taken, standing = await self.beside(lambda: certificates.import_list(source()))
        self._tell(f"revocation list {taken.number} is installed", "", standing)

    async def _use(self, name: str) -> None:
        certificates = await self._opened()
        self._tell("", "", await self.beside(lambda: certificates.use(name)))

    def _tell(self, done: str, how: str, standing: Standing) -> None:
        self.certificates.go_to_the_one_in_use()
        reasons = standing.reasons if standing.credential is not None else ()
        self.say(done, how, "; ".join((f"level {standing.title}", *reasons)), style="bad" if reasons else "good")
