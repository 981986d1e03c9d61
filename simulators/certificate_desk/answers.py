"""What the desk mails: tokens, certificates and rejections, as e-mails with QR codes attached."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from cryptography.hazmat.primitives.serialization import Encoding

from keystore.certificates.file_names import file_stem
from keystore.certificates.levels import level_title
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import write_picture
from keystore.certificates.token import Token, encode_token
from simulators.certificate_desk.desk import SignedAnswer


def token_text(token: Token) -> str:
    """Return a token as text."""
    return write_payload(PayloadKind.TOKEN, encode_token(token))


def answer_text(answer: SignedAnswer) -> str:
    """Return a certificate and its issuer's as text."""
    return write_payload(PayloadKind.CERTIFICATE, answer.certificate.data + answer.issuer.data)


def answer_stem(answer: SignedAnswer) -> str:
    """Return the name of the answer's picture, without its ending."""
    return file_stem(answer.order.organisation, answer.level, answer.tag)


def answer_pem(answer: SignedAnswer) -> bytes:
    """Return the certificate and its issuer's as PEM."""
    return b"".join(one.x509.public_bytes(Encoding.PEM) for one in (answer.certificate, answer.issuer))


def token_mail(token: Token) -> bytes:
    """Return the e-mail that a token is sent with."""
    message = _mail(token.address, f"Token for a certificate, order {token.order}")
    message.set_content(
        f"Organisation: {token.organisation}\n"
        f"Level: {level_title(token.capabilities)}\n"
        f"Order: {token.order}, good for one certificate until {token.expires_at:%Y-%m-%d}\n\n"
        "Make the request with the attached picture:\n\n"
        "    fieldtool certs request FILE --tag TAG\n\n"
        "Whoever has this code can make the request: do not pass it on.\n"
    )
    _attach(message, write_picture(token_text(token)), f"{file_stem('token', token.order)}.jpg", "image", "jpeg")
    return message.as_bytes()


def answer_mail(answer: SignedAnswer, address: str) -> bytes:
    """Return the e-mail with a signed certificate: its picture and its file."""
    stem = answer_stem(answer)
    message = _mail(address, f"Certificate for {answer.order.organisation}: {answer.level}, {answer.tag}")
    message.set_content(
        f"The certificate of order {answer.order.number} is attached, valid until "
        f"{answer.certificate.not_after:%Y-%m-%d}.\n\nImport the picture or the file:\n\n"
        "    fieldtool certs import FILE\n"
    )
    _attach(message, write_picture(answer_text(answer)), f"{stem}.jpg", "image", "jpeg")
    _attach(message, answer_pem(answer), f"{stem}.pem", "application", "x-pem-file")
    return message.as_bytes()


def rejection_mail(reason: str, text: str, address: str) -> bytes:
    """Return the e-mail that turns a request down: the reason in one word, and what happened."""
    message = _mail(address, "Your certificate request was rejected")
    message.set_content(f"Reason: {reason}\n{text}\n")
    return message.as_bytes()


def _mail(address: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = address
    message["Subject"] = subject
    return message


def _attach(message: EmailMessage, content: bytes, name: str, main: str, sub: str) -> None:
    message.add_attachment(content, maintype=main, subtype=sub, filename=name)
