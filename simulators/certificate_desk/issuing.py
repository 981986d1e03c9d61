"""Issuing: trust anchor, issuing authority, field certificates and revocation lists as X.509 structures.

Keys and serial numbers come from the random bytes that the caller hands in. Not simulated: hardware that keeps the
keys, and whoever watches over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.grant import Grant, encode_grant
from keystore.certificates.oids import FIELD_AUTHORISATION, FIELD_GRANT

SERIAL_BYTES: Final = 8
"""Short serial numbers keep revocation lists small enough for a QR code."""
_ORDER_OF_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_NAME_LENGTH: Final = 64

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of the desk: its certificate and its key."""

    certificate: FieldCertificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def new_key(random_bytes: RandomBytes) -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key of 320 random bits (FIPS 186-5, A.2.1)."""
    secret = int.from_bytes(random_bytes(40)) % (_ORDER_OF_P256 - 1) + 1
    return ec.derive_private_key(secret, ec.SECP256R1())


def new_serial(random_bytes: RandomBytes) -> int:
    """Return a positive serial number of eight random bytes."""
    return int.from_bytes(random_bytes(SERIAL_BYTES)) >> 1 | 1


def issue_anchor(name: str, grant: Grant, now: datetime, validity: timedelta, random_bytes: RandomBytes) -> Authority:
    """Make an authority that signs itself."""
    key = new_key(random_bytes)
    subject = _name(name, None)
    builder = _builder(subject, subject, key.public_key(), now, validity, new_serial(random_bytes))
    return Authority(_sign(_as_authority(builder, key.public_key(), grant, None), key), key)


def issue_authority(
    name: str, grant: Grant, now: datetime, validity: timedelta, issuer: Authority, random_bytes: RandomBytes
) -> Authority:
    """Make an authority under another, for field certificates only: nothing may be an authority below it."""
    key = new_key(random_bytes)
    subject = _name(name, None)
    issued_by = issuer.certificate.x509.subject
    builder = _builder(subject, issued_by, key.public_key(), now, validity, new_serial(random_bytes))
    builder = _with_issuer(_as_authority(builder, key.public_key(), grant, 0), issuer)
    return Authority(_sign(builder, issuer.key), key)


def issue_certificate(
    public_key: ec.EllipticCurvePublicKey,
    tag: str,
    grant: Grant,
    now: datetime,
    validity: timedelta,
    issuer: Authority,
    random_bytes: RandomBytes,
) -> FieldCertificate:
    """Make a field certificate for somebody's public key; it never outlives its issuer."""
    issued_by = issuer.certificate.x509.subject
    subject = _name(tag, grant.scope.organisation)
    validity = min(validity, issuer.certificate.not_after - now)
    builder = _builder(subject, issued_by, public_key, now, validity, new_serial(random_bytes))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_uses(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(FIELD_AUTHORISATION)]), critical=False)
    return _sign(_with_issuer(_with_grant(builder, grant), issuer), issuer.key)


def issue_list(
    issuer: Authority, revoked: Iterable[tuple[int, datetime]], number: int, now: datetime, validity: timedelta
) -> bytes:
    """Return the DER of a revocation list; `revoked` are serial numbers and when."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.x509.subject)
        .last_update(now)
        .next_update(now + validity)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    for serial, at in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)


def _name(common_name: str, organisation: str | None) -> x509.Name:
    names = [] if organisation is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:_NAME_LENGTH])]
    return x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_NAME_LENGTH])])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    validity: timedelta,
    serial: int,
) -> x509.CertificateBuilder:
    start = now.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + validity)
    )


def _as_authority(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, grant: Grant, path_length: int | None
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_uses(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return _with_grant(builder, grant)


def _with_grant(builder: x509.CertificateBuilder, grant: Grant) -> x509.CertificateBuilder:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(FIELD_GRANT), encode_grant(grant))
    return builder.add_extension(extension, critical=True)


def _with_issuer(builder: x509.CertificateBuilder, issuer: Authority) -> x509.CertificateBuilder:
    return builder.add_extension(_authority_key(issuer), critical=False)


def _authority_key(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(issuer.certificate.subject_key_id, None, None)


def _uses(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> FieldCertificate:
    return read_certificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER))
