"""The path check: from a certificate over its issuers to an installed trust anchor, and what the whole chain allows.

Rules (RFC 5280, 6, made narrower): P-256 and ECDSA with SHA-256 throughout; a leaf is no CA, signs and nothing else,
and is for field authorisation only; a CA is marked as one, may sign certificates, and names the most that it may grant;
names, key identifiers and signatures fit from each certificate to the next; every certificate is valid at the moment
asked for, the anchor too; none is on its issuer's revocation list. What the chain allows is the least of all grants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography.exceptions import InvalidSignature

from keystore.certificates.certificate import FieldCertificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import Grant
from keystore.certificates.oids import FIELD_AUTHORISATION
from keystore.certificates.revocation import RevocationList

LONGEST_CHAIN: Final = 4
"""Certificates, leaf and anchor included."""
MOST_ISSUERS: Final = 16
"""Certificates that are tried as issuers: with the longest chain, this bounds the work."""


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A chain that holds: the leaf first, the anchor last, and what all of it together allows."""

    certificates: tuple[FieldCertificate, ...]
    grant: Grant

    @property
    def leaf(self) -> FieldCertificate:
        """The certificate that was asked about."""
        return self.certificates[0]

    @property
    def issuers(self) -> tuple[FieldCertificate, ...]:
        """Everything above the leaf, the anchor last."""
        return self.certificates[1:]

    @property
    def anchor(self) -> FieldCertificate:
        """The trust anchor at its end."""
        return self.certificates[-1]


def verify_chain(
    leaf: FieldCertificate,
    issuers: Iterable[FieldCertificate],
    anchors: Sequence[FieldCertificate],
    at: datetime,
    lists: Sequence[RevocationList] = (),
) -> VerifiedChain:
    """Return the chain from `leaf` to one of the anchors as of `at` (aware UTC).

    `issuers` may hold more than is needed, in any order; `lists` are lists whose signature was verified. Raises
    `CertificateRejected` with the reason.
    """
    check_leaf(leaf)
    return _verify(leaf, issuers, anchors, at, lists)


def verify_authority(
    authority: FieldCertificate,
    issuers: Iterable[FieldCertificate],
    anchors: Sequence[FieldCertificate],
    at: datetime,
    lists: Sequence[RevocationList] = (),
) -> None:
    """Check a certificate authority as `verify_chain` does a leaf; an installed anchor is good while it is valid."""
    check_authority(authority)
    if authority in anchors:
        _check_dates(authority, at)
        return
    _verify(authority, issuers, anchors, at, lists)


def _verify(
    first: FieldCertificate,
    issuers: Iterable[FieldCertificate],
    anchors: Sequence[FieldCertificate],
    at: datetime,
    lists: Sequence[RevocationList],
) -> VerifiedChain:
    pool = list(dict.fromkeys(issuers))[:MOST_ISSUERS]
    failures: list[CertificateRejected] = []
    for chain in _chains((first,), pool, anchors):
        try:
            return _check_chain(chain, at, lists)
        except CertificateRejected as error:
            failures.append(error)
    if failures:
        # A signature that does not fit only says that another certificate of the same name was the issuer.
        raise max(failures, key=lambda failure: failure.reason is not RejectReason.BAD_SIGNATURE)
    _check_dates(first, at)
    raise CertificateRejected(
        RejectReason.UNTRUSTED,
        f"{_named(first)} was issued by {first.issuer_name!r}, which no installed trust anchor vouches for",
    )


def check_leaf(leaf: FieldCertificate) -> None:
    """Check what can be said of a leaf by itself; `CertificateRejected` with the reason."""
    _check_key(leaf)
    if leaf.is_ca:
        raise CertificateRejected(RejectReason.NOT_A_LEAF, "the certificate is a certificate authority's own")
    if leaf.is_ca is None or not leaf.constraints_critical or leaf.path_length is not None:
        raise CertificateRejected(RejectReason.WRONG_USAGE, "the certificate does not say that it is no authority")
    uses = leaf.uses
    if uses is None or not leaf.uses_critical or not uses.digital_signature:
        raise CertificateRejected(RejectReason.WRONG_USAGE, "the certificate's key is not for signing")
    if uses.key_cert_sign or uses.crl_sign or uses.others:
        raise CertificateRejected(RejectReason.WRONG_USAGE, "the certificate's key is for more than signing")
    if leaf.purposes != frozenset({FIELD_AUTHORISATION}):
        raise CertificateRejected(RejectReason.WRONG_USAGE, "the certificate is not for field authorisation alone")
    _check_grant(leaf)


def check_authority(authority: FieldCertificate) -> None:
    """Check what can be said of a CA certificate by itself; `CertificateRejected` with the reason."""
    _check_key(authority)
    if not authority.is_ca or not authority.constraints_critical:
        raise CertificateRejected(
            RejectReason.NOT_A_CA, f"{_named(authority)} is not marked as a certificate authority"
        )
    if authority.uses is None or not authority.uses_critical or not authority.uses.key_cert_sign:
        raise CertificateRejected(RejectReason.NOT_A_CA, f"{_named(authority)} may not sign certificates")
    if authority.purposes is not None and FIELD_AUTHORISATION not in authority.purposes:
        raise CertificateRejected(RejectReason.WRONG_USAGE, f"{_named(authority)} is not for field authorisation")
    if authority.subject_key_id is None:
        raise CertificateRejected(RejectReason.NOT_A_CA, f"{_named(authority)} has no key identifier")
    _check_grant(authority)


