"""Key records and their provenance as the plain text of sealed items: JSON, fields at their default left out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

from keystore.errors import Damaged, NewerFormat
from keystore.matching import normal_number
from keystore.model import KeyRecord, KeyRole, KeyStatus, Provenance, SignatureState

ITEM_VERSION: Final = 1


class ItemKind(IntEnum):
    """What a sealed item holds; new kinds may follow without a new format."""

    SOURCE = 1
    KEY_RECORD = 2


class TermKind:
    """Which word of a record a look-up term stands for."""

    NUMBER: Final = "number"
    SERIAL: Final = "serial"
    DEV_EUI: Final = "dev_eui"


_TEXT_FIELDS: Final = (
    "role_detail",
    "serial",
    "dev_eui",
    "join_eui",
    "label",
    "meter_type",
    "type_number",
    "config_number",
    "order",
    "batch_reference",
)
_OPTIONAL_FIELDS: Final = {"manufacturer": str, "version": int, "medium_code": int}
_RECORD_FIELDS: Final = {
    *_TEXT_FIELDS,
    *_OPTIONAL_FIELDS,
    *("v", "number", "role", "value", "no_key", "status", "source", "row"),
}
_SOURCE_FIELDS: Final = {"v", "system", "file_name", "file_sha256", "member", "imported_at", "signature"}


def source_of(record: KeyRecord) -> Provenance:
    """Return the part of a record's provenance that all rows of a file share."""
    return record.source if record.source.row is None else replace(record.source, row=None)


def terms_of(record: KeyRecord) -> set[tuple[str, str]]:
    """Return the words under which a record is found: (kind, normal text)."""
    serial = normal_number(record.serial)
    words = {
        (TermKind.NUMBER, record.number),
        (TermKind.DEV_EUI, record.dev_eui),
        (TermKind.SERIAL, "" if serial == record.number else serial),
    }
    return {(kind, text) for kind, text in words if text}


def encode_source(source: Provenance) -> bytes:
    """Return a source item's plain text."""
    document: dict[str, object] = {"v": ITEM_VERSION, "system": source.system, "signature": str(source.signature)}
    for name in ("file_name", "file_sha256", "member"):
        if value := getattr(source, name):
            document[name] = value
    if source.imported_at is not None:
        document["imported_at"] = source.imported_at.astimezone(UTC).isoformat()
    return _encode(document)


def decode_source(plain: bytes) -> Provenance:
    """Return the provenance of a source item's plain text; `Damaged` when it is none."""
    document = _decode(plain, _SOURCE_FIELDS)
    try:
        imported_at = document.get("imported_at")
        return Provenance(
            system=document["system"],
            file_name=document.get("file_name", ""),
            file_sha256=document.get("file_sha256", ""),
            member=document.get("member", ""),
            imported_at=None if imported_at is None else datetime.fromisoformat(imported_at),
            signature=SignatureState(document["signature"]),
        )
    except (KeyError, ValueError, TypeError):
        raise _unreadable() from None


def encode_record(record: KeyRecord, source_item: int) -> bytes:
    """Return a key record's plain text; its provenance is the item `source_item`."""
    document: dict[str, object] = {
        "v": ITEM_VERSION,
        "number": record.number,
        "role": str(record.role),
        "value": record.value.hex(),
        "source": source_item,
    }
    for name in (*_TEXT_FIELDS, *_OPTIONAL_FIELDS):
        value = getattr(record, name)
        if value is not None and value != "":
            document[name] = value
    if record.no_key:
        document["no_key"] = True
    if record.status is not KeyStatus.ACTIVE:
        document["status"] = str(record.status)
    if record.source.row is not None:
        document["row"] = record.source.row
    return _encode(document)


def source_item_of(plain: bytes) -> int:
    """Return the id of the source item that a key record names."""
    source = _decode(plain, _RECORD_FIELDS).get("source")
    if not isinstance(source, int):
        raise _unreadable()
    return source


def decode_record(plain: bytes, source: Provenance) -> KeyRecord:
    """Return the key record of an item's plain text; `Damaged` when it is none, `NewerFormat` for a later one."""
    document = _decode(plain, _RECORD_FIELDS)
    row = document.pop("row", None)
    document.pop("source", None)
    document.pop("v")
    try:
        return KeyRecord(
            number=document.pop("number"),
            role=KeyRole(document.pop("role")),
            value=bytes.fromhex(document.pop("value")),
            status=KeyStatus(document.pop("status", KeyStatus.ACTIVE)),
            source=source if row is None else replace(source, row=row),
            **document,
        )
    except (KeyError, ValueError, TypeError):
        raise _unreadable() from None


def _encode(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _decode(plain: bytes, known: set[str]) -> dict[str, Any]:
    try:
        document = json.loads(plain.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise _unreadable() from None
    if not isinstance(document, dict) or not isinstance(document.get("v"), int):
        raise _unreadable()
    if document["v"] > ITEM_VERSION:
        raise NewerFormat("the store holds records of a newer version", "update the program")
    if not document.keys() <= known:
        raise _unreadable()
    return document


def _unreadable() -> Damaged:
    return Damaged("the store holds a record that cannot be read", "run: fieldtool store verify")
