"""A screen that pulls what was heard five times a second, for as long as it is the one that is seen."""

from __future__ import annotations

from textual.screen import Screen
from textual.timer import Timer

from fieldtool.tui.session import Session
from fieldtool.tui.status_bar import StatusBar
from fieldtool.tui.terminal import is_behind

PULL_INTERVAL_S = 0.2
"""The screens are drawn at most this often, however much is received."""


BREAKPOINTS = ((0, "-narrow"), (120, "-wide"), (160, "-broad"))
"""Width in cells from which a screen has a class: two pages side by side, a status bar of one line."""


class LiveScreen(Screen[None]):
    """Base of the screens over a session; subclasses pull in `pull`, which must be cheap when nothing is new."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = list(BREAKPOINTS)
        self.session = session
        self.status_bar = StatusBar(session)
        self._timer: Timer | None = None
        self._could_be_unlocked = False

    def pull(self) -> None:
        """Take over what is new, and draw only that; a keystore that was locked can be unlocked from now on."""
        self.status_bar.pull()
        if self.session.can_be_unlocked != self._could_be_unlocked:
            self._could_be_unlocked = not self._could_be_unlocked
            self.refresh_bindings()

    def _pull_when_taken(self) -> None:
        """Draw nothing new while a slow terminal still takes the picture before: keys would wait behind it all."""
        if not is_behind(self.app):
            self.pull()

    def on_mount(self) -> None:
        """Set the clock up; it runs only while the screen is seen. Textual calls this beside a subclass's own.

        The class for the width is there before the first picture; Textual itself sets it only behind that.
        """
        width = self.app.size.width
        self.add_class(next(name for floor, name in reversed(BREAKPOINTS) if width >= floor))
        self._timer = self.set_interval(PULL_INTERVAL_S, self._pull_when_taken, pause=True)
        self._timer.resume()

    def on_screen_resume(self) -> None:
        """Pull from now on, and once at once."""
        if self._timer is not None:
            self._timer.resume()
            self.call_after_refresh(self.pull)

    def on_screen_suspend(self) -> None:
        """Stop pulling."""
        if self._timer is not None:
            self._timer.pause()

    async def action_unlock(self) -> None:
        """Ask for the passphrase."""
        await self.app.run_action("app.unlock_keystore")
