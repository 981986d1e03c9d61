"""openssl as an outside witness: it opens what we write, and we open what it writes."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import zipfile

import pytest

from keystore.formats import KemDevice, KemKey, KemVariant, read_export, write_kem
from keystore.formats.kem_document import build_document
from tests.keystore.made_up import key_of

OPENSSL = shutil.which("openssl")
PASSWORD = "Pa$$wörd1"
DEVICE = KemDevice("63001468", (KemKey("DEK", key_of("openssl").hex().upper()),), name="MC603")

KEY = key_of("openssl").hex().upper()
TYPED_IN = {
    KemVariant.KEM: f'<MetersInOrder orderid="" schemaVersion="2.0"><Meter><MeterNo></MeterNo>'
    f"<SerialNo>63001468</SerialNo><EncKeys><DEK>{KEY}</DEK></EncKeys><VendorId>KAM</VendorId></Meter></MetersInOrder>",
    KemVariant.KEM2: "<Devices><Device><DeviceId><ManufacturerId>KAM</ManufacturerId>"
    f"<SerialNumber>63001468</SerialNumber></DeviceId><Keys><Key><Name>DEK</Name><Value>{KEY}</Value></Key></Keys></Device></Devices>",
}
"""Documents that no code of ours has made."""

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


def openssl(*arguments: str, data: bytes) -> bytes:
    assert OPENSSL is not None
    return subprocess.run([OPENSSL, *arguments], input=data, capture_output=True, check=True).stdout


def key_and_iv() -> tuple[str, ...]:
    padded = PASSWORD.encode().ljust(16, b"\0").hex()
    return "-K", padded, "-iv", padded


@pytest.mark.parametrize("variant", list(KemVariant))
def test_openssl_alone_decrypts_what_we_write(variant: KemVariant) -> None:
    with zipfile.ZipFile(io.BytesIO(write_kem([DEVICE], PASSWORD, variant))) as archive:
        envelope = archive.read(archive.namelist()[0]).decode()
    (value,) = re.findall("<CipherValue>(.*)</CipherValue>", envelope)
    encrypted = openssl("base64", "-d", "-A", data=value.encode())
    plain = openssl("enc", "-d", "-aes-128-cbc", *key_and_iv(), data=encrypted)
    assert plain == build_document([DEVICE], variant)


@pytest.mark.parametrize("variant", list(KemVariant))
def test_we_import_what_openssl_alone_encrypted(variant: KemVariant) -> None:
    encrypted = openssl("enc", "-aes-128-cbc", *key_and_iv(), data=TYPED_IN[variant].encode())
    value = openssl("base64", data=encrypted).decode()
    assert base64.b64decode(value) == encrypted
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?><EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#">'
        '<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc" /><CipherData><CipherValue>'
        f"{value}</CipherValue></CipherData></EncryptedData>"
    )
    (record,) = read_export(envelope.encode(), "made-with-openssl.kem", PASSWORD).ready
    assert (record.number, record.value) == ("63001468", key_of("openssl"))
