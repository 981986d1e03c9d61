"""The same question put to `cryptography.x509.verification`, a second implementation written by other people.

It knows neither revocation lists nor grants; from version 49 on it lets its caller vouch for a critical extension of
its own, and can then be asked. Older versions (the last for Macs with Intel processors is 48) cannot, and are not.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Final

import cryptography
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ObjectIdentifier

from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import decode_grant
from keystore.certificates.oids import FIELD_AUTHORISATION, FIELD_GRANT
from keystore.certificates.verification import LONGEST_CHAIN, VerifiedChain

FIRST_VERSION: Final = 49


def can_be_asked() -> bool:
    """True when the installed library can judge chains with a critical extension of our own."""
    return int(cryptography.__version__.split(".", 1)[0]) >= FIRST_VERSION


def check_with_library(chain: VerifiedChain, at: datetime) -> None:
    """Let the library judge a chain that was found good; `CertificateRejected` (`other_check`) when it disagrees."""
    if not can_be_asked():
        return
    leaf, *issuers = (certificate.x509 for certificate in chain.certificates)
    if not library_accepts(leaf, issuers[:-1], issuers[-1:], at):
        raise CertificateRejected(
            RejectReason.OTHER_CHECK, "the certificate passes this program's check, but not the library's"
        )


def library_accepts(
    leaf: x509.Certificate, issuers: list[x509.Certificate], anchors: list[x509.Certificate], at: datetime
) -> bool:
    """Ask the library alone; True when it builds a chain that it accepts."""
    authorities, leaves = _policies()
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(anchors))
        .time(at)
        .max_chain_depth(LONGEST_CHAIN - 2)
        .extension_policies(ca_policy=authorities, ee_policy=leaves)
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf, issuers)
    except verification.VerificationError:
        return False
    return True


@cache
def _policies() -> tuple[verification.ExtensionPolicy, verification.ExtensionPolicy]:
    """Return the policies for authorities and for leaves."""

    class FieldGrantExtension(x509.ExtensionType):
        """The type by which the library knows our extension; it hands over the raw bytes."""

        oid = ObjectIdentifier(FIELD_GRANT)

    critical = verification.Criticality.CRITICAL
    # Its own rule for an authority's purposes is made for TLS.
    authorities = (
        verification.ExtensionPolicy.webpki_defaults_ca()
        .may_be_present(x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _may_be_for_the_field)
        .require_present(FieldGrantExtension, critical, _grant_is_readable)
    )
    leaves = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, critical, None)
        .require_present(x509.KeyUsage, critical, _signs)
        .require_present(x509.AuthorityKeyIdentifier, verification.Criticality.AGNOSTIC, None)
        .require_present(x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _is_for_the_field)
        .require_present(FieldGrantExtension, critical, _grant_is_readable)
    )
    return authorities, leaves


def _grant_is_readable(policy: verification.Policy, certificate: x509.Certificate, value: x509.ExtensionType) -> None:
    decode_grant(value.public_bytes() if not isinstance(value, x509.UnrecognizedExtension) else value.value)


def _may_be_for_the_field(
    policy: verification.Policy, certificate: x509.Certificate, value: x509.ExtendedKeyUsage | None
) -> None:
    if value is not None:
        _is_for_the_field(policy, certificate, value)


def _signs(policy: verification.Policy, certificate: x509.Certificate, value: x509.KeyUsage) -> None:
    if not value.digital_signature:
        raise ValueError("not for signing")


def _is_for_the_field(policy: verification.Policy, certificate: x509.Certificate, value: x509.ExtendedKeyUsage) -> None:
    if FIELD_AUTHORISATION not in {purpose.dotted_string for purpose in value}:
        raise ValueError("not for field authorisation")
