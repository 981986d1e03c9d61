"""Names that are odd are for display only: nothing is said of them, on whatever way they come.

pytest makes an error of each warning that is heard.
"""

from __future__ import annotations

import base64
import warnings
from dataclasses import replace
from random import Random

import pytest
from cryptography import x509

from keystore.certificates import der
from keystore.certificates.certificate import library_unheard, read_certificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.intake import read_anything
from keystore.certificates.payload import PayloadKind
from keystore.certificates.request import build_request, read_request
from keystore.certificates.revocation import read_list
from keystore.formats.kem_signature import signer_name
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.chain_changes import AT, make_chain, p256

NAME = "x" * 200
COUNTRY = der.write(der.SEQUENCE, raw.oid_bytes("2.5.4.6"), der.write(der.PRINTABLE_STRING, b"X"))


def odd_name(_: str) -> bytes:
    attributes = (
        der.write(0x31, der.write(der.SEQUENCE, raw.oid_bytes(oid), der.write(der.UTF8_STRING, NAME.encode())))
        for oid in ("2.5.4.10", "2.5.4.3")
    )
    return der.write(der.SEQUENCE, der.write(0x31, COUNTRY), *attributes)


def signed(body: bytes) -> bytes:
    algorithm = der.write(der.SEQUENCE, raw.oid_bytes(raw.ECDSA_SHA256))
    signature = der.write(der.BIT_STRING, b"\0", raw.sign(p256(Random(1)), raw.ECDSA_SHA256, body))
    return der.write(der.SEQUENCE, body, algorithm, signature)


def with_names(data: bytes, name: bytes) -> bytes:
    """Put an odd name in the place of one in something that was signed, and sign it anew."""
    body = der.read_one(der.SEQUENCE, data).read(der.SEQUENCE)
    assert name in body
    return signed(der.write(der.SEQUENCE, body.replace(name, odd_name(""))))


def pem(data: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(data).decode()}-----END CERTIFICATE-----\n"


def test_odd_names_are_read_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = raw.revocation_list("issuer", p256(Random(1)), [1], AT)
    revocations = with_names(plain, raw.name("issuer"))
    monkeypatch.setattr(raw, "name", odd_name)
    certificate = make_chain(1, Random(3), 2).leaf.encode()
    assert len(read_certificate(certificate).common_name) <= 200
    assert read_list(revocations).serials == {1}
    assert signer_name(certificate).startswith("CN=x")


def test_an_odd_name_in_a_request_is_refused_without_a_word() -> None:
    plain = build_request(p256(Random(1)), "Stadtwerke", "anna-laptop", b"secret")
    with pytest.raises(CertificateRejected) as refused:
        read_request(with_names(plain, x509.load_der_x509_csr(plain).subject.public_bytes()))
    assert refused.value.reason is RejectReason.MALFORMED


def test_a_serial_number_of_zero_in_a_pem_is_refused_without_a_word() -> None:
    chain = make_chain(1, Random(3), 2)
    text = pem(replace(chain.leaf, serial=b"\0").encode()).encode()
    with pytest.raises(CertificateRejected) as refused:
        read_certificate(read_anything(text, PayloadKind.CERTIFICATE).data)
    assert refused.value.reason is RejectReason.MALFORMED


def test_who_warns_meanwhile_of_something_else_is_heard() -> None:
    with pytest.warns(UserWarning, match="something else"), library_unheard():
        warnings.warn("something else", stacklevel=1)
