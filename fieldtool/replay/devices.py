"""The LoRaWAN devices of a replay: their keys and sessions from the store, and back into it what was heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fieldtool.keys.lazy_keys import LazyKeys, follower_maker
from protocols.model import Key

if TYPE_CHECKING:
    from fieldtool.kept.session_book import SessionBook
    from keystore.vault.documents import DocumentShelf
    from protocols.lorawan.follower import LorawanFollower


class FollowedDevices:
    """Follows devices with the sessions that the store has kept; with given keys, no store is asked.

    The store is opened, and anything of LoRaWAN loaded, when the first of their frames comes.
    """

    def __init__(self, store: LazyKeys, given: Sequence[Key]) -> None:
        self._store = store
        self._given = tuple(given)
        self._made: tuple[LorawanFollower, SessionBook | None] | None = None

    def follower(self) -> LorawanFollower:
        """What follows the devices; always the same."""
        if self._made is None:
            from fieldtool.kept.session_book import SessionBook

            follower = follower_maker(self._store, self._given)()
            book = None if self._given else SessionBook(self._documents)
            self._made = follower, book
            if book is not None:
                book.follow(follower)
        return self._made[0]

    def keep(self) -> None:
        """Write what was heard into the store, when there was anything."""
        if self._made is not None and self._made[1] is not None:
            self._made[1].keep(self._made[0])

    def _documents(self) -> DocumentShelf | None:
        if not self._store.is_open and not self._store.reason:
            self._store.open()
        return self._store.documents()
