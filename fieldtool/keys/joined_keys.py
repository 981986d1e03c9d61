"""The keys of one look-up, then those of the user's own store: for telegrams pasted beside simulated meters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocols.model import Address, Key, KeyLookup

if TYPE_CHECKING:
    from fieldtool.keys.lazy_keys import LazyKeys


class JoinedKeys:
    """A `KeyLookup` over two; the second says why it has no keys while it is locked."""

    def __init__(self, first: KeyLookup, own: LazyKeys) -> None:
        self._first = first
        self._own = own

    def __call__(self, address: Address) -> Sequence[Key]:
        """Return the keys filed for an address, those of the first look-up first."""
        return (*self._first(address), *self._own(address))

    def at_hand(self, address: Address) -> Sequence[Key]:
        """Return those keys of an address for which nobody has to be asked."""
        return (*self._first(address), *self._own.at_hand(address))

    def revoked(self, address: Address) -> Sequence[str]:
        """Return the check values of an address's keys that are revoked."""
        return self._own.revoked(address)

    @property
    def unavailable(self) -> str:
        """Why no key can be looked up; empty while keys can."""
        return self._own.unavailable

    @property
    def how_to_unlock(self) -> str:
        """What to do then."""
        return self._own.how_to_unlock
