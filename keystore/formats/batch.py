"""What a key file becomes: rows with a verdict each, warnings, and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from keystore.model import KeyRecord, Provenance, SignatureState
from protocols.text import safe_text

MAX_FILE_BYTES = 128 * 1024 * 1024
"""Largest key file that is read; a million CSV rows have about 80 MB."""


class RowVerdict(StrEnum):
    """Whether a row's key can be filed."""

    READY = "ready"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One key of a file, or one row without a usable key; `row` counts lines or devices from 1.

    `reason` says why a row is quarantined, `warnings` what was changed or looks odd; neither holds key digits. `meter`
    is the meter as the file names it, safe to show.
    """

    row: int
    verdict: RowVerdict
    record: KeyRecord | None = None
    meter: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportBatch:
    """A key file that was read; the caller puts `ready` into a vault."""

    rows: tuple[ImportRow, ...]
    warnings: tuple[str, ...]
    source: Provenance

    @property
    def ready(self) -> tuple[KeyRecord, ...]:
        """The key records that can be filed, in the file's order."""
        return tuple(row.record for row in self.rows if row.verdict is RowVerdict.READY and row.record is not None)

    @property
    def quarantined(self) -> tuple[ImportRow, ...]:
        """The rows that cannot be filed."""
        return tuple(row for row in self.rows if row.verdict is RowVerdict.QUARANTINED)


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A key file as received: bytes, name, the password the user gave, and when it was handed in."""

    data: bytes = field(repr=False)
    name: str
    password: str | None = field(default=None, repr=False)
    imported_at: datetime | None = None

    @property
    def shown_name(self) -> str:
        """The file name, safe to show."""
        return safe_text(self.name)

    def provenance(
        self, system: str, member: str = "", signature: SignatureState = SignatureState.UNSIGNED
    ) -> Provenance:
        """Return what is known of the origin of all rows."""
        return Provenance(
            system=system,
            file_name=self.shown_name,
            file_sha256=hashlib.sha256(self.data).hexdigest(),
            member=member,
            imported_at=self.imported_at,
            signature=signature,
        )


def quarantined(row: int, meter: str, reason: str, warnings: tuple[str, ...] = ()) -> ImportRow:
    """Return a row that cannot be filed, and why."""
    return ImportRow(row, RowVerdict.QUARANTINED, meter=meter, reason=reason, warnings=warnings)
