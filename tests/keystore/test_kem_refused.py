"""KEM files that are refused: wrong passwords, damage, bombs, DTDs; each told apart, none shown."""

from __future__ import annotations

import unicodedata
import zipfile

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from keystore.errors import ImportReason, ImportRejected, KeystoreError, PasswordNeeded, WrongPassword
from keystore.formats import (
    KemDevice,
    KemKey,
    KemVariant,
    write_kem,
)
from keystore.formats.kem import MAX_DOCUMENT_BYTES
from keystore.formats.kem_document import build_document
from keystore.formats.kem_envelope import encrypt, weak_password
from tests.keystore.kem_files import (
    HEX,
    ONE,
    PASSWORD,
    TWO,
    VARIANTS,
    ciphertext,
    encrypt_raw,
    envelope_of,
    read,
    reason_of,
    zipped,
)
from tests.keystore.made_up import NOON, key_of


def test_passwords_that_are_missing_empty_too_long_and_wrong_are_told_apart() -> None:
    data = write_kem([ONE], PASSWORD)
    with pytest.raises(PasswordNeeded):
        read(data, None)
    for password, reason in {
        "": ImportReason.PASSWORD_EMPTY,
        "x" * 17: ImportReason.PASSWORD_TOO_LONG,
        "x" * 24: ImportReason.PASSWORD_TOO_LONG,
        "ä" * 9: ImportReason.PASSWORD_TOO_LONG,
        "54321": ImportReason.PASSWORD_WRONG,
        "12345 ": ImportReason.PASSWORD_WRONG,
    }.items():
        with pytest.raises(WrongPassword) as caught:
            read(data, password)
        assert caught.value.reason is reason


def test_a_password_of_sixteen_bytes_is_neither_cut_nor_padded() -> None:
    data = write_kem([ONE], "0123456789abcdef")
    assert len(read(data, "0123456789abcdef").ready) == 1
    assert reason_of(data, "0123456789abcde") is ImportReason.PASSWORD_WRONG
    for password in ("", "0123456789abcdefg"):
        with pytest.raises(ValueError, match="1 to 16 bytes"):
            encrypt(b"<a/>", password)


