"""Signed KEM2 files: only what the pinned certificate has signed is read, and what is known of it is said."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import ImportBatch, KemVariant, ReadOptions, SigningKey, load_signer, read_export, write_kem
from keystore.formats.kem_document import build_document
from keystore.formats.kem_envelope import encrypt
from keystore.formats.kem_signature import sign
from keystore.model import SignatureState
from tests.keystore.kem_files import ONE, PASSWORD, TWO
from tests.keystore.made_up import NOON

pytest.importorskip("signxml")


def signing_key(name: str) -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .sign(private, SHA256())
    )
    return SigningKey(private, certificate)


@pytest.fixture(scope="module")
def portal() -> SigningKey:
    return signing_key("simulated portal")


def pem(key: SigningKey) -> bytes:
    return key.certificate.public_bytes(Encoding.PEM)


def read(data: bytes, signer: bytes | None = None) -> ImportBatch:
    return read_export(data, "x.kem2", imported_at=NOON, options=ReadOptions(password=PASSWORD, signer=signer))


def reason_of(data: bytes, signer: bytes) -> ImportReason:
    with pytest.raises(ImportRejected) as caught:
        read(data, signer)
    return caught.value.reason


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_signature_of_the_pinned_certificate_is_verified(portal: SigningKey, encoding: Encoding) -> None:
    data = write_kem([ONE, TWO], PASSWORD, signing=portal)
    batch = read(data, portal.certificate.public_bytes(encoding))
    assert (batch.source.signature, batch.source.signer) == (SignatureState.VERIFIED, "CN=simulated portal")
    assert not any("signed" in warning for warning in batch.warnings)
    assert [record.number for record in batch.ready] == ["63001468", "00000002", "00000002"]


def test_a_signature_that_nobody_asked_for_is_said_to_be_not_verified(portal: SigningKey) -> None:
    batch = read(write_kem([ONE], PASSWORD, signing=portal))
    assert (batch.source.signature, batch.source.signer) == (SignatureState.NOT_VERIFIED, "")
    assert "not verified" in batch.warnings[0]


def test_a_signature_around_the_encrypted_content_counts_too(portal: SigningKey) -> None:
    data = sign(encrypt(build_document([ONE], KemVariant.KEM2), PASSWORD), portal)
    assert read(data, pem(portal)).source.signature is SignatureState.VERIFIED
    assert read(data).source.signature is SignatureState.NOT_VERIFIED
    assert reason_of(data.replace(b"<CipherValue>", b"<CipherValue>AA"), pem(portal)) is ImportReason.SIGNATURE_WRONG


def test_another_certificate_is_refused(portal: SigningKey) -> None:
    data = write_kem([ONE], PASSWORD, signing=signing_key("simulated portal"))
    assert reason_of(data, pem(portal)) is ImportReason.SIGNATURE_WRONG


def test_a_file_without_its_signature_is_refused_when_one_is_asked_for(portal: SigningKey) -> None:
    assert reason_of(write_kem([ONE], PASSWORD), pem(portal)) is ImportReason.SIGNATURE_WRONG
    assert read(write_kem([ONE], PASSWORD, KemVariant.KEM), pem(portal)).source.signature is SignatureState.UNSIGNED


def test_a_changed_key_is_refused(portal: SigningKey) -> None:
    document = sign(build_document([ONE], KemVariant.KEM2), portal)
    changed = re.sub(rb"(?<=<Value>)..", b"00", document)
    assert changed != document
    assert reason_of(changed, pem(portal)) is ImportReason.SIGNATURE_WRONG
    assert len(read(changed).ready) == 1


def test_devices_beside_what_is_signed_are_refused(portal: SigningKey) -> None:
    signed = sign(build_document([ONE], KemVariant.KEM2), portal)
    other = build_document([TWO], KemVariant.KEM2)
    wrapped = other.replace(b"</Devices>", signed + b"</Devices>")
    assert reason_of(wrapped, pem(portal)) is ImportReason.SIGNATURE_WRONG


def test_a_signature_without_meaning_is_refused(portal: SigningKey) -> None:
    document = build_document([ONE], KemVariant.KEM2)
    empty = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></Devices>'
    assert reason_of(document.replace(b"</Devices>", empty), pem(portal)) is ImportReason.SIGNATURE_WRONG


def test_what_is_no_certificate_is_told() -> None:
    for data in (b"", b"-----BEGIN CERTIFICATE-----\nAA\n", b"\x30\x03\x02\x01\x01"):
        with pytest.raises(ValueError, match=r"."):
            load_signer(data)
