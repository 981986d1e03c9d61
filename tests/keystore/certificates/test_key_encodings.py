"""A certificate's key has one form: the curve by name, the point uncompressed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keystore.certificates import der, enrolment
from keystore.certificates.certificate import read_certificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.standing import standing_of
from keystore.certificates.verification import check_anchor, check_leaf
from keystore.certificates.wallet import decode_wallet, encode_wallet
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.chain_changes import make_chain
from tests.keystore.certificates.desks import START, enrolled, make_desk, trusting

EC_KEY = "1.2.840.10045.2.1"
PRIME_FIELD = "1.2.840.10045.1.1"
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE_POINT = bytes.fromhex(
    "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
)
"""The curve P-256 (SEC 2, 2.4.2), as somebody writes it who does not name it."""


def explicit_curve() -> bytes:
    field = der.write(der.SEQUENCE, raw.oid_bytes(PRIME_FIELD), der.write_integer(P))
    coefficients = (der.write(der.OCTET_STRING, number.to_bytes(32)) for number in (P - 3, B))
    curve = der.write(der.SEQUENCE, *coefficients)
    base = der.write(der.OCTET_STRING, BASE_POINT)
    return der.write(
        der.SEQUENCE, der.write_integer(1), field, curve, base, der.write_integer(ORDER), der.write_integer(1)
    )


def rewritten(draft: raw.Draft, form: str) -> bytes:
    """Return the certificate of a draft with its key written in another form."""
    assert isinstance(draft.key, ec.EllipticCurvePrivateKey)
    public = draft.key.public_key()
    usual = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    curve = raw.oid_bytes("1.2.840.10045.3.1.7")
    if form == "explicit curve":
        curve = explicit_curve()
    elif form == "compressed":
        point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    elif form == "hybrid":
        point = bytes((6 | point[-1] & 1,)) + point[1:]
    algorithm = der.write(der.SEQUENCE, raw.oid_bytes(EC_KEY), curve)
    key = der.write(der.SEQUENCE, algorithm, der.write(der.BIT_STRING, b"\0", point))
    body = der.write(der.SEQUENCE, draft.body()[4:].replace(usual, key))
    signature = der.write(der.BIT_STRING, b"\0", raw.sign(draft.signer, raw.ECDSA_SHA256, body))
    return der.write(der.SEQUENCE, body, der.write(der.SEQUENCE, raw.oid_bytes(raw.ECDSA_SHA256)), signature)


@pytest.mark.parametrize("form", ["explicit curve", "compressed", "hybrid"])
def test_a_key_is_written_in_one_way(form: str) -> None:
    chain = make_chain(1, Random(5), 2)
    for draft, check in ((chain.leaf, check_leaf), (chain.anchor, check_anchor)):
        usual, odd = read_certificate(rewritten(draft, "as it is")), read_certificate(rewritten(draft, form))
        assert usual.key_bytes == odd.key_bytes
        check(usual)
        with pytest.raises(CertificateRejected) as caught:
            check(odd)
        assert caught.value.reason is RejectReason.WRONG_KEY_TYPE


def test_a_store_that_has_such_a_certificate_is_read_and_can_be_rid_of_it() -> None:
    odd = read_certificate(rewritten(make_chain(1, Random(5), 2).anchor, "compressed"))
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    document = encode_wallet(replace(wallet, anchors=(*wallet.anchors, odd)))
    loaded = decode_wallet(document)
    assert standing_of(loaded, START).grant == standing_of(wallet, START).grant
    assert enrolment.remove_anchor(loaded, odd.fingerprint) == wallet
