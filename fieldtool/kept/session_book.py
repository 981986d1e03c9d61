"""LoRaWAN sessions, kept sealed in the vault: a new start goes on where the last ended.

Kept are the keys and counters of sessions that were followed from a join, the counters of sessions with fixed keys, and
of devices their DevNonces, addresses, and messages that a bridge had sent only in part.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from fieldtool.kept.session_document import decode_sessions, merge_sessions
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from keystore.vault.documents import DocumentShelf
    from protocols.lorawan.keys import LorawanKeys

DOCUMENT: Final = "lorawan sessions"

_log = logging.getLogger(__name__)


class SessionBook:
    """Reads and writes the sessions of a store; `shelf` gives None while there is no store that is unlocked."""

    def __init__(self, shelf: Callable[[], DocumentShelf | None]) -> None:
        self._shelf = shelf
        self._open = False
        self._resumed = self._kept = Sessions()

    def follow(self, follower: LorawanFollower) -> None:
        """Bring the sessions of a decoder in step with the store: none while it is locked, the kept ones afterwards."""
        shelf = self._shelf()
        if shelf is None:
            if self._open:
                self._open = False
                follower.resume(Sessions())
        elif not self._open:
            self._open = True
            self._resumed = self._kept = self._read(shelf, follower.keys)
            follower.resume(self._resumed)

    def keep(self, follower: LorawanFollower) -> None:
        """Write the sessions into the store, when they changed and it is unlocked; a failure is logged."""
        from keystore.errors import KeystoreError

        shelf, sessions = self._shelf(), follower.sessions
        if shelf is None or not self._open or sessions is self._kept:
            return
        try:
            shelf.change(DOCUMENT, lambda before: (merge_sessions(before, sessions, self._resumed), ()))
            self._kept = sessions
        except KeystoreError as error:
            _log.warning("sessions are not kept: %s", error.message)

    @staticmethod
    def _read(shelf: DocumentShelf, keys: LorawanKeys) -> Sessions:
        from keystore.errors import KeystoreError

        try:
            data = shelf.read(DOCUMENT)
            return Sessions() if data is None else decode_sessions(data, keys)
        except (KeystoreError, ValueError) as error:
            _log.warning("sessions kept earlier are not used: %s", type(error).__name__)
            return Sessions()
