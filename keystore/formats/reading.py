"""Any known key file, told apart by content: what it is, and its rows one by one or all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import csv, kem
from keystore.formats.batch import MAX_FILE_BYTES, ExportFile, ImportBatch, ImportStream, ReadOptions

Sniffer = Callable[[bytes], bool]
Reader = Callable[[ExportFile], ImportStream]

READERS: Final[dict[str, tuple[Sniffer, Reader]]] = {
    "kem": (kem.sniff, kem.read),
    "csv": (csv.sniff, csv.read),
}
"""Format name: (does it look like it, read it), in the order of asking."""

KNOWN_FILES: Final = "choose a KEM, KEM2 or CSV file"


def open_export(
    data: bytes, file_name: str, options: ReadOptions | None = None, *, imported_at: datetime | None = None
) -> ImportStream:
    """Open any known key file; the content decides what it is, never the name.

    Nothing is stored: the caller puts the records of the rows into a vault, and keeps none of them when `rows` raises.
    Raises `ImportRejected`, as `PasswordNeeded` or `WrongPassword` where that is the reason, and nothing else, whatever
    the bytes are; so do the rows.
    """
    file = ExportFile(data, file_name, options or ReadOptions(), imported_at or datetime.now(UTC))
    check_size(file)
    return read_file(file)


def read_export(
    data: bytes,
    file_name: str,
    password: str | None = None,
    *,
    imported_at: datetime | None = None,
    options: ReadOptions | None = None,
) -> ImportBatch:
    """Read all rows of any known key file at once; see `open_export`."""
    chosen = options or ReadOptions()
    if password is not None:
        chosen = replace(chosen, password=password)
    return open_export(data, file_name, chosen, imported_at=imported_at).read()


def read_file(file: ExportFile) -> ImportStream:
    """Hand a file to the first reader that takes it; `ImportRejected` with UNKNOWN_FORMAT when none does."""
    for sniff, read in READERS.values():
        if sniff(file.data):
            return read(file)
    raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{file.shown_name} is no known key file", KNOWN_FILES)


def check_size(file: ExportFile) -> None:
    """Raise `ImportRejected` with EMPTY or TOO_LARGE."""
    if not file.data.strip(b" \t\r\n\0"):
        raise ImportRejected(ImportReason.EMPTY, f"{file.shown_name} is empty", "fetch the file again")
    if len(file.data) > MAX_FILE_BYTES:
        raise ImportRejected(
            ImportReason.TOO_LARGE, f"{file.shown_name} is larger than {MAX_FILE_BYTES >> 20} MiB", "split the file"
        )
