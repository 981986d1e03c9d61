"""Revocation lists: X.509 CRLs (RFC 5280, 5) that are signed, numbered, and dated.

A list is a full one of one issuer: delta lists and lists of a part of the certificates carry a critical extension, and
those are refused here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID

from keystore.certificates.certificate import PARSE_FAULTS, FieldCertificate, library_unheard, read_signed
from keystore.certificates.errors import CertificateRejected, RejectReason

LONGEST_LIST: Final = 1 << 20
"""Bytes; about 25,000 certificates."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One issuer's list as of `this_update`; the next is due at `next_update`. Equal when its bytes are."""

    data: bytes = field(repr=False)
    x509: x509.CertificateRevocationList = field(repr=False, compare=False)
    issuer: bytes = field(repr=False, compare=False)
    issuer_key_id: bytes = field(repr=False, compare=False)
    number: int
    this_update: datetime
    next_update: datetime
    serials: frozenset[int] = field(repr=False, compare=False)

    def is_by(self, issuer: FieldCertificate) -> bool:
        """True when the list says that it is this issuer's."""
        return self.issuer == issuer.subject and self.issuer_key_id == issuer.subject_key_id

    def is_signed_by(self, issuer: FieldCertificate) -> bool:
        """True when it is this issuer's: the key decides. Anybody may bear the name, and any key identifier.

        The identifier may differ, too: a renewed certificate of the issuer can give the same key another one.
        """
        return self.issuer == issuer.subject and self.x509.is_signature_valid(issuer.public_key)


def read_list(data: bytes) -> RevocationList:
    """Read one DER list; `CertificateRejected` for what is none, or cannot be judged. Its signature is not checked."""
    if len(data) > LONGEST_LIST:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"a revocation list has at most {LONGEST_LIST} bytes")
    try:
        read_signed(data)
        revocations = x509.load_der_x509_crl(data)
        extensions = revocations.extensions
        number = extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        key_id = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        next_update = revocations.next_update_utc
        critical = [extension for extension in extensions if extension.critical]
        serials = set()
        for entry in revocations:
            critical += [extension for extension in entry.extensions if extension.critical]
            serials.add(entry.serial_number)
        algorithm = revocations.signature_algorithm_oid
        this_update = revocations.last_update_utc
        with library_unheard():
            issuer = revocations.issuer.public_bytes()
    except x509.ExtensionNotFound:
        raise CertificateRejected(
            RejectReason.MALFORMED, "the revocation list has no number, or does not say whose it is"
        ) from None
    except PARSE_FAULTS:
        raise CertificateRejected(RejectReason.MALFORMED, "this is not a well-formed revocation list") from None
    if critical:
        raise CertificateRejected(
            RejectReason.UNKNOWN_CRITICAL, "the revocation list has an unknown critical extension"
        )
    if algorithm != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise CertificateRejected(RejectReason.WRONG_ALGORITHM, "the list is not signed by ECDSA with SHA-256")
    if next_update is None or key_id is None or next_update < this_update or number < 0:
        raise CertificateRejected(RejectReason.MALFORMED, "the revocation list does not say when the next is due")
    return RevocationList(data, revocations, issuer, key_id, number, this_update, next_update, frozenset(serials))


def check_list(revocations: RevocationList, issuer: FieldCertificate) -> None:
    """Check that an issuer, itself already verified, may sign lists and has signed this one."""
    is_signed = revocations.is_signed_by(issuer)
    if not is_signed and not revocations.is_by(issuer):
        raise CertificateRejected(RejectReason.UNTRUSTED, "the revocation list is another issuer's")
    if not issuer.is_ca or issuer.uses is None or not issuer.uses.crl_sign:
        raise CertificateRejected(RejectReason.NOT_A_CA, "the list's issuer may not sign revocation lists")
    if not is_signed:
        raise CertificateRejected(RejectReason.BAD_SIGNATURE, "the revocation list's signature is not right")


def check_newer(revocations: RevocationList, installed: RevocationList) -> bool:
    """Return False when the list is the installed one; `CertificateRejected` (`older_list`) when it goes back."""
    if revocations.data == installed.data:
        return False
    if revocations.number <= installed.number or revocations.this_update < installed.this_update:
        raise CertificateRejected(
            RejectReason.OLDER_LIST,
            f"revocation list {revocations.number} is not newer than list {installed.number}, which is installed",
        )
    return True
