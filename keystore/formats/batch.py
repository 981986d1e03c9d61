"""What a key file becomes: rows with a verdict each, warnings, and where they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from keystore.formats.mapping import ColumnMapping
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
    is the meter as the file names it, safe to show. `loose_key` is a key that stands alone, without its meter: nothing
    can be filed, but `keys check` can try it on the meters that are heard. `said` is what a quarantined row of a table
    says, with its keys masked.
    """

    row: int
    verdict: RowVerdict
    record: KeyRecord | None = None
    meter: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    loose_key: bytes = field(default=b"", repr=False)
    said: str = ""


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
class ImportStream:
    """A key file that is being read: rows come one by one, so that a million need no memory.

    `rows` may raise `ImportRejected` at any point; nothing that came before it is to be filed then. `lines` is about
    how many rows to expect, None when the file does not tell before it is read.
    """

    source: Provenance
    rows: Iterator[ImportRow]
    warnings: tuple[str, ...] = ()
    lines: int | None = None

    def read(self) -> ImportBatch:
        """Return all rows at once."""
        return ImportBatch(tuple(self.rows), self.warnings, self.source)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user knows of a file and the file does not say.

    `delimiter` and `thousands` are the portal user's settings for tables, `mapping` says which column is which,
    `organisation` is the name under which a portal knows who imports, `imported_by` the user's name on this computer,
    `signer` the certificate (PEM or DER) that a KEM2 signature must come from.
    """

    password: str | None = field(default=None, repr=False)
    delimiter: str | None = None
    thousands: str | None = None
    mapping: ColumnMapping | None = None
    organisation: str | None = None
    imported_by: str = ""
    signer: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A key file as received: bytes, name, what the user says of it, and when it was handed in."""

    data: bytes = field(repr=False)
    name: str
    options: ReadOptions = ReadOptions()
    imported_at: datetime | None = None
    member: str = ""
    file_sha256: str = ""

    @property
    def shown_name(self) -> str:
        """The file name, safe to show."""
        return safe_text(self.name)

    def provenance(
        self,
        system: str,
        member: str = "",
        signature: SignatureState = SignatureState.UNSIGNED,
        signer: str = "",
    ) -> Provenance:
        """Return what is known of the origin of all rows; of an unpacked member, name and digest of the outer file."""
        return Provenance(
            system=system,
            file_name=self.shown_name,
            file_sha256=self.file_sha256 or hashlib.sha256(self.data).hexdigest(),
            member=self.member or member,
            imported_at=self.imported_at,
            signature=signature,
            imported_by=self.options.imported_by,
            signer=signer,
        )


def quarantined(row: int, meter: str, reason: str, warnings: tuple[str, ...] = (), said: str = "") -> ImportRow:
    """Return a row that cannot be filed, and why."""
    return ImportRow(row, RowVerdict.QUARANTINED, meter=meter, reason=reason, warnings=warnings, said=said)
