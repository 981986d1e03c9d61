"""The seal over every byte of a store's file, unused bytes of its pages included.

SQLite leaves remnants in its pages that belong to no row. They are sealed rows of the past and mean nothing, but a
store promises that no byte changes unseen. The seal is a MAC over the whole file, kept in a row of 56 bytes whose place
in the file never moves; the MAC is taken with that place read as zero. It is brought up to date when a store is closed
after writes. A store whose process was killed before that is whole, but not sealed: its rows are still checked one by
one, its unused bytes are not until it is sealed again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keystore.errors import Damaged
from keystore.vault import primitives
from keystore.vault.database import faults_named
from keystore.vault.file_bytes import CHUNK_BYTES, FileBytes
from keystore.vault.primitives import DIGEST_BYTES

_TAG_BYTES: Final = 16
BODY_BYTES: Final = 8 + _TAG_BYTES + DIGEST_BYTES
UNSEALED: Final = bytes(BODY_BYTES)

_CHANGE_COUNTER: Final = slice(24, 28)
_VALID_FOR: Final = slice(92, 96)
_LIBRARY_VERSION: Final = slice(96, 100)
"""Fields of the database header that SQLite rewrites with every commit (SQLite file format, 1.3)."""
_HEADER_BYTES: Final = 100


@dataclass(frozen=True, slots=True)
class SealState:
    """What the seal says: the generation it was made at, None when it is damaged or was never made; fits the file?"""

    generation: int | None
    fits: bool
    damaged: bool


def seal_file(connection: sqlite3.Connection, path: Path, file: FileBytes, file_key: bytes, generation: int) -> None:
    """Bring the seal up to date; the caller holds the write lock in a transaction that has changed nothing yet.

    The commit that follows changes the header's counters and the seal's own place; both are foreseen.
    """
    with faults_named(path):
        offset = _offset(connection, path, file)
        head = bytearray(file.read(0, _HEADER_BYTES))
        counter = (int.from_bytes(head[_CHANGE_COUNTER]) + 1) % (1 << 32)
        head[_CHANGE_COUNTER] = head[_VALID_FOR] = counter.to_bytes(4)
        head[_LIBRARY_VERSION] = _library_version().to_bytes(4)
        body = generation.to_bytes(8) + _tag(file_key, generation) + _digest(file, file_key, offset, bytes(head))
        with connection.blobopen("seal", "body", 1) as blob:
            blob.write(body)


def check_seal(connection: sqlite3.Connection, path: Path, file: FileBytes, file_key: bytes) -> SealState:
    """Compare the seal with the file; the caller holds a read lock."""
    with faults_named(path):
        body = _body(connection, path)
        generation = int.from_bytes(body[:8])
        if body == UNSEALED:
            return SealState(None, fits=False, damaged=False)
        if not primitives.same_bytes(body[8 : 8 + _TAG_BYTES], _tag(file_key, generation)):
            return SealState(None, fits=False, damaged=True)
        digest = _digest(file, file_key, _offset(connection, path, file), file.read(0, _HEADER_BYTES))
    return SealState(generation, fits=primitives.same_bytes(digest, body[8 + _TAG_BYTES :]), damaged=False)


def sealed_generation(connection: sqlite3.Connection, path: Path) -> int:
    """Return the generation that the seal claims, 0 when it was never made; nothing is checked."""
    with faults_named(path):
        return int.from_bytes(_body(connection, path)[:8])


def was_left_behind(connection: sqlite3.Connection, path: Path, file_key: bytes, generation: int) -> bool:
    """True for a seal of an earlier generation, as a process that was ended before it could seal leaves it."""
    with faults_named(path):
        body = _body(connection, path)
    if body == UNSEALED:
        return True
    sealed_at = int.from_bytes(body[:8])
    return sealed_at < generation and primitives.same_bytes(body[8 : 8 + _TAG_BYTES], _tag(file_key, sealed_at))


def _body(connection: sqlite3.Connection, path: Path) -> bytes:
    row = connection.execute("SELECT body FROM seal WHERE id = 1").fetchone()
    if row is None or not isinstance(row[0], bytes) or len(row[0]) != BODY_BYTES:
        raise Damaged(f"keystore {path} has no seal", "restore the store from a backup")
    body: bytes = row[0]
    return body


def _offset(connection: sqlite3.Connection, path: Path, file: FileBytes) -> int:
    """Return where the seal's body is: the only row of a table is at the end of the table's root page."""
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'seal'").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    offset: int = root * page_size - BODY_BYTES
    if file.read(offset, BODY_BYTES) != _body(connection, path):
        raise Damaged(f"keystore {path}: the seal is not in its place", "restore the store from a backup")
    return offset


def _digest(file: FileBytes, file_key: bytes, offset: int, head: bytes) -> bytes:
    """Return the MAC over the file, with `head` in place of its first bytes and zeros in place of the seal."""
    digest = hashlib.blake2b(b"file\0", key=file_key, digest_size=DIGEST_BYTES)
    digest.update(head)
    _feed(digest, file, len(head), offset)
    digest.update(UNSEALED)
    _feed(digest, file, offset + BODY_BYTES, file.size())
    return digest.digest()


def _feed(digest: hashlib.blake2b, file: FileBytes, start: int, end: int) -> None:
    while start < end and (chunk := file.read(start, min(end - start, CHUNK_BYTES))):
        digest.update(chunk)
        start += len(chunk)


def _tag(file_key: bytes, generation: int) -> bytes:
    return primitives.mac(file_key, b"generation\0" + generation.to_bytes(8))[:_TAG_BYTES]


def _library_version() -> int:
    major, minor, patch = sqlite3.sqlite_version_info
    return major * 1_000_000 + minor * 1_000 + patch
