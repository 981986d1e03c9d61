"""Names that are odd are for display only: nothing is said of them, on whatever way they come."""

from __future__ import annotations

import warnings
from random import Random

import pytest

from keystore.certificates import der
from keystore.certificates.certificate import read_certificate
from keystore.certificates.revocation import read_list
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


def test_odd_names_are_read_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = raw.revocation_list("issuer", p256(Random(1)), [1], AT)
    revocations = with_names(plain, raw.name("issuer"))
    monkeypatch.setattr(raw, "name", odd_name)
    certificate = make_chain(1, Random(3), 2).leaf.encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_certificate(certificate).common_name) <= 200
        assert read_list(revocations).serials == {1}
