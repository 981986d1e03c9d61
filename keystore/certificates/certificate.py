"""One X.509 certificate as the verifier sees it: every field that decides, read once and strictly.

Reading checks what no field certificate may be: another key than P-256, another signature than ECDSA with SHA-256, an
extension twice, a critical extension that is not known. Whether it fits its place in a chain is decided by
`keystore.certificates.verification`.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

from keystore.certificates import der
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import Grant, decode_grant
from keystore.certificates.oids import FIELD_GRANT
from protocols.text import safe_text

LONGEST_CERTIFICATE: Final = 4096
MOST_CERTIFICATES: Final = 8
"""In one file or code."""
LONGEST_SERIAL: Final = 20
"""Octets (RFC 5280, 4.1.2.2)."""
CURVE: Final = "secp256r1"

PARSE_FAULTS: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.UnsupportedGeneralNameType, x509.InvalidVersion, x509.DuplicateExtension, x509.AttributeNotFound),
)
"""What the library raises for structures that are not well-formed, when they are loaded or when a part is asked for."""

_CALLERS: Final = r"keystore\."
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS.dotted_string,
        ExtensionOID.KEY_USAGE.dotted_string,
        ExtensionOID.EXTENDED_KEY_USAGE.dotted_string,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER.dotted_string,
        FIELD_GRANT,
    }
)
_VERSION: Final = der.context(0, constructed=True)
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class KeyUses:
    """The bits of KeyUsage that matter here; `others` when any further one is set."""

    digital_signature: bool
    key_cert_sign: bool
    crl_sign: bool
    others: bool


@dataclass(frozen=True, slots=True)
class FieldCertificate:
    """One certificate; equal when its bytes are.

    `grant` is None when there is no grant extension; `grant_critical`, `constraints_critical` and `uses_critical` say
    whether the extension may be passed over. `is_ca` is None without BasicConstraints, `uses` without KeyUsage,
    `purposes` (dotted OIDs) without ExtendedKeyUsage. `common_name` and `issuer_name` are safe to
    show, and for display only. `has_plain_key` is False where the key's curve is spelt out, or its point is in another
    form than uncompressed: the library takes that, and one key would have several spellings.
    """

    data: bytes = field(repr=False)
    x509: x509.Certificate = field(repr=False, compare=False)
    public_key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)
    has_plain_key: bool
    subject: bytes = field(repr=False, compare=False)
    issuer: bytes = field(repr=False, compare=False)
    common_name: str
    issuer_name: str
    serial: int
    not_before: datetime
    not_after: datetime
    is_ca: bool | None
    path_length: int | None
    constraints_critical: bool
    uses: KeyUses | None
    uses_critical: bool
    purposes: frozenset[str] | None
    grant: Grant | None
    grant_critical: bool
    subject_key_id: bytes | None
    authority_key_id: bytes | None
    authority_named: bool

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 lower-case hex digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def serial_text(self) -> str:
        """The serial number in hex."""
        return f"{self.serial:016x}"

    @property
    def key_bytes(self) -> bytes:
        """The public key as an uncompressed point: what tells keys apart."""
        numbers = self.public_key.public_numbers()
        return b"\4" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)


@contextmanager
def library_unheard() -> Iterator[None]:
    """Keep quiet what the library warns of in the body: names that are too long are for display only, as an example.

    What decides is checked here, and told as a `RejectReason`. Other threads, which share the filter, are heard unless
    they read certificates too.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=_CALLERS)
        yield


def read_certificate(data: bytes) -> FieldCertificate:
    """Read one DER certificate; `CertificateRejected` with the reason for one that no chain may hold."""
    if len(data) > LONGEST_CERTIFICATE:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"a certificate has at most {LONGEST_CERTIFICATE} bytes")
    try:
        with library_unheard():
            return _read(data)
    except x509.DuplicateExtension:
        message = "the certificate holds an extension twice"
        raise CertificateRejected(RejectReason.DUPLICATE_EXTENSION, message) from None
    except UnsupportedAlgorithm:
        raise _wrong_key() from None
    except PARSE_FAULTS:
        # The library reads names and extensions only when they are asked for, and fails only then.
        raise CertificateRejected(RejectReason.MALFORMED, "this is not a well-formed X.509 certificate") from None


