"""Whatever a user hands over, a picture, a file or a pasted text, as the DER of what is in it."""

from __future__ import annotations

import email
import email.errors
import email.policy
import re
from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keystore.certificates import der
from keystore.certificates.certificate import PARSE_FAULTS, library_unheard
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.payload import Payload, PayloadKind, find_payload
from keystore.certificates.picture import LONGEST_PICTURE, picture_format, read_picture

MOST_ATTACHMENTS: Final = 16

_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_PEM_KINDS: Final = {
    "CERTIFICATE": PayloadKind.CERTIFICATE,
    "CERTIFICATE REQUEST": PayloadKind.REQUEST,
    "NEW CERTIFICATE REQUEST": PayloadKind.REQUEST,
    "X509 CRL": PayloadKind.REVOCATIONS,
}
_MAIL: Final = re.compile(r"(?:^|\n)(?:From|To|Subject|MIME-Version|X-Unsent|Received|Return-Path): ", re.IGNORECASE)
_MAIL_FAULTS: Final = (
    *(RecursionError, LookupError, ValueError, TypeError, AttributeError, AssertionError),
    email.errors.MessageError,
)
"""What the library raises for parts within parts without end, and for headers that are none."""
_VERSIONS: Final = {0: PayloadKind.REQUEST, 1: PayloadKind.REVOCATIONS}
"""The version number that a PKCS #10 request and a version 2 list begin with."""


def read_anything(data: bytes, wanted: PayloadKind) -> Payload:
    """Return what is in a picture (JPEG, PNG), a file (DER, PEM, an e-mail with one attached) or a text.

    Raises `CertificateRejected` when nothing is found, when it cannot be read, or when it is something else than
    `wanted`.
    """
    found = _read(data, wanted)
    if found.kind is not wanted:
        raise CertificateRejected(
            RejectReason.WRONG_KIND, f"this is {found.kind.text}, not {wanted.text}", _WHERE_IT_BELONGS[found.kind]
        )
    return found


_WHERE_IT_BELONGS: Final = {
    PayloadKind.CERTIFICATE: "import it with: fieldtool certs import FILE",
    PayloadKind.TOKEN: "make a request with it: fieldtool certs request FILE",
    PayloadKind.REQUEST: "send it to the certificate desk",
    PayloadKind.REVOCATIONS: "import it with: fieldtool certs revocations FILE",
    PayloadKind.ANCHOR: "install it with: fieldtool certs trust FILE",
}


def _read(data: bytes, wanted: PayloadKind, *, attached: bool = False) -> Payload:
    if len(data) > LONGEST_PICTURE:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"the file has more than {LONGEST_PICTURE // 1000000} MB")
    if not data.strip():
        raise CertificateRejected(RejectReason.UNREADABLE, "the file is empty")
    if picture_format(data) is not None:
        found = find_payload(read_picture(data))
        if found is not None:
            return found
    if data[0] == der.SEQUENCE and (found := _der(data, wanted)) is not None:
        return found
    text = _text(data)
    if (found := _pem(text, wanted)) is not None:
        return found
    if not attached and _MAIL.search(text[:4096]) and (found := _mail(data, wanted)) is not None:
        return found
    if (found := find_payload(text)) is not None:
        return found
    raise CertificateRejected(
        RejectReason.UNREADABLE,
        "there is nothing in it from a certificate desk",
        "use the picture, a .cer, .pem, .der or .crl file, or the text that begins with MT",
    )


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _der(data: bytes, wanted: PayloadKind) -> Payload | None:
    """Tell certificates, requests and lists apart by how they begin; None for what is none of them."""
    try:
        first = der.Reader(der.Reader(data).read(der.SEQUENCE)).read(der.SEQUENCE)
        version = der.Reader(first).optional(der.INTEGER)
    except der.DerError:
        return None
    if version is None:
        return Payload(PayloadKind.ANCHOR if wanted is PayloadKind.ANCHOR else PayloadKind.CERTIFICATE, data)
    kind = _VERSIONS.get(int.from_bytes(version))
    return None if kind is None else Payload(kind, data)


def _pem(text: str, wanted: PayloadKind) -> Payload | None:
    labels = _PEM.findall(text)
    if not labels:
        return None
    if any("PRIVATE KEY" in label for label in labels):
        raise CertificateRejected(
            RejectReason.WRONG_KIND,
            "the file holds a private key, which is never needed and never read",
            "delete it from the file; whoever had the file can act with that key",
        )
    kinds = {_PEM_KINDS.get(label) for label in labels}
    if len(kinds) != 1 or None in kinds:
        raise CertificateRejected(RejectReason.WRONG_KIND, f"a PEM file of {_shown(labels)} is not read")
    (kind,) = kinds
    data = text.encode("utf-8", "replace")
    try:
        if kind is PayloadKind.REQUEST:
            return Payload(kind, x509.load_pem_x509_csr(data).public_bytes(Encoding.DER))
        if kind is PayloadKind.REVOCATIONS:
            return Payload(kind, x509.load_pem_x509_crl(data).public_bytes(Encoding.DER))
        with library_unheard():
            certificates = [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(data)]
    except PARSE_FAULTS:
        raise CertificateRejected(RejectReason.UNREADABLE, "the PEM text is damaged or not complete") from None
    shown = PayloadKind.ANCHOR if wanted is PayloadKind.ANCHOR else PayloadKind.CERTIFICATE
    return Payload(shown, b"".join(certificates))


def _shown(labels: list[str]) -> str:
    """Return the labels of a PEM file for a message; they are letters, digits and blanks."""
    return ", ".join(sorted({label[:40] for label in labels}))


def _mail(data: bytes, wanted: PayloadKind) -> Payload | None:
    """Return what is attached to an e-mail, the wanted kind first; None when nothing that is attached can be read."""
    others: list[Payload] = []
    failures: list[CertificateRejected] = []
    for content in _attachments(data):
        try:
            found = _read(content, wanted, attached=True)
        except CertificateRejected as error:
            failures.append(error)
            continue
        if found.kind is wanted:
            return found
        others.append(found)
    if others:
        return others[0]
    if failures:
        raise failures[0]
    return None


def _attachments(data: bytes) -> list[bytes]:
    """Return what is attached; nothing where the e-mail is damaged, or was made to break what reads it."""
    try:
        return list(_each_attachment(data))
    except _MAIL_FAULTS:
        return []


def _each_attachment(data: bytes) -> Iterator[bytes]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    for count, part in enumerate(message.walk()):
        if count > MOST_ATTACHMENTS:
            return
        if part.is_multipart() or part.get_content_type() == "message/rfc822":
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and part.get_filename():
            yield content
