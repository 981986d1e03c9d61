"""The terminal UI as a program: its screens, its global keys, its simulator."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final

from textual import events, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import ModalScreen, Screen
from textual.worker import Worker, WorkerState

from fieldtool.errors import FieldToolError
from fieldtool.pipeline.reception import sender_of
from fieldtool.tui.action_screen import ActionScreen
from fieldtool.tui.certificate_screen import CertificateScreen
from fieldtool.tui.help_screen import HelpScreen, help_entries, help_text
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.meter_table import SortBy
from fieldtool.tui.paste_screen import PasteScreen
from fieldtool.tui.pasted_text import PastedText, read_pasted
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.session import Session
from fieldtool.tui.terminal import let_go, patient
from fieldtool.tui.unlock_screen import UnlockScreen
from protocols.captures.model import NotRecognised
from protocols.model import Outcome, RawFrame, Telegram
from protocols.plural import counted
from protocols.text import safe_text

_SIMULATOR = "simulator"
_UNLOCK = "unlock"
_LOOK = "look"
_PASTE = "paste"
_LOOK_INTERVAL_S = 60.0
"""Days run out and lists fall due while the screens are open."""


class FieldToolApp(App[None]):
    """The screens over one session; a simulator that is started here replaces it."""

    TITLE = "fieldtool"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("L", "certificates", "Level", tooltip="Certificates, and the level in use", id="app.certificates"),
        Binding("question_mark,f1", "help", "Help", tooltip="Explain this screen", id="app.help"),
        Binding("q", "quit", "Quit", tooltip="Leave the program", id="app.quit"),
        Binding(
            *("ctrl+z", "suspend_process", "Suspend"),
            show=False,
            priority=True,
            tooltip="Back to the shell; fg returns",
            id="app.suspend",
        ),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._started: list[Session] = []

    def get_driver_class(self) -> type[Driver]:
        """Write to the terminal so that one that is slow or gone holds nothing up."""
        return patient(super().get_driver_class())

    def on_mount(self) -> None:
        """The reception list is where everything begins."""
        self._begin(self.session)
        self.set_interval(_LOOK_INTERVAL_S, self._look)

    def _begin(self, session: Session) -> None:
        """Close all screens over the session before, and show the reception list of this one."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.session = session
        self.push_screen(ReceptionScreen(session))
        self._look()

    async def on_event(self, event: events.Event) -> None:
        """Tell the session that somebody is there, and go on as Textual does."""
        if isinstance(event, events.Key | events.MouseDown | events.MouseScrollDown | events.MouseScrollUp):
            self.session.touch()
        await super().on_event(event)

    @property
    def failure(self) -> Exception | None:
        """What ended the program although nobody wanted it to end."""
        return self._exception

    def _fatal_error(self) -> None:
        """End without Textual's report: it prints every local variable, and with them readings and keys."""
        self._close_messages_no_wait()

    def close_started(self) -> None:
        """End what was started from within; safe to call twice."""
        while self._started:
            self._started.pop().close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer certificates and actions where there is a store; actions only from where a meter is chosen.

        What a meter waits for is not left standing.
        """
        if action == "suspend_process":
            return not any(isinstance(screen, ActionScreen) and screen.at_a_meter for screen in self.screen_stack)
        if action == "certificates":
            return self.session.certificates is not None and not isinstance(self._below_windows, CertificateScreen)
        if action == "actions":
            shown = self._below_windows
            return self.session.certificates is not None and isinstance(shown, ReceptionScreen | MeterScreen)
        if action == "paste":
            return self.session.paste is not None and isinstance(self._below_windows, ReceptionScreen | MeterScreen)
        return True

    @property
    def _below_windows(self) -> Screen[Any]:
        """The screen that help, palette or a question stand before."""
        return next(screen for screen in reversed(self.screen_stack) if not isinstance(screen, ModalScreen))

    def action_actions(self) -> None:
        """Show what can be done with the meter that the cursor stands on, or with any."""
        access, screen = self.session.certificates, self._below_windows
        if access is not None and isinstance(screen, ReceptionScreen | MeterScreen):
            self.push_screen(ActionScreen(self.session, access, screen.chosen_address))

    def action_certificates(self) -> None:
        """Show the certificates, and the level in use."""
        access = self.session.certificates
        if access is not None:
            self.push_screen(CertificateScreen(self.session, access))

    def on_paste(self, event: events.Paste) -> None:
        """Read what is pasted on the list or on a meter; windows and lines to type into take it for themselves."""
        if self.screen is not self._below_windows or not self.check_action("paste", ()):
            return
        event.stop()
        self.clear_notifications()
        try:
            pasted = read_pasted(event.text)
        except NotRecognised as error:
            seen, instead = safe_text(error.seen), safe_text(error.instead)
            self.notify(instead, title=seen, severity="warning", markup=False, timeout=10)
        else:
            self._take_pasted(pasted)

    def action_paste(self) -> None:
        """Ask for a telegram."""
        self.push_screen(PasteScreen(), self._take_pasted)

    def _take_pasted(self, pasted: PastedText | None) -> None:
        if pasted is not None and self.session.paste is not None:
            self.run_worker(self._decode_pasted(pasted, self.session.paste), group=_PASTE, description=_PASTE)

    async def _decode_pasted(
        self, pasted: PastedText, paste: Callable[[Sequence[RawFrame]], Sequence[Telegram]]
    ) -> None:
        """Have telegrams decoded in the pipeline's thread, and show them where they are still waited for."""
        telegrams = await asyncio.to_thread(paste, pasted.frames)
        if not telegrams:
            self.notify("paste it again", title="Nothing was decoded in time", severity="warning", markup=False)
        elif self.session.paste is paste:
            self._show_pasted(pasted, telegrams)

    def _show_pasted(self, pasted: PastedText, telegrams: Sequence[Telegram]) -> None:
        """Open the meter that telegrams are of, or go to the list where they are of several; ask for missing keys."""
        senders = tuple(dict.fromkeys(map(sender_of, telegrams)))
        said = [pasted.said] if pasted.said else []
        if len(telegrams) > 1:
            said.insert(0, f"{counted(len(telegrams), 'telegram')} of {counted(len(senders), 'meter')}")
        if isinstance(self.screen, ReceptionScreen | MeterScreen):
            if isinstance(self.screen, MeterScreen):
                self.pop_screen()
            if len(senders) == 1:
                self.push_screen(MeterScreen(self.session, senders[0], self._to_be_held(telegrams[-1])))
            elif isinstance(self.screen, ReceptionScreen):
                hidden = self.screen.go_to(senders)
                said += [f"the filter hides {hidden}: escape shows all"] if hidden else []
        if said:
            self.notify(safe_text("; ".join(said)), title="Pasted", markup=False, timeout=6)
        if self.session.can_be_unlocked and any(telegram.outcome is Outcome.NO_KEY for telegram in telegrams):
            self.action_unlock_keystore()

    def _to_be_held(self, telegram: Telegram) -> Telegram | None:
        """The telegram as it is kept, where others of its meter may come; None for one that waits for its key."""
        if not self.session.sources() or telegram.outcome is Outcome.NO_KEY:
            return None
        kept = self.session.reception.telegrams(sender_of(telegram))
        return next((one for one in reversed(kept) if one.data == telegram.data), None)

    @work(thread=True, exclusive=True, group=_LOOK)
    def _look(self) -> None:
        """See which level is in use, outside the UI's thread."""
        if self.session.certificates is not None:
            self.session.certificates.look()

    def action_help(self) -> None:
        """Explain the screen as it is now."""
        screen = self.screen
        if isinstance(screen, HelpScreen):
            return
        title = f"Help: {_HELP_TITLES.get(type(screen), 'reception list')}"
        self.push_screen(HelpScreen(title, help_text(screen.focused), help_entries(screen)))

    def action_start_simulator(self) -> None:
        """Start simulated meters, outside the UI's thread."""
        if self.session.start_simulator is not None and not self._simulator_is_starting():
            self.notify("starting simulated meters", markup=False, timeout=2)
            self._start_simulator()

    def _simulator_is_starting(self) -> bool:
        return any(worker.group == _SIMULATOR and not worker.is_finished for worker in self.workers)

    @work(thread=True, exclusive=True, exit_on_error=False, group=_SIMULATOR)
    def _start_simulator(self) -> Session | None:
        start = self.session.start_simulator
        if start is None:
            return None
        session = start()
        self._started.append(session)
        return session

    def action_lock_keystore(self) -> None:
        """Drop the keys; telegrams go on being received without them."""
        if self.session.lock_keystore is not None:
            self.session.lock_keystore()
            self.notify("the keystore is locked", markup=False, timeout=3)

    def action_unlock_keystore(self) -> None:
        """Ask for the passphrase."""

        def unlock(typed: str | None) -> None:
            if typed is not None:
                self._unlock(typed)

        self.push_screen(UnlockScreen(), unlock)

    # Without a description of its own, the worker would be described with what was typed.
    @work(thread=True, exclusive=True, exit_on_error=False, group=_UNLOCK, description="unlock")
    def _unlock(self, typed: str) -> None:
        if self.session.unlock_keystore is not None:
            self.session.unlock_keystore(typed)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Change over to the simulator's session, or say why there is none."""
        worker = event.worker
        if worker.group == _UNLOCK:
            if event.state is WorkerState.ERROR:
                self.notify(_reason(worker.error), title="The keystore stays locked", severity="error", markup=False)
            elif event.state is WorkerState.SUCCESS:
                self.notify("the keystore is unlocked", markup=False, timeout=3)
                self._tell_history()
                self._look()
        if worker.group != _SIMULATOR:
            return
        if event.state is WorkerState.SUCCESS and isinstance(worker.result, Session):
            self._begin(worker.result)
        elif event.state is WorkerState.ERROR:
            self.notify(_reason(worker.error), title="The simulator did not start", severity="error", markup=False)

    def _tell_history(self) -> None:
        """Warn of a store that is older than what was last seen of it here."""
        access = self.session.certificates
        history = None if access is None else access.vault.history
        if history is not None:
            text = f"{safe_text(history.text)}: see `fieldtool store verify`"
            self.notify(text, title="Not the keystore last used here", severity="warning", markup=False, timeout=20)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer in the palette what can be done on this screen."""
        yield from super().get_system_commands(screen)
        if isinstance(screen, ReceptionScreen):
            for by in SortBy:
                yield SystemCommand(
                    f"Reception: sort by {by.value}", "Give every meter a new place", lambda by=by: screen.sort(by)
                )
            yield SystemCommand("Reception: filter", "Show only some meters", screen.action_edit_filter)
            yield SystemCommand("Reception: show all", "Clear the filter", screen.action_clear_filter)
            if self.session.start_simulator is not None:
                yield SystemCommand("Reception: simulate", "Start simulated meters", self.action_start_simulator)
        if self.session.lock_keystore is not None:
            yield SystemCommand("Keystore: lock", "Forget the keys, and go on receiving", self.action_lock_keystore)
            yield SystemCommand("Keystore: unlock", "Ask for the passphrase", self.action_unlock_keystore)
        if self.check_action("paste", ()):
            yield SystemCommand("Paste", "Read a telegram that comes from elsewhere", self.action_paste)
        if self.check_action("certificates", ()):
            yield SystemCommand("Certificates", "The level in use, certificates and lists", self.action_certificates)
        if self.check_action("actions", ()):
            yield SystemCommand("Actions", "Read out or set up a meter", self.action_actions)
        if isinstance(screen, MeterScreen):
            yield SystemCommand("Meter: copy hex", "Copy this telegram as hex", screen.action_copy)
            yield SystemCommand("Meter: bytes as received", "Before or after decryption", screen.action_received)
            yield SystemCommand("Meter: follow or hold", "Follow the newest telegram, or not", screen.action_follow)


_HELP_TITLES: Final[dict[type[Screen[Any]], str]] = {
    MeterScreen: "one meter",
    CertificateScreen: "certificates",
    ActionScreen: "actions",
}


def _reason(error: BaseException | None) -> str:
    """What happened, and what to do where the error knows it."""
    if isinstance(error, FieldToolError):
        return safe_text(": ".join(part for part in (error.message, error.hint) if part))
    return safe_text(str(error)) or type(error).__name__


def run(session: Session) -> None:
    """Run the screens until the user leaves; an exception of the screens is raised when the terminal is as before.

    Ends what was started from within, not what `session` came with.
    """
    app = FieldToolApp(session)
    # What is there by now stays to the end: Python need not look through it for unused objects while keys are pressed.
    gc.freeze()
    try:
        app.run()
    finally:
        let_go(app)
        app.close_started()
    if app.failure is not None:
        raise app.failure