def check_anchor(anchor: FieldCertificate) -> None:
    """Check a certificate that is to be installed as a trust anchor: a CA that signed itself."""
    check_authority(anchor)
    if anchor.subject != anchor.issuer or anchor.authority_key_id not in (None, anchor.subject_key_id):
        raise CertificateRejected(
            RejectReason.UNTRUSTED,
            f"{_named(anchor)} is not a trust anchor: it was issued by another certificate",
            "install the one that issued it",
        )
    _check_signature(anchor, anchor)


def _chains(
    chain: tuple[FieldCertificate, ...], pool: Sequence[FieldCertificate], anchors: Sequence[FieldCertificate]
) -> Iterator[tuple[FieldCertificate, ...]]:
    """Yield every way up by name and key identifier; signatures are checked later."""
    last = chain[-1]
    for anchor in anchors:
        if _may_have_issued(anchor, last) and anchor not in chain:
            yield (*chain, anchor)
    if len(chain) + 1 >= LONGEST_CHAIN:
        return
    for issuer in pool:
        if _may_have_issued(issuer, last) and issuer not in chain and issuer not in anchors:
            yield from _chains((*chain, issuer), pool, anchors)


def _may_have_issued(issuer: FieldCertificate, subject: FieldCertificate) -> bool:
    return issuer.subject == subject.issuer and issuer.subject_key_id == subject.authority_key_id is not None


def _check_chain(chain: tuple[FieldCertificate, ...], at: datetime, lists: Sequence[RevocationList]) -> VerifiedChain:
    for certificate, issuer in zip(chain, (*chain[1:], chain[-1]), strict=True):
        _check_signature(certificate, issuer)
    for depth, authority in enumerate(chain[1:], int(bool(chain[0].is_ca))):
        check_authority(authority)
        if authority.path_length is not None and depth > authority.path_length:
            raise CertificateRejected(
                RejectReason.PATH_TOO_LONG, f"{_named(authority)} allows {authority.path_length} authorities below it"
            )
    for certificate in chain[:-1]:
        if certificate.authority_named:
            raise CertificateRejected(
                RejectReason.MALFORMED, "a certificate names its issuer in two ways, of which one cannot be checked"
            )
    for certificate in reversed(chain):
        _check_dates(certificate, at)
    for certificate, issuer in pairwise(chain):
        _check_not_revoked(certificate, issuer, lists)
    return VerifiedChain(chain, _least_grant(chain))


def _check_signature(certificate: FieldCertificate, issuer: FieldCertificate) -> None:
    try:
        certificate.x509.verify_directly_issued_by(issuer.x509)
    except (InvalidSignature, ValueError, TypeError):
        raise CertificateRejected(
            RejectReason.BAD_SIGNATURE, f"the signature of {_named(issuer)} under {_named(certificate)} is not right"
        ) from None


def _check_dates(certificate: FieldCertificate, at: datetime) -> None:
    if at < certificate.not_before:
        raise CertificateRejected(
            RejectReason.NOT_YET, f"{_named(certificate)} is valid from {certificate.not_before:%Y-%m-%d %H:%M} UTC on"
        )
    if at > certificate.not_after:
        raise CertificateRejected(
            RejectReason.EXPIRED, f"{_named(certificate)} expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC"
        )


def _check_not_revoked(
    certificate: FieldCertificate, issuer: FieldCertificate, lists: Sequence[RevocationList]
) -> None:
    for revocations in lists:
        if certificate.serial in revocations.serials and revocations.is_signed_by(issuer):
            raise CertificateRejected(
                RejectReason.REVOKED,
                f"{_named(certificate)} was revoked: it is on list {revocations.number} of {issuer.common_name}",
            )


def _check_key(certificate: FieldCertificate) -> None:
    if not certificate.has_plain_key:
        raise CertificateRejected(
            RejectReason.WRONG_KEY_TYPE,
            f"the key of {_named(certificate)} is not written as a point of P-256, "
            "uncompressed and the curve by its name",
        )


def _check_grant(certificate: FieldCertificate) -> None:
    if certificate.grant is None:
        raise CertificateRejected(RejectReason.NO_LEVEL, f"{_named(certificate)} holds no level")
    if not certificate.grant_critical:
        raise CertificateRejected(RejectReason.NO_LEVEL, f"{_named(certificate)}: its level is not marked critical")


def _least_grant(chain: Sequence[FieldCertificate]) -> Grant:
    least: Grant | None = chain[0].grant
    for certificate in chain[1:]:
        if least is None or certificate.grant is None:
            break
        least = least.narrowed(certificate.grant)
    if least is None:
        raise CertificateRejected(
            RejectReason.GRANTS_NOTHING, "its issuer may grant nothing of what the certificate grants"
        )
    return least


def _named(certificate: FieldCertificate) -> str:
    return f"certificate {certificate.common_name or certificate.serial_text!r}"
