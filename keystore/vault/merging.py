"""What becomes of a record that is put: its verdict, and how a newer record of the same key changes the filed one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from keystore.model import KeyRecord, KeyStatus, Ownership

_NEWER_WINS: Final = (
    *("label", "meter_type", "type_number", "config_number", "order", "batch_reference", "owner"),
    *("adapter", "adapter_manufacturer", "dev_addr", "join_eui", "version", "medium_code"),
    *("key_version", "not_before", "not_after"),
)
"""Fields that a newer record replaces when it says something."""

_FILLED: Final = ("manufacturer", "serial", "dev_eui")
"""Fields that name the meter: filled when they were missing, never replaced."""


class PutVerdict(StrEnum):
    """What became of one record that was put."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class PutResult:
    """One verdict for each record put, in order.

    New; same (nothing was stored); changed: either newer facts were added to the filed record, or its key differs and
    is kept `beside` the filed one, for the air to decide.
    """

    verdicts: tuple[PutVerdict, ...]
    beside: int = 0

    @property
    def new(self) -> int:
        """How many keys were not there yet."""
        return self.verdicts.count(PutVerdict.NEW)

    @property
    def same(self) -> int:
        """How many were there already, with all that is known of them."""
        return self.verdicts.count(PutVerdict.SAME)

    @property
    def changed(self) -> int:
        """How many changed what is known of a meter, `beside` included."""
        return self.verdicts.count(PutVerdict.CHANGED)


def same_role(one: KeyRecord, other: KeyRecord) -> bool:
    """True when two records are for the same purpose."""
    return one.role is other.role and one.role_detail == other.role_detail


def merged(filed: KeyRecord, newer: KeyRecord) -> KeyRecord:
    """Return the filed record with what a newer one of the same key adds; `filed` itself when it adds nothing.

    A status other than active is only replaced by another such one: importing an old file again must not bring a
    revoked key back. What is known stays when the newer record does not say it.
    """
    changes: dict[str, Any] = _filled(filed, newer, _FILLED)
    for name in _NEWER_WINS:
        value = getattr(newer, name)
        if _says(value) and value != getattr(filed, name):
            changes[name] = value
    if newer.ownership not in (Ownership.UNKNOWN, filed.ownership):
        changes["ownership"] = newer.ownership
    if newer.status not in (KeyStatus.ACTIVE, filed.status):
        changes["status"] = newer.status
    return replace(filed, **changes, source=newer.source) if changes else filed


def completed(record: KeyRecord, listing: KeyRecord) -> KeyRecord:
    """Return a record with what the meter's row without a key knew and the record does not say."""
    return replace(record, **_filled(record, listing, (*_FILLED, *_NEWER_WINS)))


def _filled(record: KeyRecord, other: KeyRecord, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: getattr(other, name) for name in names if not _says(getattr(record, name)) and _says(getattr(other, name))
    }


def _says(value: object) -> bool:
    return value is not None and value != ""
