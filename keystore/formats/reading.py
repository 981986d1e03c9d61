"""Any known key file, told apart by content: what it is, and its rows one by one or all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import (
    age,
    chirpstack,
    csv,
    firefly,
    handover,
    kem,
    maker_id_key,
    miromico,
    the_things_stack_csv,
    the_things_stack_json,
    thingpark,
    tr005,
    wanesy,
    wmbusmeters,
    xlsx,
    zipped,
)
from keystore.formats.batch import MAX_FILE_BYTES, ExportFile, ImportBatch, ImportStream, ReadOptions

Sniffer = Callable[[bytes], bool]
Reader = Callable[[ExportFile], ImportStream]


def _read_member(file: ExportFile) -> ImportStream:
    return _read_inner(zipped.unpack(file))


def _read_sealed(file: ExportFile) -> ImportStream:
    return _read_inner(age.unpack(file))


def _read_inner(inner: ExportFile) -> ImportStream:
    check_size(inner)
    return read_file(inner)


READERS: Final[dict[str, tuple[Sniffer, Reader]]] = {
    "handover": (handover.sniff, handover.read),
    "age": (age.sniff, _read_sealed),
    "xlsx": (xlsx.sniff, xlsx.read),
    "zip": (zipped.sniff, _read_member),
    "kem": (kem.sniff, kem.read),
    "the_things_stack_json": (the_things_stack_json.sniff, the_things_stack_json.read),
    "firefly_json": (firefly.sniff, firefly.read),
    "tr005": (tr005.sniff, tr005.read),
    "wmbusmeters": (wmbusmeters.sniff, wmbusmeters.read),
    "maker_id_key": (maker_id_key.sniff, maker_id_key.read),
    "thingpark_csv": (thingpark.sniff, thingpark.read),
    "the_things_stack_csv": (the_things_stack_csv.sniff, the_things_stack_csv.read),
    "chirpstack_csv": (chirpstack.sniff, chirpstack.read),
    "wanesy_csv": (wanesy.sniff, wanesy.read),
    "miromico_csv": (miromico.sniff, miromico.read),
    "csv": (csv.sniff, csv.read),
}
"""Format name: (does it look like it, read it), in the order of asking."""

MAPPED: Final = frozenset({"age", "xlsx", "zip", "csv"})
"""Formats whose columns the user may name."""

KNOWN_FILES: Final = "choose a portal's key file, or a table: KEM, KEM2, CSV, XLSX, JSON (docs/keys.md lists them)"


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
    for name, (sniff, read) in READERS.items():
        # Who says which column is which speaks of a table, whatever else its lines look like.
        if (file.options.mapping is None or name in MAPPED) and sniff(file.data):
            return read(file)
    raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{file.shown_name} is not a known key file", KNOWN_FILES)


def check_size(file: ExportFile) -> None:
    """Raise `ImportRejected` with EMPTY or TOO_LARGE."""
    if not file.data.strip(b" \t\r\n\0"):
        raise ImportRejected(ImportReason.EMPTY, f"{file.shown_name} is empty", "fetch the file again")
    if len(file.data) > MAX_FILE_BYTES:
        raise ImportRejected(
            ImportReason.TOO_LARGE, f"{file.shown_name} is larger than {MAX_FILE_BYTES >> 20} MiB", "split the file"
        )
