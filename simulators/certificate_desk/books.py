"""What the certificate desk writes down: orders with their tokens, certificates, and the numbers of its lists.

Of a token only its fingerprint is kept once it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from keystore.certificates.grant import Grant


class TokenState(StrEnum):
    """What became of a token."""

    SENT = "sent"
    USED = "used"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """One token of an order: its fingerprint (`Token.identity`), and the certificate that it led to."""

    identity: str
    state: TokenState = TokenState.SENT
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order of certificates of one level for one organisation, which stands in the grant's scope."""

    number: str
    grant: Grant
    ordered_at: datetime
    expires_at: datetime
    tokens: tuple[TokenEntry, ...]

    @property
    def organisation(self) -> str:
        """Who ordered."""
        return self.grant.scope.organisation or ""


@dataclass(frozen=True, slots=True)
class IssuedEntry:
    """One certificate that was issued, with the uncompressed point of its key in hex, and when it was revoked."""

    serial: int
    order: str
    organisation: str
    tag: str
    level: str
    key: str
    issuer: str
    not_after: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeskBooks:
    """All that is written down; `list_numbers` are the last list numbers by issuer fingerprint."""

    address: str
    orders: tuple[Order, ...] = ()
    issued: tuple[IssuedEntry, ...] = ()
    list_numbers: tuple[tuple[str, int], ...] = ()

    def order_of(self, identity: str) -> tuple[Order, TokenEntry] | None:
        """Return the order and the entry of a token; None when no such token was ever sent."""
        for order in self.orders:
            for entry in order.tokens:
                if entry.identity == identity:
                    return order, entry
        return None

    def with_token(self, order: Order, entry: TokenEntry) -> DeskBooks:
        """Replace one token's entry."""
        tokens = tuple(entry if one.identity == entry.identity else one for one in order.tokens)
        changed = replace(order, tokens=tokens)
        return replace(self, orders=tuple(changed if one.number == order.number else one for one in self.orders))

    def list_number(self, issuer: str) -> int:
        """Return the number of an issuer's last list, 0 before the first."""
        return dict(self.list_numbers).get(issuer, 0)
