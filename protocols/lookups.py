"""What a look-up of keys may offer besides keys: many at once, those at hand, why it has none, which were revoked.

Neither `KeyLookup` nor `LorawanKeys` has to: a plain function is a look-up as well. Whoever wants to know asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from protocols.model import Address, Key, KeyLookup

Whose_contra = TypeVar("Whose_contra", contravariant=True)


class Lockable(Protocol):
    """A look-up over a store that may be locked, or in use elsewhere: it gives no keys then, and says why."""

    @property
    def unavailable(self) -> str:
        """Why no key can be looked up; empty while keys can."""

    @property
    def how_to_unlock(self) -> str:
        """What to do then; may be empty."""


class KnowsRevoked(Protocol[Whose_contra]):
    """A look-up that knows which keys are not to be used any more."""

    def revoked(self, whose: Whose_contra, /) -> Sequence[str]:
        """The check values of the revoked keys of an address, or of a DevEUI or DevAddr."""


class LooksUpMany(Protocol):
    """A look-up that finds the keys of many addresses in less time than one after the other."""

    def of_many(self, addresses: Sequence[Address], /) -> Mapping[Address, Sequence[Key]]:
        """The keys of each address as the look-up gives them; addresses may be missing, to be asked for singly."""


class HasKeysAtHand(Protocol):
    """A look-up that may have to ask a person before it gives keys, for a passphrase, and can tell which it has."""

    def at_hand(self, address: Address, /) -> Sequence[Key]:
        """The keys filed for an address that can be had without asking anybody, best first."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why no key can be looked up, and what to do."""

    reason: str
    next: str


def why_unavailable(keys: object) -> Unavailable | None:
    """Say why a look-up gives no keys for now; None while it does, and where it is not `Lockable`."""
    # Asked for every telegram without a key: `isinstance` with a protocol would take fifty times as long.
    reason: str = getattr(keys, "unavailable", "")
    if not reason:
        return None
    how: str = getattr(keys, "how_to_unlock", "")
    return Unavailable(reason, how or "unlock the keystore")


def revoked_keys(keys: object, whose: Whose_contra) -> Sequence[str]:
    """Ask a look-up for the check values of someone's revoked keys; empty where it is not `KnowsRevoked`."""
    revoked: Callable[[Whose_contra], Sequence[str]] | None = getattr(keys, "revoked", None)
    return () if revoked is None else revoked(whose)


def keys_of_many(keys: object, addresses: Sequence[Address]) -> Mapping[Address, Sequence[Key]]:
    """Ask a look-up for the keys of many addresses; empty where it does not `LooksUpMany`."""
    of_many: Callable[[Sequence[Address]], Mapping[Address, Sequence[Key]]] | None = getattr(keys, "of_many", None)
    return {} if of_many is None or not addresses else of_many(addresses)


def keys_at_hand(keys: KeyLookup, address: Address) -> Sequence[Key]:
    """Ask a look-up for the keys of an address that are useful, not needed; all of them unless it `HasKeysAtHand`."""
    at_hand: KeyLookup | None = getattr(keys, "at_hand", None)
    return keys(address) if at_hand is None else at_hand(address)
