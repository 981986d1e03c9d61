"""What a screen session is started with: what was heard, from where, with which keys, at which time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fieldtool.actions.links import open_link
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import SourceEvent
from fieldtool.tui.action_run import LinkOpener, PortLender, Visited
from fieldtool.tui.certificate_access import CertificateAccess
from protocols.model import RawFrame, Telegram


def no_sources() -> Sequence[SourceEvent]:
    """Return no receiver at all."""
    return ()


def no_keystore() -> str:
    """Say that no keystore is open."""
    return "none"


def nothing_locked() -> bool:
    """Say that no keystore waits for its passphrase."""
    return False


def utc_now() -> datetime:
    """Return the computer's time as aware UTC."""
    return datetime.now(UTC)


def nothing_to_close() -> None:
    """Close nothing."""


def nothing_to_lend(target: str) -> AbstractContextManager[None]:
    """Keep nobody away from a port: nobody listens."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the screens show; they only ever read it, at most five times a second.

    `sources` gives the newest event of each source (`Listening.newest`), `keystore` the store's state in words; they
    and `keystore_is_locked` are asked five times a second and must return at once. `clock` gives aware UTC in the time
    of the telegrams. `start_simulator` opens simulated meters and returns their session; it may take seconds and is
    called outside the UI's thread. `close` ends what the session started; the screens call it only for sessions that
    `start_simulator` gave them.

    `touch` is told of every key and click, so that a keystore locks itself only when nobody is there. `lock_keystore`
    returns at once; `unlock_keystore` takes a second, is called outside the UI's thread, and raises errors with a
    `message` when what was typed does not open it. Both are None where there is no keystore to lock.

    `paste` takes frames that somebody pasted, as those of a receiver are taken, and returns the telegrams that they
    are; it may wait, and is called outside the UI's thread. It is None where nothing decodes.

    `certificates` is None where no store can be asked for them. `open_link` opens the way to a meter that an action is
    done with, outside the UI's thread, and `lend_port` keeps receivers away from its port meanwhile; `visited` is what
    was typed for it last. `filed_meters` is how many meters the reception knows as filed, `has_labels`
    whether some of them have labels.
    """

    reception: Reception
    sources: Callable[[], Sequence[SourceEvent]] = no_sources
    keystore: Callable[[], str] = no_keystore
    clock: Callable[[], datetime] = utc_now
    start_simulator: Callable[[], Session] | None = None
    close: Callable[[], None] = nothing_to_close
    touch: Callable[[], None] = nothing_to_close
    lock_keystore: Callable[[], None] | None = None
    unlock_keystore: Callable[[str], None] | None = None
    keystore_is_locked: Callable[[], bool] = nothing_locked
    paste: Callable[[Sequence[RawFrame]], Sequence[Telegram]] | None = None
    certificates: CertificateAccess | None = None
    open_link: LinkOpener = open_link
    lend_port: PortLender = nothing_to_lend
    visited: Visited = field(default_factory=Visited)
    filed_meters: int = 0
    has_labels: bool = False

    @property
    def can_be_unlocked(self) -> bool:
        """Whether there is a keystore that waits for its passphrase."""
        return self.unlock_keystore is not None and self.keystore_is_locked()
