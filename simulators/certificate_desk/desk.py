"""The certificate desk: takes orders, checks requests, signs, revokes.

Not simulated: people who approve, payment, hardware security modules, and a second pair of eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keystore.certificates.certificate import FieldCertificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import Grant
from keystore.certificates.levels import EVERYTHING, level_table
from keystore.certificates.request import CertificateRequest, read_request
from keystore.certificates.token import SECRET_BYTES, Token, token_identity
from simulators.certificate_desk.books import DeskBooks, IssuedEntry, Order, TokenEntry, TokenState
from simulators.certificate_desk.issuing import (
    Authority,
    RandomBytes,
    issue_anchor,
    issue_authority,
    issue_certificate,
    issue_list,
)
from simulators.errors import SimulatorError

ANCHOR_VALIDITY: Final = timedelta(days=3652)
ISSUER_VALIDITY: Final = timedelta(days=1096)
TOKEN_VALIDITY: Final = timedelta(days=30)
LIST_VALIDITY: Final = timedelta(days=30)
MOST_TOKENS: Final = 100


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """A certificate with its issuer, and the order that it answers."""

    certificate: FieldCertificate
    issuer: FieldCertificate
    order: Order
    tag: str

    @property
    def level(self) -> str:
        """The title of the level: `Service`."""
        return self.order.grant.title


class CertificateDesk:
    """One desk: a trust anchor, its issuing authorities (the last one signs), and the books."""

    def __init__(
        self, anchor: Authority, issuers: Sequence[Authority], books: DeskBooks, random_bytes: RandomBytes
    ) -> None:
        self.anchor = anchor
        self.issuers = tuple(issuers)
        self.books = books
        self._random_bytes = random_bytes

    @classmethod
    def create(cls, name: str, address: str, now: datetime, random_bytes: RandomBytes) -> CertificateDesk:
        """Make a desk with a new anchor and one issuing authority; `address` is where requests are mailed to."""
        most = Grant(EVERYTHING)
        anchor = issue_anchor(f"{name} trust anchor", most, now, ANCHOR_VALIDITY, random_bytes)
        issuer = issue_authority(f"{name} issuer 1", most, now, ISSUER_VALIDITY, anchor, random_bytes)
        return cls(anchor, (issuer,), DeskBooks(address), random_bytes)

    @property
    def issuer(self) -> Authority:
        """The authority that signs now."""
        return self.issuers[-1]

    def new_issuer(self, name: str, now: datetime, most: Grant | None = None) -> Authority:
        """Add an issuing authority that signs from now on; `most` is what it may grant."""
        made = issue_authority(name, most or Grant(EVERYTHING), now, ISSUER_VALIDITY, self.anchor, self._random_bytes)
        self.issuers = (*self.issuers, made)
        return made

    def order(self, grant: Grant, count: int, now: datetime) -> tuple[Order, tuple[Token, ...]]:
        """Take an order of `count` certificates and return a token for each; raises `SimulatorError`."""
        organisation = grant.scope.organisation
        if organisation is None:
            raise SimulatorError("an order needs an organisation", "give --organisation NAME")
        if not 1 <= count <= MOST_TOKENS:
            raise SimulatorError(f"an order is for 1 to {MOST_TOKENS} certificates", "split it")
        number, expires_at = f"{now:%Y}-{len(self.books.orders) + 1:04}", now.replace(microsecond=0) + TOKEN_VALIDITY
        tokens = tuple(
            Token(
                self._random_bytes(SECRET_BYTES),
                organisation,
                grant.capabilities,
                number,
                expires_at,
                self.books.address,
            )
            for _ in range(count)
        )
        order = Order(number, grant, now, expires_at, tuple(TokenEntry(token.identity) for token in tokens))
        self.books = replace(self.books, orders=(*self.books.orders, order))
        return order, tokens

    def check(self, data: bytes, now: datetime) -> tuple[CertificateRequest, Order, TokenEntry]:
        """Check a request against the orders; `CertificateRejected` with the reason when it is not to be signed."""
        request = read_request(data)
        found = self.books.order_of(token_identity(request.secret))
        if found is None:
            raise CertificateRejected(RejectReason.TOKEN_UNKNOWN, "the request's token is not from this desk")
        order, entry = found
        if entry.state is not TokenState.SENT:
            raise CertificateRejected(RejectReason.TOKEN_USED, f"the token of order {order.number} was {entry.state}")
        if now > order.expires_at:
            raise CertificateRejected(
                RejectReason.TOKEN_EXPIRED, f"the token of order {order.number} expired on {order.expires_at:%Y-%m-%d}"
            )
        if request.organisation != order.organisation:
            raise CertificateRejected(
                RejectReason.WRONG_ORGANISATION,
                f"the request is from another organisation than order {order.number}",
            )
        if _key_text(request) in {one.key for one in self.books.issued}:
            raise CertificateRejected(RejectReason.KEY_REUSED, "the request's key has a certificate already")
        return request, order, entry

    def answer(self, data: bytes, now: datetime) -> SignedAnswer:
        """Check a request and sign what was ordered, whatever the request asks for; the token is used up.

        Raises `CertificateRejected` with the reason.
        """
        request, order, entry = self.check(data, now)
        validity = _validity(order.grant)
        certificate = issue_certificate(
            request.public_key, request.tag, order.grant, now, validity, self.issuer, self._random_bytes
        )
        issued = IssuedEntry(
            certificate.serial,
            order.number,
            order.organisation,
            request.tag,
            order.grant.title,
            _key_text(request),
            self.issuer.certificate.fingerprint,
            certificate.not_after,
        )
        books = self.books.with_token(order, replace(entry, state=TokenState.USED, serial=certificate.serial))
        self.books = replace(books, issued=(*books.issued, issued))
        return SignedAnswer(certificate, self.issuer.certificate, order, request.tag)

    def cancel(self, data: bytes, now: datetime) -> Order:
        """Turn down a request that would be good: its token is cancelled; returns the order."""
        _, order, entry = self.check(data, now)
        self.books = self.books.with_token(order, replace(entry, state=TokenState.CANCELLED))
        return order

    def revoke(self, name: str, now: datetime) -> IssuedEntry:
        """Revoke the one certificate with this tag, or whose serial number begins so; raises `SimulatorError`."""
        word = name.strip().casefold()
        found = [one for one in self.books.issued if one.tag.casefold() == word]
        found = found or [one for one in self.books.issued if word and f"{one.serial:016x}".startswith(word)]
        if len(found) != 1:
            raise SimulatorError(
                f"{'more than one' if found else 'no'} certificate is called {name.strip()!r}",
                "see: fieldtool simulate desk list",
            )
        entry = found[0] if found[0].revoked_at is not None else replace(found[0], revoked_at=now)
        self.books = replace(
            self.books, issued=tuple(entry if one.serial == entry.serial else one for one in self.books.issued)
        )
        return entry

    def revocation_list(self, now: datetime, *, issuer: Authority | None = None) -> bytes:
        """Sign the next list of an issuer, by default of the one that signs now."""
        issuer = issuer or self.issuer
        fingerprint = issuer.certificate.fingerprint
        number = self.books.list_number(fingerprint) + 1
        revoked = [
            (one.serial, one.revoked_at)
            for one in self.books.issued
            if one.issuer == fingerprint and one.revoked_at is not None
        ]
        numbers = {**dict(self.books.list_numbers), fingerprint: number}
        self.books = replace(self.books, list_numbers=tuple(numbers.items()))
        return issue_list(issuer, revoked, number, now, LIST_VALIDITY)


def _validity(grant: Grant) -> timedelta:
    """Return the shortest life of the levels that the grant holds."""
    levels = [one for one in level_table().levels.values() if one.validity and one.capabilities in grant.capabilities]
    return min((level.validity for level in levels), default=timedelta(days=365))


def _key_text(request: CertificateRequest) -> str:
    numbers = request.public_key.public_numbers()
    return f"{numbers.x:064x}{numbers.y:064x}"
