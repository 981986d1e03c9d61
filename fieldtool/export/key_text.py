"""Key records as lines and JSON: shown by check value, never the key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from keystore.key_change import KeyChange
from keystore.model import KeyRecord, Ownership
from protocols.text import safe_text


def key_line(record: KeyRecord, change: str = "") -> str:
    """Return a record as one line of a list; `change` is the record's part in a key change that is open."""
    cells = (
        f"{safe_text(record.meter_text):24}",
        f"{safe_text(record.role_text):12}",
        f"{check_text(record):8}",
        f"{change or state_text(record):10}",
        f"{safe_text(record.label or record.meter_type):20}",
        safe_text(record.source.file_name),
    )
    return "  ".join(cells).rstrip()


def check_text(record: KeyRecord) -> str:
    """Return the key check value, or why there is none."""
    return "no key" if record.no_key else record.key_check_value or "missing"


def state_text(record: KeyRecord) -> str:
    """Return what to know of a key in one word: whose the meter is where that matters, else its status."""
    if record.ownership in (Ownership.TRANSFERRED, Ownership.UNCLAIMED):
        return str(record.ownership)
    return str(record.status)


def change_text(record: KeyRecord, changes: Iterable[KeyChange]) -> str:
    """Return a record's part in a key change that the meter has not settled: `leaving`, `pending`, or nothing."""
    for change in changes:
        if record.number == change.address.number and record.role is change.role:
            if record.value == change.new_key:
                return "pending"
            if record.value == change.old_key:
                return "leaving"
    return ""


def key_facts(record: KeyRecord) -> dict[str, object]:
    """Return a record as a JSON object."""
    source = record.source
    return {
        "number": record.number,
        "manufacturer": record.manufacturer,
        "role": record.role_text,
        "key_check_value": record.key_check_value or None,
        "no_key": record.no_key,
        "status": str(record.status),
        "ownership": str(record.ownership),
        "owner": record.owner,
        "label": record.label,
        "meter_type": record.meter_type,
        "serial": record.serial,
        "adapter": record.adapter or None,
        "dev_eui": record.dev_eui or None,
        "join_eui": record.join_eui or None,
        "dev_addr": record.dev_addr or None,
        "order": record.order,
        "batch_reference": record.batch_reference,
        "key_version": record.key_version,
        "not_before": _time(record.not_before),
        "not_after": _time(record.not_after),
        "confirmed_at": _time(record.confirmed_at),
        "system": source.system,
        "file": source.file_name,
        "file_sha256": source.file_sha256 or None,
        "row": source.row,
        "imported_at": _time(source.imported_at),
        "imported_by": source.imported_by or None,
        "signature": str(source.signature),
        "signer": source.signer or None,
    }


def key_details(record: KeyRecord) -> list[str]:
    """Return everything known of a record, a line each; what is not known is left out."""
    facts = {"meter": record.meter_text} | key_facts(record)
    lines = [f"{name.replace('_', ' '):16}{safe_text(str(value))}" for name, value in facts.items() if _is_said(value)]
    if record.is_listing:
        lines.append("no key was handed out: claim the meter at its portal, and import the file again")
    return lines


def _is_said(value: object) -> bool:
    return value is not None and value != "" and value is not False and value != Ownership.UNKNOWN


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
