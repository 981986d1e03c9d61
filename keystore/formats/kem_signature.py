"""The signature of a KEM2 file: verified against the one certificate that the user pins, by signxml where installed.

The maker says that KEM2 files are signed; where the signature stands is not public. It is looked for around the
encrypted content and inside it, as an XML signature of the whole document. What is written here is the enveloped form
(W3C XML Signature, 6.6.4) inside the decrypted document: our own choice, for simulated portals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keystore.certificates.certificate import library_unheard
from keystore.errors import ImportReason, ImportRejected
from keystore.formats.safe_xml import local_name, parse_xml
from protocols.text import safe_text

if TYPE_CHECKING:
    from signxml.verifier import VerifyResult


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What a simulated portal signs with: a private key and its certificate."""

    private_key: EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate


@library_unheard()
def load_signer(data: bytes) -> x509.Certificate:
    """Return a certificate from PEM or DER; `ValueError` when it is none."""
    if b"-----BEGIN" in data:
        return x509.load_pem_x509_certificate(data)
    return x509.load_der_x509_certificate(data)


@library_unheard()
def signer_name(data: bytes) -> str:
    """Return the subject of a certificate, safe to show."""
    return safe_text(load_signer(data).subject.rfc4514_string())


def verified(document: bytes, signer: bytes, thing: str) -> Element:
    """Return the root of what is really signed; a signature that is not the pinned certificate's is refused.

    Only the bytes that the signature covers are parsed, so nothing can be put beside them. Raises `ImportRejected`.
    """
    whole = local_name(parse_xml(document, thing))
    result = _verify(document, signer, thing)
    content = None if result is None else parse_xml(result.signed_data, thing)
    if content is None or local_name(content) != whole:
        raise ImportRejected(
            ImportReason.SIGNATURE_WRONG,
            f"the signature of {thing} does not fit its content and the certificate given with --signer",
            "do not trust the file: fetch it again; or give the certificate that its portal signs with",
        )
    return content


def sign(document: bytes, key: SigningKey) -> bytes:
    """Return a document with an enveloped signature (ECDSA, SHA-256) as the last child of its root."""
    from lxml import etree  # type: ignore[import-untyped]
    from signxml.algorithms import DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
    from signxml.signer import XMLSigner

    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
    )
    private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = key.certificate.public_bytes(Encoding.PEM).decode()
    signed: bytes = etree.tostring(signer.sign(etree.fromstring(document), key=private, cert=certificate))
    return signed


def _verify(document: bytes, signer: bytes, thing: str) -> VerifyResult | None:
    try:
        from lxml.etree import LxmlError  # type: ignore[import-untyped]
        from signxml.exceptions import SignXMLException
        from signxml.verifier import XMLVerifier
    except ImportError:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} is signed, and signxml is not installed",
            "install it with: pip install fieldtool[signatures]; or leave out --signer",
        ) from None
    certificate = load_signer(signer).public_bytes(Encoding.PEM).decode()
    try:
        result = XMLVerifier().verify(document, x509_cert=certificate)
    # Whatever lxml and cryptography find wrong with a signature that anybody may have written.
    except (SignXMLException, LxmlError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return None
    return None if isinstance(result, list) else result
