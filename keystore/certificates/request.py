"""Certificate requests: a PKCS #10 request, signed by the new key and carrying the token's secret.

The subject says organisation and tag for people to read; what is certified is what was ordered, whatever it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID, SignatureAlgorithmOID

from keystore.certificates.certificate import CURVE, PARSE_FAULTS, library_unheard, read_signed
from keystore.certificates.errors import CertificateRejected, RejectReason

LONGEST_REQUEST: Final = 4096
TAG_LENGTH: Final = 40


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a request says, its signature found right; `secret` is the token's."""

    data: bytes = field(repr=False)
    public_key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)
    organisation: str
    tag: str
    secret: bytes = field(repr=False)


def check_tag(tag: str) -> str:
    """Return a descriptive tag without blanks around it; `CertificateRejected` when it cannot be one."""
    text = tag.strip()
    if not 1 <= len(text) <= TAG_LENGTH or not text.isprintable():
        raise CertificateRejected(
            RejectReason.MALFORMED,
            f"a descriptive tag has 1 to {TAG_LENGTH} printable characters",
            "name the person and the device, for example: anna-laptop",
        )
    return text


def build_request(key: ec.EllipticCurvePrivateKey, organisation: str, tag: str, secret: bytes) -> bytes:
    """Return the DER of a request."""
    names = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, tag),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, secret.hex().upper().encode())
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def read_request(data: bytes) -> CertificateRequest:
    """Read a DER request and check that its maker holds the key; `CertificateRejected` with the reason otherwise."""
    if len(data) > LONGEST_REQUEST:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"a request has at most {LONGEST_REQUEST} bytes")
    try:
        read_signed(data)
        request = x509.load_der_x509_csr(data)
        key = request.public_key()
        algorithm = request.signature_algorithm_oid
        with library_unheard():
            subject = request.subject
        names = {
            oid: [str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)]
            for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        }
        proven = request.is_signature_valid
    except PARSE_FAULTS:
        raise CertificateRejected(RejectReason.MALFORMED, "this is not a well-formed certificate request") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != CURVE:
        raise CertificateRejected(RejectReason.WRONG_KEY_TYPE, "the request's key is not of curve P-256")
    if algorithm != SignatureAlgorithmOID.ECDSA_WITH_SHA256 or not proven:
        raise CertificateRejected(RejectReason.NO_PROOF, "the request is not signed by the key that it is for")
    if any(len(found) != 1 for found in names.values()):
        raise CertificateRejected(RejectReason.MALFORMED, "the request does not name one organisation and one tag")
    (organisation,), (tag,) = names.values()
    return CertificateRequest(data, key, organisation, check_tag(tag), _secret(request))


def _secret(request: x509.CertificateSigningRequest) -> bytes:
    try:
        value = request.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value
        return bytes.fromhex(value.decode("ascii"))
    except (x509.AttributeNotFound, ValueError):
        raise CertificateRejected(
            RejectReason.TOKEN_UNKNOWN, "the request carries no token", "make it with: fieldtool certs request"
        ) from None
