"""What a look-up of keys may offer besides keys: that it cannot look any up, and which ones were revoked.

Neither `KeyLookup` nor `LorawanKeys` has to: a plain function is a look-up as well. Whoever wants to know asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

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
