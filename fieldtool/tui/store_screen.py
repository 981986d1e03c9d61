"""A screen that works with the open store beside the UI: one thing at a time, what is refused is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from textual.widgets import Static

from fieldtool.errors import FieldToolError
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.line_view import STYLES
from fieldtool.tui.live_screen import LiveScreen
from fieldtool.tui.question_screen import QuestionScreen
from fieldtool.tui.session import Session
from keystore.certificates.clock import ClockState
from keystore.errors import KeystoreError, Locked
from protocols.text import safe_text

MAX_SAID: Final = 400
"""Characters of one text that are said."""

_WORK: Final = "store"
_Result = TypeVar("_Result")


class StoreScreen(LiveScreen):
    """Base of the screens of certificates and of actions; subclasses yield `message` and look anew in `look`."""

    def __init__(self, session: Session, access: CertificateAccess) -> None:
        super().__init__(session)
        self.access = access
        self.message = Static(id="message", markup=False)

    def on_mount(self) -> None:
        """Look at once; ask for the passphrase where it is needed."""
        self.say("")
        if self.access.is_locked and self.session.unlock_keystore is not None:
            self.call_later(self.action_unlock)
        else:
            self.begin(self.attend())

    def say(self, *texts: str, style: str = "plain") -> None:
        """Say what came of something, below everything; nothing to say takes no room."""
        text = ": ".join(safe_text(text, MAX_SAID) for text in texts if text)
        self.message.display = bool(text)
        for name in STYLES:
            self.message.set_class(name == style, f"-{name}")
        if text != self.message.content:
            self.message.update(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to unlock what is locked."""
        if action == "unlock":
            return self.access.is_locked and self.session.unlock_keystore is not None
        return True

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside the screen, unless something else is being done; what is refused is said."""
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
        await self.look()
        self.pull()

    async def look(self) -> None:
        """See the certificates and the level in use."""
        await self.beside(self.access.look)

    async def beside(self, work: Callable[[], _Result]) -> _Result:
        """Do what may wait in another thread, and be there when it ends: nothing is closed under its user."""
        thread = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            self.give_up()
            await asyncio.wait((thread,))
            if not thread.cancelled():
                thread.exception()
            raise

    def give_up(self) -> None:
        """End what another thread waits for, where that can be ended: the screen is left."""

    async def yes(self, title: str, *lines: str) -> bool:
        """Ask a question that only a person can answer."""
        return await self.app.push_screen_wait(QuestionScreen(title, *lines))

    async def attend(self) -> None:
        """Judge the clock before anything is done with it; one that is far ahead is asked about."""
        clock = await self.beside(self.access.attend_clock)
        if clock.state is ClockState.FAR_AHEAD and await self.yes("The clock", f"{clock.reason}. Go on?"):
            await self.beside(self.access.open().confirm_clock)
