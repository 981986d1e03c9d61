"""The portals' key files: told apart by content, read into batches of rows with a verdict each, and written.

A format is one module with `sniff(data) -> bool` and `read(file) -> ImportBatch`; to add one, add its line to
`READERS`, before any that accepts more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import csv, kem
from keystore.formats.batch import MAX_FILE_BYTES, ExportFile, ImportBatch, ImportRow, RowVerdict
from keystore.formats.csv_writer import write as write_csv
from keystore.formats.kem import devices_from_records
from keystore.formats.kem import file_name as kem_file_name
from keystore.formats.kem import write as write_kem
from keystore.formats.kem_document import KemDevice, KemKey, KemVariant

__all__ = [
    "READERS",
    "ExportFile",
    "ImportBatch",
    "ImportRow",
    "KemDevice",
    "KemKey",
    "KemVariant",
    "RowVerdict",
    "devices_from_records",
    "kem_file_name",
    "read_export",
    "write_csv",
    "write_kem",
]

Sniffer = Callable[[bytes], bool]
Reader = Callable[[ExportFile], ImportBatch]

READERS: Final[dict[str, tuple[Sniffer, Reader]]] = {
    "kem": (kem.sniff, kem.read),
    "csv": (csv.sniff, csv.read),
}
"""Format name: (does it look like it, read it), in the order of asking."""


def read_export(
    data: bytes, file_name: str, password: str | None = None, *, imported_at: datetime | None = None
) -> ImportBatch:
    """Read any known key file; the content decides what it is, never the name.

    Nothing is stored: the caller puts `batch.ready` into a vault. Raises `ImportRejected`, as `PasswordNeeded` or
    `WrongPassword` where that is the reason, and nothing else, whatever the bytes are.
    """
    file = ExportFile(data, file_name, password, imported_at or datetime.now(UTC))
    if not data.strip(b" \t\r\n\0"):
        raise ImportRejected(ImportReason.EMPTY, f"{file.shown_name} is empty", "fetch the file again")
    if len(data) > MAX_FILE_BYTES:
        raise ImportRejected(
            ImportReason.TOO_LARGE, f"{file.shown_name} is larger than {MAX_FILE_BYTES >> 20} MiB", "split the file"
        )
    for sniff, read in READERS.values():
        if sniff(data):
            return read(file)
    raise ImportRejected(
        ImportReason.UNKNOWN_FORMAT, f"{file.shown_name} is no known key file", "choose a KEM, KEM2 or CSV file"
    )
