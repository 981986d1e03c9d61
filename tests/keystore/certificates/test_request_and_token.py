"""Tokens, requests, and whatever a user hands over."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.intake import read_anything
from keystore.certificates.levels import Capability
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import write_picture
from keystore.certificates.request import build_request, read_request
from keystore.certificates.token import Token, decode_token, encode_token
from simulators.certificate_desk.answers import token_mail, token_text
from tests.keystore.certificates.desks import START, make_desk, token_of

KEY = ec.derive_private_key(12345, ec.SECP256R1())
SECRET = bytes(range(16))
TOKEN = Token(SECRET, "Stadtwerke Nord", Capability.READ | Capability.INSTALL, "2026-0001", START, "a.b+c@desk.example")


def test_a_token_round_trip_hides_its_secret() -> None:
    assert decode_token(encode_token(TOKEN)) == TOKEN
    assert SECRET.hex() not in repr(TOKEN)
    assert repr(SECRET)[2:-1] not in repr(TOKEN)


@given(st.data())
def test_an_altered_token_is_refused_or_another_one(data: st.DataObject) -> None:
    encoded = bytearray(encode_token(TOKEN))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        read = decode_token(bytes(encoded))
    except CertificateRejected:
        return
    assert read != TOKEN
    assert encode_token(read) == encoded


@pytest.mark.parametrize(
    "change",
    [
        {"secret": b"short"},
        {"organisation": ""},
        {"organisation": "a\r\nBcc: x@y"},
        {"capabilities": Capability(0)},
        {"order": "x" * 41},
        {"address": "nobody"},
        {"address": "a@b\r\nBcc: c@d"},
        {"address": "a@b, c@d"},
        {"address": "Anna <a@b>"},
        {"address": f"{'x' * 250}@y.zz"},
    ],
)
def test_what_no_desk_may_send(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"token|characters"):
        replace(TOKEN, **change)  # type: ignore[arg-type]


def test_a_request_proves_its_key_and_carries_the_token() -> None:
    request = read_request(build_request(KEY, "Stadtwerke Nord", "anna", SECRET))
    assert request.public_key.public_numbers() == KEY.public_key().public_numbers()
    assert (request.organisation, request.tag, request.secret) == ("Stadtwerke Nord", "anna", SECRET)
    assert SECRET.hex().casefold() not in repr(request).casefold()


def test_openssl_finds_a_request_well_made() -> None:
    pem = x509.load_der_x509_csr(build_request(KEY, "Stadtwerke Nord", "anna", SECRET)).public_bytes(Encoding.PEM)
    try:
        done = subprocess.run(["openssl", "req", "-verify", "-noout"], input=pem, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("openssl is not here")
    assert done.returncode == 0
    assert b"OK" in done.stderr + done.stdout


@pytest.mark.parametrize("place", range(0, 281, 7))
def test_an_altered_request_is_refused(place: int) -> None:
    data = bytearray(build_request(KEY, "Stadtwerke Nord", "anna", SECRET))
    data[min(place, len(data) - 1)] ^= 1
    with pytest.raises(CertificateRejected):
        read_request(bytes(data))


def subject(*names: tuple[x509.ObjectIdentifier, str]) -> x509.CertificateSigningRequestBuilder:
    attributes = [x509.NameAttribute(oid, text) for oid, text in names]
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))


ORGANISATION = (x509.NameOID.ORGANIZATION_NAME, "Stadtwerke Nord")
TAG = (x509.NameOID.COMMON_NAME, "anna")
CHALLENGE = x509.oid.AttributeOID.CHALLENGE_PASSWORD


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (subject(ORGANISATION, TAG).sign(KEY, SHA256()), RejectReason.TOKEN_UNKNOWN),
        (subject(ORGANISATION, TAG).add_attribute(CHALLENGE, b"hello").sign(KEY, SHA256()), RejectReason.TOKEN_UNKNOWN),
        (subject(ORGANISATION, TAG).sign(KEY, SHA384()), RejectReason.NO_PROOF),
        (subject(TAG).sign(KEY, SHA256()), RejectReason.MALFORMED),
        (subject(ORGANISATION).sign(KEY, SHA256()), RejectReason.MALFORMED),
        (subject(ORGANISATION, TAG, TAG).sign(KEY, SHA256()), RejectReason.MALFORMED),
        (
            subject(ORGANISATION, TAG).sign(ec.derive_private_key(5, ec.SECP384R1()), SHA256()),
            RejectReason.WRONG_KEY_TYPE,
        ),
        (subject(ORGANISATION, TAG).sign(rsa.generate_private_key(65537, 2048), SHA256()), RejectReason.WRONG_KEY_TYPE),
    ],
    ids=["no token", "no hex", "SHA-384", "no organisation", "no tag", "two tags", "P-384", "RSA"],
)
def test_requests_that_are_refused(data: x509.CertificateSigningRequest, reason: RejectReason) -> None:
    with pytest.raises(CertificateRejected) as caught:
        read_request(data.public_bytes(Encoding.DER))
    assert caught.value.reason is reason


def mail_with(*attachments: tuple[str, bytes]) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "x"
    message.set_content("hello")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


REQUEST = build_request(KEY, "Stadtwerke Nord", "anna", SECRET)
REQUEST_PEM = x509.load_der_x509_csr(REQUEST).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(REQUEST, id="DER"),
        pytest.param(REQUEST_PEM, id="PEM"),
        pytest.param(b"Dear desk,\r\n\r\n" + REQUEST_PEM.replace(b"\n", b"\r\n"), id="PEM in a text"),
        pytest.param(write_payload(PayloadKind.REQUEST, REQUEST).encode(), id="text"),
        pytest.param(("\n" + write_payload(PayloadKind.REQUEST, REQUEST)).encode("utf-16"), id="text in UTF-16"),
        pytest.param(write_picture(write_payload(PayloadKind.REQUEST, REQUEST)), id="JPEG"),
        pytest.param(mail_with(("notes.txt", b"hi"), ("anna.csr", REQUEST_PEM)), id="e-mail"),
        pytest.param(
            mail_with(("anna.jpg", write_picture(write_payload(PayloadKind.REQUEST, REQUEST)))), id="JPEG in it"
        ),
    ],
)
def test_a_request_is_read_from_whatever_it_comes_in(data: bytes) -> None:
    assert read_anything(data, PayloadKind.REQUEST).data == REQUEST


def test_a_token_comes_as_mail_picture_or_text() -> None:
    token = token_of(make_desk())
    for data in (token_mail(token), write_picture(token_text(token)), token_text(token).encode()):
        assert decode_token(read_anything(data, PayloadKind.TOKEN).data) == token


PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", RejectReason.UNREADABLE, id="empty"),
        pytest.param(b" \n", RejectReason.UNREADABLE, id="blank"),
        pytest.param(b"hello", RejectReason.UNREADABLE, id="text"),
        pytest.param(Random(1).randbytes(500), RejectReason.UNREADABLE, id="bytes"),
        pytest.param(b"\x30\x03\x02\x01\x01", RejectReason.UNREADABLE, id="another DER"),
        pytest.param(PRIVATE, RejectReason.WRONG_KIND, id="private key"),
        pytest.param(REQUEST_PEM + PRIVATE, RejectReason.WRONG_KIND, id="request and private key"),
        pytest.param(b"-----BEGIN PGP MESSAGE-----", RejectReason.WRONG_KIND, id="PGP"),
        pytest.param(REQUEST_PEM[:-60], RejectReason.UNREADABLE, id="cut PEM"),
        pytest.param(REQUEST_PEM, RejectReason.WRONG_KIND, id="a request"),
        pytest.param(token_text(TOKEN).encode(), RejectReason.WRONG_KIND, id="a token"),
        pytest.param(mail_with(("notes.txt", b"hi")), RejectReason.UNREADABLE, id="e-mail without"),
        pytest.param(mail_with(("key.pem", PRIVATE)), RejectReason.WRONG_KIND, id="e-mail with a key"),
        pytest.param(bytes(30_000_001), RejectReason.TOO_LARGE, id="31 MB"),
    ],
)
def test_what_is_no_certificate(data: bytes, reason: RejectReason) -> None:
    with pytest.raises(CertificateRejected) as caught:
        read_anything(data, PayloadKind.CERTIFICATE)
    assert caught.value.reason is reason
    assert base64.b64encode(KEY.private_numbers().private_value.to_bytes(32)).decode() not in str(caught.value)


def test_a_mail_in_a_mail_in_a_mail_ends() -> None:
    data = mail_with(("anna.csr", REQUEST_PEM))
    for _ in range(6):
        data = mail_with(("inner.eml", data))
    with pytest.raises(CertificateRejected):
        read_anything(data, PayloadKind.REQUEST)


def test_an_expiry_is_kept_to_the_second() -> None:
    token = replace(TOKEN, expires_at=START + timedelta(seconds=59))
    assert decode_token(encode_token(token)).expires_at == START + timedelta(seconds=59)


def nested(kind: str, depth: int) -> bytes:
    """An e-mail whose parts stand one within the other."""
    lines = ["From: desk@desk.example", "MIME-Version: 1.0"]
    for level in range(depth):
        lines += {
            "multipart": [f'Content-Type: multipart/mixed; boundary="b{level}"', "", f"--b{level}"],
            "message": ["Content-Type: message/rfc822", ""],
        }[kind]
    return "\n".join([*lines, "Content-Type: text/plain; name=x.pem", "", "nothing"]).encode()


@pytest.mark.parametrize(
    "mail",
    [
        pytest.param(nested("multipart", 3000), id="parts in parts"),
        pytest.param(nested("message", 3000), id="mails in mails"),
        pytest.param(b"From: a@b\nContent-Transfer-Encoding: :[[''\n\nx", id="no encoding"),
        pytest.param(b"From: a@b\nContent-Disposition: attachment; filenamefilename*\n\nx", id="no file name"),
        pytest.param(b"From: a@b\nContent-Type: multipart/mixed; boundary*0*=%ff''\n\n--x\n", id="no boundary"),
    ],
)
def test_a_mail_that_was_made_to_break_things(mail: bytes) -> None:
    with pytest.raises(CertificateRejected) as caught:
        read_anything(mail, PayloadKind.CERTIFICATE)
    assert caught.value.reason is RejectReason.UNREADABLE


@pytest.mark.parametrize("header", ["Content-Transfer-Encoding: :[[''", "Content-Disposition: attachment; filename*"])
def test_a_text_under_an_odd_header_is_read(header: str) -> None:
    text = write_payload(PayloadKind.CERTIFICATE, b"whatever it is")
    assert read_anything(f"From: a@b\n{header}\n\n{text}\n".encode(), PayloadKind.CERTIFICATE).data == b"whatever it is"
