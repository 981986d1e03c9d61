"""A ZIP that holds one table, list or text of keys, as portals hand out long ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import kem
from keystore.formats.archive import is_by_product, is_zip, member_names, read_member
from keystore.formats.batch import MAX_FILE_BYTES, ExportFile

TABLES: Final = (".csv", ".tsv", ".json", ".xlsx")
SUFFIXES: Final = (*TABLES, ".txt")


def sniff(data: bytes) -> bool:
    """True for a ZIP with such a member; one with a key file of Kamstrup is that file's."""
    names = [name.lower() for name in member_names(data) if not is_by_product(name)]
    return any(name.endswith(SUFFIXES) for name in names) and not any(name.endswith(kem.SUFFIXES) for name in names)


def unpack(file: ExportFile) -> ExportFile:
    """Return the member as a file of its own that remembers the archive; `ImportRejected` when it cannot be had."""
    thing = file.shown_name
    if file.member:
        raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{thing} is a ZIP in a ZIP", "unpack it first")
    # A text beside a table is a note.
    tables = any(name.lower().endswith(TABLES) and not is_by_product(name) for name in member_names(file.data))
    member, data = read_member(file.data, thing, TABLES if tables else SUFFIXES, MAX_FILE_BYTES)
    if is_zip(data) and not member.lower().endswith(".xlsx"):
        raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{thing} is a ZIP in a ZIP", "unpack it first")
    return replace(file, data=data, member=member, file_sha256=hashlib.sha256(file.data).hexdigest())
