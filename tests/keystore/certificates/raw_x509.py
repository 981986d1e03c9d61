"""X.509 certificates byte by byte, so that they can be wrong in every way; nothing here checks anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keystore.certificates import der
from keystore.certificates.grant import Grant, encode_grant
from keystore.certificates.oids import FIELD_AUTHORISATION, FIELD_GRANT

AnyKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

BASIC_CONSTRAINTS = "2.5.29.19"
KEY_USAGE = "2.5.29.15"
EXTENDED_KEY_USAGE = "2.5.29.37"
SUBJECT_KEY_ID = "2.5.29.14"
AUTHORITY_KEY_ID = "2.5.29.35"
NAME_CONSTRAINTS = "2.5.29.30"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
ECDSA_SHA384 = "1.2.840.10045.4.3.3"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY_PURPOSE = "2.5.29.37.0"

DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_CERT_SIGN, CRL_SIGN = 0, 2, 5, 6
TRUE = b"\x01\x01\xff"


@dataclass(frozen=True, slots=True)
class Extension:
    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate to be signed; `serial` is the INTEGER's content as it will stand there."""

    subject: str
    issuer: str
    key: AnyKey
    signer: AnyKey
    not_before: datetime
    not_after: datetime
    extensions: tuple[Extension, ...]
    serial: bytes
    version: int = 2
    algorithm: str = ECDSA_SHA256
    inner_algorithm: str = ""
    after: bytes = b""
    damage: Callable[[bytes], bytes] = field(default=lambda data: data)

    def with_extension(self, oid: str, critical: bool, value: bytes) -> Draft:
        """Replace an extension in its place, or add it."""
        new = Extension(oid, critical, value)
        if oid not in {one.oid for one in self.extensions}:
            return replace(self, extensions=(*self.extensions, new))
        return replace(self, extensions=tuple(new if one.oid == oid else one for one in self.extensions))

    def without(self, oid: str) -> Draft:
        return replace(self, extensions=tuple(one for one in self.extensions if one.oid != oid))

    def twice(self, oid: str) -> Draft:
        again = tuple(one for one in self.extensions if one.oid == oid)
        return replace(self, extensions=self.extensions + again)

    def value_of(self, oid: str) -> bytes:
        (found,) = (one.value for one in self.extensions if one.oid == oid)
        return found

    def encode(self) -> bytes:
        """Sign and return the DER."""
        body = self.body()
        algorithm = der.write(der.SEQUENCE, oid_bytes(self.algorithm))
        signature = der.write(der.BIT_STRING, b"\0", sign(self.signer, self.algorithm, body))
        return self.damage(der.write(der.SEQUENCE, body, algorithm, signature)) + self.after

    def body(self) -> bytes:
        parts = [
            der.write(der.INTEGER, self.serial),
            der.write(der.SEQUENCE, oid_bytes(self.inner_algorithm or self.algorithm)),
            name(self.issuer),
            der.write(der.SEQUENCE, time_bytes(self.not_before), time_bytes(self.not_after)),
            name(self.subject),
            self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ]
        if self.version:
            parts.insert(0, der.write(0xA0, der.write_integer(self.version)))
            listed = der.write(der.SEQUENCE, *(extension_bytes(one) for one in self.extensions))
            parts.append(der.write(0xA3, listed))
        return der.write(der.SEQUENCE, *parts)


def authority(
    subject: str, issuer: str, key: AnyKey, signer: AnyKey, window: tuple[datetime, datetime], grant: Grant, serial: int
) -> Draft:
    """A well-made authority; a self-signed one when issuer and subject are the same."""
    extensions = [
        Extension(BASIC_CONSTRAINTS, True, constraints(ca=True)),
        Extension(KEY_USAGE, True, der.write_bits([KEY_CERT_SIGN, CRL_SIGN])),
        Extension(SUBJECT_KEY_ID, False, der.write(der.OCTET_STRING, key_id(key))),
        Extension(FIELD_GRANT, True, encode_grant(grant)),
    ]
    if subject != issuer:
        extensions.append(Extension(AUTHORITY_KEY_ID, False, authority_key(signer)))
    return Draft(subject, issuer, key, signer, *window, tuple(extensions), serial_bytes(serial))


def leaf(
    subject: str, issuer: str, key: AnyKey, signer: AnyKey, window: tuple[datetime, datetime], grant: Grant, serial: int
) -> Draft:
    """A well-made field certificate."""
    extensions = (
        Extension(BASIC_CONSTRAINTS, True, constraints(ca=False)),
        Extension(KEY_USAGE, True, der.write_bits([DIGITAL_SIGNATURE])),
        Extension(EXTENDED_KEY_USAGE, False, purposes(FIELD_AUTHORISATION)),
        Extension(FIELD_GRANT, True, encode_grant(grant)),
        Extension(AUTHORITY_KEY_ID, False, authority_key(signer)),
    )
    return Draft(subject, issuer, key, signer, *window, extensions, serial_bytes(serial))


def constraints(*, ca: bool, path_length: int | None = None) -> bytes:
    parts = [TRUE] if ca else []
    if path_length is not None:
        parts.append(der.write_integer(path_length))
    return der.write(der.SEQUENCE, *parts)


def purposes(*oids: str) -> bytes:
    return der.write(der.SEQUENCE, *(oid_bytes(oid) for oid in oids))


def key_id(key: AnyKey) -> bytes:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha1(spki, usedforsecurity=False).digest()


def authority_key(signer: AnyKey) -> bytes:
    return der.write(der.SEQUENCE, der.write(der.context(0), key_id(signer)))


def extension_bytes(extension: Extension) -> bytes:
    critical = TRUE if extension.critical else b""
    return der.write(der.SEQUENCE, oid_bytes(extension.oid), critical, der.write(der.OCTET_STRING, extension.value))


def name(common_name: str) -> bytes:
    attribute = der.write(der.SEQUENCE, oid_bytes("2.5.4.3"), der.write(der.UTF8_STRING, common_name.encode()))
    return der.write(der.SEQUENCE, der.write(0x31, attribute))


def serial_bytes(serial: int) -> bytes:
    return der.write_integer(serial)[2:]


def oid_bytes(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (40 * first + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        content += bytes(reversed(digits))
    return der.write(0x06, bytes(content))


def time_bytes(moment: datetime) -> bytes:
    if moment.year < 2050:
        return der.write(0x17, moment.astimezone(UTC).strftime("%y%m%d%H%M%SZ").encode())
    return der.write_time(moment)


def sign(key: AnyKey, algorithm: str, body: bytes) -> bytes:
    """Sign as the algorithm says; keys of other kinds sign as they can."""
    hash_ = hashes.SHA384() if algorithm == ECDSA_SHA384 else hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(body, ec.ECDSA(hash_))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(body, padding.PKCS1v15(), hash_)
    return key.sign(body)


def revocation_list(issuer: str, key: AnyKey, serials: list[int], at: datetime, number: int = 1) -> bytes:
    """A list as the library makes it."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .last_update(at - timedelta(days=1))
        .next_update(at + timedelta(days=30))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(key_id(key), None, None), critical=False)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
