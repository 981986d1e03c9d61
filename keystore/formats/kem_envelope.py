"""The encrypted envelope of KEM and KEM2: AES-128-CBC with key = IV = the password, zero-padded to 16 bytes.

The format has neither key stretching nor a MAC: the password can be guessed offline, millions of times a second, and
flipped bits go unnoticed unless they break the XML. A key file in transit is as good as plain text.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from typing import Final
from xml.etree.ElementTree import Element

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from keystore.errors import ImportReason, ImportRejected, PasswordNeeded, WrongPassword
from keystore.formats.safe_xml import local_name, parse_xml, text_below

BLOCK: Final = 16
MAX_PASSWORD_BYTES: Final = 16
XMLENC: Final = "http://www.w3.org/2001/04/xmlenc#"
AES128_CBC: Final = XMLENC + "aes128-cbc"
BOM: Final = b"\xef\xbb\xbf"

_WEAK_PASSWORD_CHARS: Final = 12
_KNOWN_BEGINNINGS: Final = (b"<MetersInOrder", b"<Devices", b"<?xml")
_WHITESPACE: Final = re.compile(r"\s+")


def encrypt(plain: bytes, password: str) -> bytes:
    """Return the outer XML of a document; `ValueError` for an empty password or one above 16 bytes of UTF-8."""
    key = password.encode()
    if not 1 <= len(key) <= MAX_PASSWORD_BYTES:
        raise ValueError("a KEM password has 1 to 16 bytes in UTF-8")
    pad = BLOCK - len(plain) % BLOCK
    encryptor = _cipher(key).encryptor()
    value = base64.b64encode(encryptor.update(plain + bytes((pad,)) * pad) + encryptor.finalize())
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EncryptedData Type="{AES128_CBC}" xmlns="{XMLENC}">'
        f'<EncryptionMethod Algorithm="{AES128_CBC}" /><CipherData><CipherValue>{value.decode()}</CipherValue>'
        f"</CipherData></EncryptedData>"
    ).encode()


def open_envelope(envelope: Element, password: str | None, thing: str) -> tuple[Element, bytes]:
    """Return the root of the decrypted document, and its bytes.

    Raises `PasswordNeeded`, `WrongPassword`, or `ImportRejected` with DAMAGED or UNKNOWN_FORMAT. Since there is no MAC,
    a password counts as right when the padding fits and the text parses as XML.
    """
    ciphertext = _ciphertext(envelope, thing)
    if password is None:
        raise PasswordNeeded(
            ImportReason.PASSWORD_NEEDED, f"{thing} is encrypted", "give the password chosen at the download"
        )
    damaged: ImportRejected | None = None
    for key in _password_forms(password, thing):
        decryptor = _cipher(key).decryptor()
        plain = _unpad(decryptor.update(ciphertext) + decryptor.finalize())
        if plain is None:
            continue
        try:
            return parse_xml(plain, f"the decrypted content of {thing}"), plain
        except ImportRejected as error:
            # A DTD that was understood proves the password as well as a known beginning does.
            if plain.startswith(_KNOWN_BEGINNINGS) or error.reason is ImportReason.FORBIDDEN_XML:
                damaged = error
    if damaged is not None:
        raise damaged
    raise WrongPassword(
        ImportReason.PASSWORD_WRONG,
        f"the password does not open {thing}, or the file is damaged",
        "check the password chosen at the download",
    )


def weak_password(password: str) -> bool:
    """True when a KEM password is found offline within days: short, or digits only."""
    return len(password) < _WEAK_PASSWORD_CHARS or password.isdigit()


def is_envelope(root: Element) -> bool:
    """True for the outer XML."""
    return local_name(root) == "EncryptedData"


def _cipher(key: bytes) -> Cipher[CBC]:
    padded = key.ljust(BLOCK, b"\0")
    return Cipher(AES(padded), CBC(padded))


def _ciphertext(envelope: Element, thing: str) -> bytes:
    method = next((e.get("Algorithm", "") for e in envelope.iter() if local_name(e) == "EncryptionMethod"), "")
    if not method.endswith("#aes128-cbc"):
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} is encrypted in a way that no KEM file is",
            "choose a KEM or KEM2 file",
        )
    try:
        ciphertext = base64.b64decode(_WHITESPACE.sub("", text_below(envelope, "CipherValue")), validate=True)
    except (binascii.Error, ValueError):
        ciphertext = b""
    if not ciphertext or len(ciphertext) % BLOCK:
        raise ImportRejected(ImportReason.DAMAGED, f"the encrypted content of {thing} is cut", "fetch the file again")
    return ciphertext


def _password_forms(password: str, thing: str) -> list[bytes]:
    """Return the bytes a password may mean: as typed, composed and decomposed; longer ones are never truncated."""
    if not password:
        raise WrongPassword(
            ImportReason.PASSWORD_EMPTY,
            f"the password for {thing} is empty",
            "give the password chosen at the download",
        )
    spelled = (password, unicodedata.normalize("NFC", password), unicodedata.normalize("NFD", password))
    forms = list(dict.fromkeys(form.encode("utf-8", "surrogatepass") for form in spelled))
    usable = [form for form in forms if len(form) <= MAX_PASSWORD_BYTES]
    if not usable:
        raise WrongPassword(
            ImportReason.PASSWORD_TOO_LONG,
            f"the password for {thing} is longer than the 16 bytes that a KEM file can have",
            "check the password chosen at the download",
        )
    return usable


def _unpad(plain: bytes) -> bytes | None:
    """Return the text without its PKCS#7 padding, or without old zero padding; None when neither is there."""
    pad = plain[-1]
    if 1 <= pad <= BLOCK and plain.endswith(bytes((pad,)) * pad):
        text = plain[:-pad]
    else:
        text = plain.rstrip(b"\0")
        if len(text) == len(plain) or not text.endswith(b">"):
            return None
    text = text.removeprefix(BOM)
    return text if text.lstrip()[:1] == b"<" else None
