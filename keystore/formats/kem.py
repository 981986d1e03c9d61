"""Kamstrup's key files, KEM and KEM2: ZIP, outer XML or bare inner XML in; ZIP out."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.archive import is_zip, read_member, write_archive
from keystore.formats.batch import (
    ExportFile,
    ImportRow,
    ImportStream,
    RowVerdict,
    quarantined,
)
from keystore.formats.kem_document import (
    KemDevice,
    KemKey,
    KemVariant,
    build_document,
    is_signed,
    read_devices,
    variant_of,
)
from keystore.formats.kem_envelope import BOM, encrypt, is_envelope, open_envelope, weak_password
from keystore.formats.kem_schema import SCHEMA_FILES
from keystore.formats.kem_signature import SigningKey, sign, signer_name, verified
from keystore.formats.key_text import key_from_text, looks_like_key, shown_text
from keystore.formats.safe_xml import parse_xml
from keystore.matching import NUMBER_DIGITS, normal_number
from keystore.model import KeyRecord, KeyRole, Provenance, SignatureState
from protocols.plural import counted
from protocols.text import safe_text

MAX_DOCUMENT_BYTES: Final = 64 * 1024 * 1024
"""Largest XML that is parsed: about 100,000 devices."""

MAX_NESTING: Final = 2
"""A portal's ZIP, and one that somebody zipped again."""

SUFFIXES: Final = (".kem", ".kem2")
_PRINTED_NUMBER: Final = re.compile(rf"\d{{{NUMBER_DIGITS}}}")
_SHORT_NUMBER: Final = re.compile(rf"\d{{1,{NUMBER_DIGITS - 1}}}")
_MAKER: Final = re.compile(r"[A-Z]{3}")
_NUMBERED_KEY: Final = re.compile(r"(GPK|PK)(\d+)")
_KEY_ROLES: Final = {"DEK": KeyRole.WMBUS_DEK, "GPK": KeyRole.GPK, "PK": KeyRole.PK}
_DOWNLOAD_NAMES: Final = {KemVariant.KEM: "DownloadMeters", KemVariant.KEM2: "DownloadDevices"}


def sniff(data: bytes) -> bool:
    """True for a ZIP archive or XML; names are not trusted."""
    return is_zip(data) or data.removeprefix(BOM).lstrip()[:1] == b"<"


def read(file: ExportFile) -> ImportStream:
    """Read a KEM or KEM2 file; one row a key, and one quarantined row for each device without a usable one.

    Raises `ImportRejected` (`PasswordNeeded`, `WrongPassword`) when nothing of the file can be read.
    """
    thing = file.shown_name
    member, xml = _unpack(file.data, thing)
    signer = file.options.signer
    document = xml.removeprefix(BOM).lstrip()
    root, signed = _signed_part(parse_xml(document, thing), document, signer, thing)
    encrypted = is_envelope(root)
    if encrypted:
        root, document = open_envelope(root, file.options.password, thing)
        root, inside = _signed_part(root, document, signer, thing)
        signed = signed or inside
    variant = variant_of(root)
    if variant is None:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} is not a key file",
            "choose a KEM or KEM2 file, or save the table as CSV",
        )
    if signer is not None and variant is KemVariant.KEM2 and not signed:
        # Whoever can change a file can also take its signature out.
        raise ImportRejected(
            ImportReason.SIGNATURE_WRONG,
            f"{thing} is not signed, and --signer asks for a signature",
            "fetch the file again; or leave out --signer to import it as unsigned",
        )
    signature = SignatureState.UNSIGNED
    if signed:
        signature = SignatureState.NOT_VERIFIED if signer is None else SignatureState.VERIFIED
    name = signer_name(signer) if signer is not None and signed else ""
    source = file.provenance(variant, member, signature, name)
    rows = tuple(_rows(read_devices(root, variant), source))
    if not rows:
        raise ImportRejected(ImportReason.EMPTY, f"{thing} names no meter", "select meters before the download")
    warnings = []
    if signature is SignatureState.NOT_VERIFIED:
        warnings.append("the file is signed, but the signature was not verified: give --signer CERTIFICATE")
    if encrypted and weak_password(file.options.password or ""):
        warnings.append("the file's password is easily guessed by whoever has the file: delete it after the import")
    return ImportStream(source, iter(rows), tuple(warnings), len(rows))


def write(
    devices: Iterable[KemDevice],
    password: str,
    variant: KemVariant = KemVariant.KEM2,
    *,
    order: str = "",
    at: datetime | None = None,
    member_stem: str | None = None,
    signing: SigningKey | None = None,
) -> bytes:
    """Return a key file as the portal hands it out: a ZIP of one encrypted member and its schema.

    `order` is the order of a whole KEM file (KEM2 has one a device), `member_stem` 32 hex digits, random by default.
    With `signing`, the document is signed as a simulated portal does (see `keystore.formats.kem_signature`).
    `ValueError` for a password that is empty or longer than 16 bytes in UTF-8.
    """
    document = build_document(devices, variant, order)
    envelope = encrypt(document if signing is None else sign(document, signing), password)
    stem = member_stem or uuid.uuid4().hex.upper()
    schema_name, schema = SCHEMA_FILES[variant]
    return write_archive({f"{stem}.{variant}": envelope, schema_name: schema.encode()}, at or datetime.now(UTC))