@pytest.mark.parametrize("written", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_composed_and_decomposed_passwords_open_the_same_file(written: str, typed: str) -> None:
    forms = {form: unicodedata.normalize(form, "Pa$$wörd1") for form in ("NFC", "NFD")}
    assert len(forms["NFC"].encode()) == 10
    assert len(read(write_kem([ONE], forms[written]), forms[typed]).ready) == 1


def test_a_wrong_password_whose_padding_fits_by_chance_is_still_wrong() -> None:
    envelope = encrypt(build_document([ONE], KemVariant.KEM), PASSWORD)
    encrypted = ciphertext(envelope)
    accepted = 0
    for attempt in range(3000):
        key = f"wrong{attempt}".encode().ljust(16, b"\0")
        decryptor = Cipher(AES(key), CBC(key)).decryptor()
        plain = decryptor.update(encrypted) + decryptor.finalize()
        if plain.endswith(bytes((plain[-1],)) * plain[-1]) and 1 <= plain[-1] <= 16:
            accepted += 1
            assert reason_of(envelope, f"wrong{attempt}") is ImportReason.PASSWORD_WRONG
    assert accepted >= 3, "about 12 of 3000 wrong passwords fit the padding"


def test_legacy_zero_padding_is_read() -> None:
    inner = build_document([ONE], KemVariant.KEM)
    padded = inner + bytes(16 - len(inner) % 16)
    assert len(read(envelope_of(encrypt_raw(padded, b"12345"))).ready) == 1


@pytest.mark.parametrize(
    ("password", "weak"), [("12345", True), ("123456789012345", True), ("0310482W", True), ("correct-hors", False)]
)
def test_weak_passwords_are_pointed_out(password: str, weak: bool) -> None:
    assert weak_password(password) is weak
    assert bool(read(write_kem([ONE], password), password).warnings) is weak


def test_no_password_and_no_key_is_shown() -> None:
    canary = "canary-pass"
    device = KemDevice("63001468", (KemKey("DEK", HEX["one"]),))
    data = write_kem([device], canary)
    batch = read(data, canary)
    shown = repr(device) + repr(batch) + str(batch.rows)
    for password in ("canary-wrong", "canary-much-too-long"):
        with pytest.raises(KeystoreError) as caught:
            read(data, password)
        shown += repr(caught.value) + caught.value.message + caught.value.hint
    for secret in ("canary", HEX["one"], HEX["one"].lower(), repr(key_of("one"))):
        assert secret not in shown


# Damage and hostility.


@pytest.mark.parametrize("variant", VARIANTS)
def test_damaged_content_is_told_from_a_wrong_password(variant: KemVariant) -> None:
    encrypted = bytearray(ciphertext(encrypt(build_document([ONE], variant), PASSWORD)))
    encrypted[40] ^= 0x20
    with pytest.raises(ImportRejected) as caught:
        read(envelope_of(bytes(encrypted)))
    assert caught.value.reason is ImportReason.DAMAGED
    assert "decrypted content" in caught.value.message


@pytest.mark.parametrize("length", [0, 1, 15, 17, 31])
def test_a_cut_ciphertext_is_damaged(length: int) -> None:
    assert reason_of(envelope_of(bytes(length))) is ImportReason.DAMAGED


def test_base64_that_is_none_is_damaged() -> None:
    assert reason_of(encrypt(b"<a/>", PASSWORD).replace(b"=", b"!")) is ImportReason.DAMAGED


def test_every_cut_and_many_flips_of_a_zip_are_clear_rejections_or_harmless() -> None:
    data = write_kem([ONE, TWO], PASSWORD, at=NOON, member_stem="A" * 32)
    for length in range(4, len(data), 29):
        assert reason_of(data[:length]) is ImportReason.DAMAGED
    good = [record.value for record in read(data).ready]
    for offset in range(0, len(data), 5):
        changed = bytearray(data)
        changed[offset] ^= 0x10
        try:
            batch = read(bytes(changed))
        except ImportRejected:
            continue
        assert [record.value for record in batch.ready] == good, offset


def test_a_zip_without_or_with_several_key_files_is_rejected() -> None:
    member = encrypt(build_document([ONE], KemVariant.KEM), PASSWORD)
    assert reason_of(zipped({"a.pdf": b"x"})) is ImportReason.UNKNOWN_FORMAT
    assert reason_of(zipped({})) is ImportReason.UNKNOWN_FORMAT
    assert reason_of(zipped({"a.kem": member, "b.kem2": member})) is ImportReason.SEVERAL_MEMBERS
    assert reason_of(zipped({f"{i}.txt": b"" for i in range(65)})) is ImportReason.TOO_LARGE
    assert reason_of(zipped({"a.kem": member}, zipfile.ZIP_BZIP2)) is ImportReason.UNKNOWN_FORMAT


def test_an_encrypted_zip_is_rejected() -> None:
    data = bytearray(zipped({"a.kem": b"x"}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert reason_of(bytes(data)) is ImportReason.UNKNOWN_FORMAT


def test_a_bomb_is_stopped_whatever_size_it_declares() -> None:
    data = bytearray(zipped({"a.kem": bytes(MAX_DOCUMENT_BYTES + 2)}))
    assert len(data) < 200_000
    assert reason_of(bytes(data)) is ImportReason.TOO_LARGE
    data[data.index(b"PK\x01\x02") + 24 : data.index(b"PK\x01\x02") + 28] = (1000).to_bytes(4, "little")
    assert reason_of(bytes(data)) in {ImportReason.DAMAGED, ImportReason.TOO_LARGE}


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><MetersInOrder>&c;</MetersInOrder>'


@pytest.mark.parametrize(
    "document",
    [
        LAUGHS,
        "<!DOCTYPE MetersInOrder><MetersInOrder/>",
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><MetersInOrder/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><MetersInOrder><Meter>&x;</Meter></MetersInOrder>',
    ],
)
def test_dtds_and_entities_are_refused_inside_and_outside(document: str) -> None:
    assert reason_of(document.encode()) is ImportReason.FORBIDDEN_XML
    assert reason_of(zipped({"a.kem": document.encode()})) is ImportReason.FORBIDDEN_XML
    assert reason_of(encrypt(document.encode(), PASSWORD)) is ImportReason.FORBIDDEN_XML


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html/>", ImportReason.UNKNOWN_FORMAT),
        (b"<MetersInOrder/>", ImportReason.EMPTY),
        (b"<Devices><Thing/></Devices>", ImportReason.EMPTY),
        (b"<MetersInOrder>", ImportReason.DAMAGED),
        (b'<?xml version="1.0" encoding="klingon"?><MetersInOrder/>', ImportReason.DAMAGED),
        (b'<?xml version="1.0" encoding="utf-7"?><MetersInOrder/>', ImportReason.DAMAGED),
        (b"<EncryptedData/>", ImportReason.UNKNOWN_FORMAT),
        (b"<a>" * 50_000, ImportReason.DAMAGED),
    ],
)
def test_other_xml_is_rejected(document: bytes, reason: ImportReason) -> None:
    assert reason_of(document) is reason


def test_another_cipher_is_named_as_the_reason() -> None:
    other = encrypt(b"<MetersInOrder/>", PASSWORD).replace(b"aes128-cbc", b"aes256-gcm")
    assert reason_of(other) is ImportReason.UNKNOWN_FORMAT


def test_a_hostile_file_name_is_made_harmless() -> None:
    with pytest.raises(ImportRejected) as caught:
        read(b"<html/>", name="\x1b]0;x\x07[/x]\u202e.kem")
    assert "\x1b" not in caught.value.message
    assert "\u202e" not in caught.value.message
