"""A sealed hand-over package: chosen keys, with all that is known of them, for a building's owner or another store.

The file is sealed under a passphrase of its own (`keystore.vault.sealed_file`). Inside, in UTF-8, is a line that
says what it is and then one JSON object a key. The records keep what they knew of themselves; their origin is the
package.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from keystore.errors import (
    Damaged,
    ImportReason,
    ImportRejected,
    KeystoreError,
    PasswordNeeded,
    WrongPassphrase,
    WrongPassword,
)
from keystore.formats.batch import MAX_FILE_BYTES, ExportFile, ImportRow, ImportStream, RowVerdict, quarantined
from keystore.formats.device_rows import filled
from keystore.formats.key_text import shown_text
from keystore.matching import normal_number
from keystore.model import KeyRecord, KeyStatus, Ownership, Provenance, parse_role
from keystore.vault.kdf import KdfParameters
from keystore.vault.sealed_file import MAGIC, read_sealed, write_sealed

SYSTEM: Final = "handover"
PURPOSE: Final = "key hand-over"
FORMAT: Final = "fieldtool keys"
VERSION: Final = 1

_LARGEST: Final = 0xFFFF_FFFF
_TEXTS: Final = frozenset(field.name for field in fields(KeyRecord) if field.type in {"str", "str | None"})
_NUMBERS: Final = frozenset({"version", "medium_code", "key_version"})
_TIMES: Final = frozenset({"not_before", "not_after"})
_KNOWN: Final = frozenset({"role", "key", "no_key", "status", "ownership", *_TEXTS, *_NUMBERS, *_TIMES})


def sniff(data: bytes) -> bool:
    """True for a sealed file; a backup of a store is told by its purpose when it is opened."""
    return data.startswith(MAGIC)


def read(file: ExportFile) -> ImportStream:
    """Read a hand-over package; `row` counts its keys from 1.

    Raises `PasswordNeeded`, `WrongPassword`, and `ImportRejected` for what is no such package.
    """
    thing = file.shown_name
    passphrase = file.options.password
    if passphrase is None:
        raise PasswordNeeded(
            ImportReason.PASSWORD_NEEDED, f"{thing} is sealed", "give the passphrase it was sealed with"
        )
    lines = _opened(file.data, passphrase, thing).splitlines()
    try:
        head = json.loads(lines[0]) if lines else None
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT, f"{thing} holds keys of an unknown version", "update the program"
        )
    source = file.provenance(SYSTEM)
    return ImportStream(source, filled(_rows(lines[1:], source), thing), (), len(lines) - 1)


def write(
    records: Iterable[KeyRecord], passphrase: str, at: datetime, parameters: KdfParameters | None = None
) -> bytes:
    """Return the package; without `parameters` the cost of its passphrase is calibrated on this machine."""
    out = io.BytesIO()
    write_sealed(out, [plain_text(records, at)], passphrase, PURPOSE, parameters)
    return out.getvalue()


def plain_text(records: Iterable[KeyRecord], at: datetime) -> bytes:
    """Return what a package holds, before it is sealed."""
    head = {"format": FORMAT, "version": VERSION, "made_at": at.isoformat()}
    return "".join(f"{json.dumps(line)}\n" for line in (head, *map(_document, records))).encode()


def _opened(data: bytes, passphrase: str, thing: str) -> bytes:
    plain = bytearray()
    try:
        for chunk in read_sealed(io.BytesIO(data), passphrase, PURPOSE):
            plain += chunk
            if len(plain) > MAX_FILE_BYTES:
                break
    except WrongPassphrase:
        raise WrongPassword(
            ImportReason.PASSWORD_WRONG,
            f"the passphrase does not open {thing}, or the file is damaged",
            "check the passphrase it was sealed with",
        ) from None
    except KeystoreError as error:
        reason = ImportReason.DAMAGED if isinstance(error, Damaged) else ImportReason.UNKNOWN_FORMAT
        hint = "a backup of a store is restored with: fieldtool store restore; otherwise fetch the file again"
        raise ImportRejected(reason, f"{thing}: {error.message}", hint) from None
    return bytes(plain)


def _rows(lines: Iterable[bytes], source: Provenance) -> Iterator[ImportRow]:
    for number, line in enumerate(lines, start=1):
        try:
            document = json.loads(line)
            record = _record(document, replace(source, row=number))
        except (ValueError, TypeError, KeyError, RecursionError):
            yield quarantined(number, "", "the package's line cannot be read: it was made by another version")
        else:
            yield ImportRow(number, RowVerdict.READY, record, shown_text(record.meter_text))


def _document(record: KeyRecord) -> dict[str, object]:
    document: dict[str, object] = {"role": record.role_text, "status": str(record.status)}
    if record.value:
        document["key"] = record.value.hex()
    if record.no_key:
        document["no_key"] = True
    if record.ownership is not Ownership.UNKNOWN:
        document["ownership"] = str(record.ownership)
    for name in sorted(_TEXTS | _NUMBERS):
        value = getattr(record, name)
        if value not in {"", None} and name != "role_detail":
            document[name] = value
    for name in sorted(_TIMES):
        moment = getattr(record, name)
        if moment is not None:
            document[name] = moment.isoformat()
    return document


def _record(document: Any, source: Provenance) -> KeyRecord:  # noqa: ANN401 - whatever JSON holds
    """Return the record of one line; `ValueError`, `TypeError` or `KeyError` when it is none."""
    if not isinstance(document, dict) or not document.keys() <= _KNOWN:
        raise ValueError("not a record")
    role, detail = parse_role(_text(document["role"]))
    values: dict[str, Any] = {name: _text(document[name]) for name in _TEXTS & document.keys()}
    values |= {name: _number(document[name]) for name in _NUMBERS & document.keys()}
    values |= {name: _time(document[name]) for name in _TIMES & document.keys()}
    values |= {"number": normal_number(values.get("number", "")), "role_detail": shown_text(detail)}
    return KeyRecord(
        role=role,
        **values,
        value=bytes.fromhex(document.get("key", "")),
        no_key=document.get("no_key", False) is True,
        status=KeyStatus(document["status"]),
        ownership=Ownership(document.get("ownership", Ownership.UNKNOWN)),
        source=source,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return shown_text(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise TypeError("not a number")
    return value


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("not a time")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
