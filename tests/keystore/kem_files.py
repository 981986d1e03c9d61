"""Made-up KEM files, whole and in pieces, for the tests of their readers and writers."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from typing import Final

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import (
    ImportBatch,
    KemDevice,
    KemKey,
    KemVariant,
    read_export,
)
from keystore.formats.kem_envelope import encrypt
from tests.keystore.made_up import NOON, key_of

PASSWORD: Final = "12345"
VARIANTS = list(KemVariant)
HEX = {name: key_of(name).hex().upper() for name in ("one", "two", "gpk")}

ONE = KemDevice(
    serial_number="63001468",
    keys=(KemKey("DEK", HEX["one"]),),
    customer_number="4711",
    order="123456  3",
    name="MC603",
    consumption_type="VolumeCold",
    config_number="1234567890123",
    type_number="02146C0K879",
)
TWO = KemDevice(serial_number="00000002", keys=(KemKey("GPK60", HEX["gpk"]), KemKey("DEK", HEX["two"])))


def read(data: bytes, password: str | None = PASSWORD, name: str = "x.zip.kem") -> ImportBatch:
    return read_export(data, name, password, imported_at=NOON)


def ciphertext(envelope: bytes) -> bytes:
    match = re.search(rb"<CipherValue>([^<]+)</CipherValue>", envelope)
    assert match is not None
    return base64.b64decode(match[1])


def envelope_of(encrypted: bytes) -> bytes:
    """An outer XML around any ciphertext."""
    value = base64.b64encode(encrypted)
    return re.sub(rb"(?<=<CipherValue>)[^<]+", lambda _: value, encrypt(b"<a/>", "x"))


def encrypt_raw(plain: bytes, password: bytes) -> bytes:
    """AES-128-CBC with key = IV, without padding."""
    key = password.ljust(16, b"\0")
    encryptor = Cipher(AES(key), CBC(key)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def reason_of(data: bytes, password: str | None = PASSWORD) -> ImportReason:
    with pytest.raises(ImportRejected) as caught:
        read(data, password)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.reason
