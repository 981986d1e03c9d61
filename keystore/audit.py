"""The nouns of the audit log: what was done, when, to what, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MAX_TEXT = 500
"""Characters kept of a subject or a detail: the log tells what was done, it does not hold files."""


class AuditAction(StrEnum):
    """What is written down about keys and the store; certificates and levels add actions of their own."""

    STORE_CREATED = "store_created"
    IMPORTED = "imported"
    EXPORTED = "exported"
    REVEALED = "revealed"
    REMOVED = "removed"
    CONFIRMED = "confirmed"
    OWNERSHIP_CHANGED = "ownership_changed"
    STATUS_CHANGED = "status_changed"
    TRANSFERRED_KEY_USED = "transferred_key_used"
    UNLOCK_FAILED = "unlock_failed"
    SLOT_ADDED = "slot_added"
    SLOT_CHANGED = "slot_changed"
    SLOT_REMOVED = "slot_removed"
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    OLDER_COPY_ACCEPTED = "older_copy_accepted"
    METER_ACTION = "meter_action"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the log: `number` counts from 1, `at` is aware UTC, `subject` the meter, file or slot it was about.

    `by` is the user's name on the computer; `detail` holds short texts by name, never a key or a passphrase.
    """

    number: int
    at: datetime
    action: str
    subject: str = ""
    by: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` of the log found: how many entries there are, and what is wrong, a sentence each."""

    entries: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when every entry is the one that was written, in its place."""
        return not self.problems