def _read(data: bytes) -> FieldCertificate:
    from_key_on = _check_head(data)
    certificate = x509.load_der_x509_certificate(data)
    extensions, key = certificate.extensions, certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != CURVE:
        raise _wrong_key()
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise CertificateRejected(RejectReason.WRONG_ALGORITHM, "the certificate is not signed by ECDSA with SHA-256")
    _check_critical(extensions)
    constraints = _find(extensions, x509.BasicConstraints)
    uses = _find(extensions, x509.KeyUsage)
    purposes = _find(extensions, x509.ExtendedKeyUsage)
    subject_key = _find(extensions, x509.SubjectKeyIdentifier)
    authority = None if (found := _find(extensions, x509.AuthorityKeyIdentifier)) is None else found.value
    grant, grant_critical = _grant(extensions)
    subject, issuer = certificate.subject, certificate.issuer
    return FieldCertificate(
        data=data,
        x509=certificate,
        public_key=key,
        has_plain_key=from_key_on.startswith(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        subject=subject.public_bytes(),
        issuer=issuer.public_bytes(),
        common_name=_name_text(subject, NameOID.COMMON_NAME),
        issuer_name=_name_text(issuer, NameOID.COMMON_NAME),
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_ca=None if constraints is None else constraints.value.ca,
        path_length=None if constraints is None else constraints.value.path_length,
        constraints_critical=constraints is not None and constraints.critical,
        uses=None if uses is None else _uses(uses.value),
        uses_critical=uses is not None and uses.critical,
        purposes=None if purposes is None else frozenset(purpose.dotted_string for purpose in purposes.value),
        grant=grant,
        grant_critical=grant_critical,
        subject_key_id=None if subject_key is None else subject_key.value.digest,
        authority_key_id=None if authority is None else authority.key_identifier,
        authority_named=authority is not None
        and (authority.authority_cert_issuer is not None or authority.authority_cert_serial_number is not None),
    )


def _wrong_key() -> CertificateRejected:
    return CertificateRejected(RejectReason.WRONG_KEY_TYPE, "the certificate's key is not of curve P-256")


def read_signed(data: bytes) -> der.Reader:
    """Return a reader of the signed part of a certificate, request or list; `DerError` unless the frame has one form.

    The library takes a signature whose last bits are said to be unused; then two byte strings would be one certificate.
    """
    outer = der.read_one(der.SEQUENCE, data)
    body = der.Reader(outer.read(der.SEQUENCE))
    outer.read(der.SEQUENCE)
    if not outer.read(der.BIT_STRING).startswith(b"\0"):
        raise der.DerError("the signature has unused bits")
    outer.end()
    return body


def _check_head(data: bytes) -> bytes:
    """Check version and serial number before a library that only warns of odd ones; return all from the key on."""
    body = read_signed(data)
    version = der.Reader(body.read(_VERSION))
    if der.read_integer(version.read(der.INTEGER)) != 2:
        raise der.DerError("not version 3")
    serial = body.read(der.INTEGER)
    if not 1 <= len(serial) <= LONGEST_SERIAL or der.read_integer(serial) == 0:
        raise der.DerError("the serial number is not positive, or too long")
    for _ in ("algorithm", "issuer", "validity", "subject"):
        body.read(der.SEQUENCE)
    return body.rest


def _check_critical(extensions: x509.Extensions) -> None:
    for extension in extensions:
        if extension.critical and extension.oid.dotted_string not in _UNDERSTOOD:
            raise CertificateRejected(
                RejectReason.UNKNOWN_CRITICAL,
                f"the certificate has an unknown critical extension: {extension.oid.dotted_string}",
            )


def _find(extensions: x509.Extensions, kind: type[_Kind]) -> x509.Extension[_Kind] | None:
    try:
        return extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _grant(extensions: x509.Extensions) -> tuple[Grant | None, bool]:
    for extension in extensions:
        if extension.oid.dotted_string == FIELD_GRANT:
            value = extension.value
            raw = value.value if isinstance(value, x509.UnrecognizedExtension) else value.public_bytes()
            return decode_grant(raw), extension.critical
    return None, False


def _uses(usage: x509.KeyUsage) -> KeyUses:
    others = usage.content_commitment or usage.key_encipherment or usage.data_encipherment or usage.key_agreement
    return KeyUses(usage.digital_signature, usage.key_cert_sign, usage.crl_sign, others)


def _name_text(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    value = found[0].value if found else ""
    return safe_text(value if isinstance(value, str) else value.hex())
