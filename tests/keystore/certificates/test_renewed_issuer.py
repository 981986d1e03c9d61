"""An issuer whose certificate was renewed: its lists count under every identifier that its key was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from keystore.certificates import der, enrolment
from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.levels import EVERYTHING
from keystore.certificates.revocation import RevocationList, check_list, read_list
from keystore.certificates.verification import verify_chain
from keystore.certificates.wallet import Credential, SigningKey, Wallet
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.chain_changes import AT, make_chain


def renewed_issuer() -> tuple[FieldCertificate, list[FieldCertificate], FieldCertificate, RevocationList]:
    """A leaf, its issuer before and after a renewal that gave the same key another identifier, and the later list."""
    made = make_chain(1, Random(3), 3)
    made.change(0, lambda draft: replace(draft, serial=b"\x07"))
    made.change(1, lambda draft: replace(draft, serial=b"\x08"))
    renewed = made.issuer.with_extension(raw.SUBJECT_KEY_ID, False, der.write(der.OCTET_STRING, b"another identifier"))
    key = made.issuer.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, made.issuer.subject)]))
        .last_update(AT)
        .next_update(AT + timedelta(days=30))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(b"another identifier", None, None), critical=False)
        .add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(7).revocation_date(AT).build())
    )
    revocations = read_list(builder.sign(key, SHA256()).public_bytes(Encoding.DER))
    leaf, before, anchor = (read_certificate(draft.encode()) for draft in made.drafts)
    return leaf, [before, read_certificate(renewed.encode())], anchor, revocations


def test_a_list_counts_for_its_issuers_key_whatever_identifier_it_bears() -> None:
    leaf, (before, renewed), anchor, revocations = renewed_issuer()
    assert verify_chain(leaf, [before], [anchor], AT).leaf == leaf
    for issuers in ([before], [before, renewed], [renewed, before]):
        with pytest.raises(CertificateRejected) as caught:
            verify_chain(leaf, issuers, [anchor], AT, [revocations])
        assert caught.value.reason is RejectReason.REVOKED
    for issuer in (before, renewed):
        check_list(revocations, issuer)
    with pytest.raises(CertificateRejected) as caught:
        check_list(revocations, anchor)
    assert caught.value.reason is RejectReason.UNTRUSTED


def test_a_list_is_taken_whatever_identifier_its_issuer_was_known_by() -> None:
    leaf, (before, _), anchor, revocations = renewed_issuer()
    credential = Credential(leaf, (before, anchor), SigningKey(b""), "anna", EVERYTHING, "", AT)
    wallet = Wallet(anchors=(anchor,), credentials=(credential,))
    kept, taken = enrolment.import_list(wallet, revocations.data, AT)
    assert kept.lists == (taken,)