def file_name(variant: KemVariant, at: datetime) -> str:
    """Return the name the portal would give a download: `20210901_1200_selected_DownloadDevices.zip.kem2`."""
    return f"{at:%Y%m%d_%H%M}_selected_{_DOWNLOAD_NAMES[variant]}.zip.{variant}"


def holds(record: KeyRecord) -> bool:
    """True for a key of a meter that such a file has a place and a name for."""
    return bool(record.value) and bool(record.number) and _key_name(record) is not None


def devices_from_records(records: Iterable[KeyRecord]) -> list[KemDevice]:
    """Return key records grouped by meter as a KEM file has them; roles that it cannot hold are left out."""
    devices: dict[tuple[str | None, str], KemDevice] = {}
    for record in records:
        name = _key_name(record)
        if name is None or not holds(record):
            continue
        device = devices.setdefault(
            (record.manufacturer, record.number),
            KemDevice(
                serial_number=record.number.upper(),
                keys=(),
                customer_number=record.label,
                order=record.order,
                name=record.meter_type,
                config_number=record.config_number,
                type_number=record.type_number,
                manufacturer=record.manufacturer or "",
            ),
        )
        key = KemKey(name, record.value.hex().upper())
        devices[record.manufacturer, record.number] = replace(device, keys=(*device.keys, key))
    return list(devices.values())


def _key_name(record: KeyRecord) -> str | None:
    name = next((name for name, role in _KEY_ROLES.items() if role is record.role), None)
    if name is not None:
        return f"{name}{record.role_detail}"
    return record.role_detail if record.role is KeyRole.OTHER and record.role_detail.isalnum() else None


def _signed_part(root: Element, document: bytes, signer: bytes | None, thing: str) -> tuple[Element, bool]:
    """Return the root of a document, and whether it is signed; with a pinned signer, only what that one has signed."""
    if not is_signed(root):
        return root, False
    return (root if signer is None else verified(document, signer, thing)), True


def _unpack(data: bytes, thing: str) -> tuple[str, bytes]:
    """Return the innermost member and its bytes; bare XML is its own member without a name."""
    member = ""
    for _ in range(MAX_NESTING):
        if not is_zip(data):
            break
        member, data = read_member(data, thing, SUFFIXES, MAX_DOCUMENT_BYTES)
    if is_zip(data):
        raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{thing} is a ZIP in a ZIP in a ZIP", "unpack it first")
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ImportRejected(
            ImportReason.TOO_LARGE, f"{thing} is larger than {MAX_DOCUMENT_BYTES >> 20} MiB", "select fewer meters"
        )
    return member, data


def _rows(devices: Iterable[KemDevice], source: Provenance) -> Iterator[ImportRow]:
    for index, device in enumerate(devices, start=1):
        warnings: list[str] = []
        meter = shown_text(device.serial_number or device.customer_number)
        number = _number(device.serial_number, warnings)
        maker = device.manufacturer.strip().upper()
        if not number or looks_like_key(number):
            yield quarantined(index, meter, f"the device has {'a key for its' if number else 'no'} serial number")
            continue
        if maker and not _MAKER.fullmatch(maker):
            warnings.append("the manufacturer is not three letters: left out")
        base = KeyRecord(
            number=number,
            no_key=True,
            manufacturer=maker if _MAKER.fullmatch(maker) else None,
            serial=meter,
            label=shown_text(device.customer_number) if device.customer_number != device.serial_number else "",
            meter_type=shown_text(device.name),
            type_number=shown_text(device.type_number),
            config_number=shown_text(device.config_number),
            order=shown_text(device.order),
            source=replace(source, row=index),
        )
        if not device.keys:
            yield quarantined(index, meter, "the device has no key", tuple(warnings))
        for key in device.keys:
            yield _row(index, base, key, warnings)


def _row(index: int, base: KeyRecord, key: KemKey, warnings: list[str]) -> ImportRow:
    match = _NUMBERED_KEY.fullmatch(key.name.upper())
    name, detail = (match[1], match[2]) if match else (key.name.upper(), "")
    role = _KEY_ROLES.get(name, KeyRole.OTHER)
    try:
        value = key_from_text(key.text)
    except ValueError as error:
        return quarantined(
            index, base.serial, f"{shown_text(key.name) or 'a key without a name'}: {error}", tuple(warnings)
        )
    notes = list(warnings)
    if not key.name:
        notes.append("the file does not say what the key is for: it is not used for telegrams")
    if len(value) != 16:
        notes.append(f"{shown_text(key.name)} has {2 * len(value)} hex digits, AES-128 keys have 32")
    detail = shown_text(key.name) if role is KeyRole.OTHER else detail
    record = replace(base, role=role, role_detail=detail, value=value, no_key=False)
    return ImportRow(index, RowVerdict.READY, record, base.serial, warnings=tuple(notes))


def _number(serial: str, warnings: list[str]) -> str:
    """Return the number a device is filed under; a serial of fewer digits lacks zeros that the address has."""
    serial = serial.strip()
    if _SHORT_NUMBER.fullmatch(serial):
        warnings.append(f"the serial number has {counted(len(serial), 'digit')}: filed with leading zeros")
        return serial.zfill(NUMBER_DIGITS)
    if serial and not _PRINTED_NUMBER.fullmatch(serial):
        warnings.append("the serial number is not eight digits: it may not match what the meter sends")
    return safe_text(normal_number(serial))
