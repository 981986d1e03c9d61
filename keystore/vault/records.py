"""Key records, their provenance and audit entries as the plain text of sealed rows: JSON, defaults left out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from keystore.audit import MAX_TEXT, AuditEntry
from keystore.errors import Damaged, NewerFormat
from keystore.matching import normal_number
from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership, Provenance, SignatureState
from keystore.time_text import time_text

ITEM_VERSION: Final = 1


class ItemKind(IntEnum):
    """What a sealed item holds; new kinds may follow without a new format."""

    SOURCE = 1
    KEY_RECORD = 2
    DOCUMENT = 3


class TermKind:
    """Which word of a record a look-up term stands for."""

    NUMBER: Final = "number"
    SERIAL: Final = "serial"
    ADAPTER: Final = "adapter"
    DEV_EUI: Final = "dev_eui"
    DEV_ADDR: Final = "dev_addr"
    DOCUMENT: Final = "document"


_TEXT_FIELDS: Final = (
    *("role_detail", "serial", "dev_eui", "join_eui", "dev_addr", "label", "meter_type", "type_number"),
    *("config_number", "order", "batch_reference", "adapter", "owner"),
)
_TIME_FIELDS: Final = ("not_before", "not_after", "confirmed_at")
_OPTIONAL_FIELDS: Final = ("manufacturer", "version", "medium_code", "adapter_manufacturer", "key_version")
_RECORD_FIELDS: Final = {
    *_TEXT_FIELDS,
    *_TIME_FIELDS,
    *_OPTIONAL_FIELDS,
    *("v", "number", "role", "value", "no_key", "status", "ownership", "source", "row"),
}
_SOURCE_TEXTS: Final = ("file_name", "file_sha256", "member", "imported_by", "signer")
_SOURCE_FIELDS: Final = {"v", "system", "imported_at", "signature", *_SOURCE_TEXTS}
_ENTRY_FIELDS: Final = {"v", "at", "action", "subject", "by", "detail"}


_ROLES: Final = {str(role): role for role in KeyRole}
_STATUSES: Final = {str(status): status for status in KeyStatus}
_OWNERSHIPS: Final = {str(ownership): ownership for ownership in Ownership}


@dataclass(frozen=True, slots=True)
class PlainRecord:
    """A key record's plain text, taken apart: the item of its source, its row there, and everything else."""

    source_item: int
    row: int | None
    fields: dict[str, Any]

    def record(self, source: Provenance) -> KeyRecord:
        """Return the key record; `Damaged` when the fields are not those of one."""
        fields = dict(self.fields)
        try:
            for name in _TIME_FIELDS:
                if name in fields:
                    fields[name] = datetime.fromisoformat(fields[name])
            return KeyRecord(
                number=fields.pop("number"),
                role=_ROLES[fields.pop("role")],
                value=bytes.fromhex(fields.pop("value")),
                status=_STATUSES[fields.pop("status", KeyStatus.ACTIVE)],
                ownership=_OWNERSHIPS[fields.pop("ownership", Ownership.UNKNOWN)],
                source=source if self.row is None else source.at_row(self.row),
                **fields,
            )
        except (KeyError, ValueError, TypeError):
            raise _unreadable() from None


def source_of(record: KeyRecord) -> Provenance:
    """Return the part of a record's provenance that all rows of a file share."""
    return record.source if record.source.row is None else replace(record.source, row=None)


def terms_of(record: KeyRecord) -> set[tuple[str, str]]:
    """Return the words under which a record is found: (kind, normal text)."""
    words = {
        (TermKind.NUMBER, record.number),
        (TermKind.DEV_EUI, record.dev_eui),
        (TermKind.ADAPTER, record.adapter),
        (TermKind.DEV_ADDR, record.dev_addr),
    }
    if record.serial and record.serial != record.number:
        serial = normal_number(record.serial)
        words.add((TermKind.SERIAL, "" if serial == record.number else serial))
    return {(kind, text) for kind, text in words if text}


def encode_source(source: Provenance) -> bytes:
    """Return a source item's plain text."""
    document: dict[str, object] = {"v": ITEM_VERSION, "system": source.system, "signature": str(source.signature)}
    for name in _SOURCE_TEXTS:
        if value := getattr(source, name):
            document[name] = value
    if source.imported_at is not None:
        document["imported_at"] = time_text(source.imported_at)
    return _encode(document)


def decode_source(plain: bytes) -> Provenance:
    """Return the provenance of a source item's plain text; `Damaged` when it is none."""
    document = _decode(plain, _SOURCE_FIELDS)
    try:
        imported_at = document.get("imported_at")
        return Provenance(
            system=document["system"],
            imported_at=None if imported_at is None else datetime.fromisoformat(imported_at),
            signature=SignatureState(document["signature"]),
            **{name: document[name] for name in _SOURCE_TEXTS if name in document},
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
    for name in _TEXT_FIELDS:
        if text := getattr(record, name):
            document[name] = text
    for name in _OPTIONAL_FIELDS:
        value = getattr(record, name)
        if value is not None:
            document[name] = value
    for name in _TIME_FIELDS:
        moment = getattr(record, name)
        if moment is not None:
            document[name] = time_text(moment)
    if record.no_key:
        document["no_key"] = True
    if record.status is not KeyStatus.ACTIVE:
        document["status"] = str(record.status)
    if record.ownership is not Ownership.UNKNOWN:
        document["ownership"] = str(record.ownership)
    if record.source.row is not None:
        document["row"] = record.source.row
    return _encode(document)


def decode_record(plain: bytes) -> PlainRecord:
    """Take a key record's plain text apart; `Damaged` when it is none, `NewerFormat` for a later one."""
    document = _decode(plain, _RECORD_FIELDS)
    row, source_item = document.pop("row", None), document.pop("source", None)
    document.pop("v")
    if not isinstance(source_item, int) or not (row is None or isinstance(row, int)):
        raise _unreadable()
    return PlainRecord(source_item, row, document)


def encode_entry(entry: AuditEntry) -> bytes:
    """Return an audit entry's plain text; its number is its row's."""
    document: dict[str, object] = {"v": ITEM_VERSION, "at": time_text(entry.at), "action": str(entry.action)}
    for name, text in (("subject", entry.subject), ("by", entry.by)):
        if text:
            document[name] = text[:MAX_TEXT]
    if entry.detail:
        document["detail"] = {name: text[:MAX_TEXT] for name, text in entry.detail.items()}
    return _encode(document)


def decode_entry(plain: bytes, number: int) -> AuditEntry:
    """Return the audit entry of a row's plain text; `Damaged` when it is none."""
    document = _decode(plain, _ENTRY_FIELDS)
    try:
        detail = {str(name): str(text) for name, text in document.get("detail", {}).items()}
        return AuditEntry(
            number,
            datetime.fromisoformat(document["at"]),
            str(document["action"]),
            str(document.get("subject", "")),
            str(document.get("by", "")),
            detail,
        )
    except (KeyError, ValueError, TypeError, AttributeError):
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
