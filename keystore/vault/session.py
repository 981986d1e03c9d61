"""An unlocked store: sealed rows in, plain text out, and the store's MACed state."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystore.audit import AuditEntry
from keystore.errors import Damaged, StorageFailed
from keystore.vault import primitives, records
from keystore.vault.database import connect, fault_of, faults_named, transaction
from keystore.vault.file_bytes import FileBytes
from keystore.vault.primitives import DIGEST_BYTES, NONCE_BYTES, StoreState, Subkeys
from keystore.vault.records import ItemKind
from keystore.vault.writer import Writer

PAGE_ITEMS: Final = 1000
"""Rows read at a time: a long listing must not hold SQLite's read lock against a writer."""

MAX_KIND: Final = 0xFF

_FILED: Final = (
    "SELECT lookup.item, item.generation, item.sealed FROM lookup "
    "LEFT JOIN item ON item.id = lookup.item AND item.kind = ? WHERE lookup.term = ?"
)
_NO_ROW: Final = (None, None)

VERIFY_HINT: Final = "run: fieldtool store verify; then restore the store from a backup"


@dataclass(frozen=True, slots=True)
class StoreFile:
    """An open store: its path, SQLite's connection, and its bytes."""

    path: Path
    connection: sqlite3.Connection
    bytes: FileBytes

    def close(self) -> None:
        """Close the connection first: see `FileBytes`."""
        self.connection.close()
        self.bytes.close()


def open_store_file(path: Path, busy_timeout_s: float) -> StoreFile:
    """Open an existing file as a store; nothing of it is checked yet. Raises `NotFound`, `StorageFailed`."""
    connection = connect(path, busy_timeout_s)
    try:
        return StoreFile(path, connection, FileBytes(path))
    except OSError as error:
        connection.close()
        raise StorageFailed(f"{path} cannot be read: {error.strerror}", "check the file's permissions") from error


def utc_now() -> datetime:
    """Return the computer's time as aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clerk:
    """Who and when, for the audit log."""

    now: Callable[[], datetime] = utc_now
    actor: str = ""


def read_header(file: StoreFile) -> tuple[bytes, bytes, bytes]:
    """Return the header's bytes, checksum and MAC as stored; `Damaged` when there is no such row."""
    with faults_named(file.path):
        row = file.connection.execute("SELECT body, checksum, mac FROM header WHERE id = 1").fetchone()
    if row is None or not all(isinstance(column, bytes) for column in row):
        raise Damaged(f"keystore {file.path} has no header", "restore the store from a backup")
    body, checksum, mac = row
    return body, checksum, mac


class Session:
    """The working end of an unlocked store; holds the subkeys and nothing of what opened it."""

    def __init__(self, file: StoreFile, store_id: bytes, keys: Subkeys, clerk: Clerk) -> None:
        self.file = file
        self.keys = keys
        self.clerk = clerk
        self._store_id = store_id
        self._connection, self._path = file.connection, file.path
        self._data = AESGCM(keys.data)
        self._audit = AESGCM(keys.audit)
        self._seen_generation = 0

    @property
    def store_id(self) -> bytes:
        """The store's 16 bytes."""
        return self._store_id

    def state(self) -> StoreState:
        """Return the store's state after its MAC was found right.

        Raises `Damaged` when state or header are not what was written, or are older than this session has seen.
        """
        header_body, _, _ = read_header(self.file)
        with faults_named(self._path):
            row = self._connection.execute(
                "SELECT generation, items, records, lookups, audit_entries, set_hash, audit_head, mac "
                "FROM state WHERE id = 1"
            ).fetchone()
        if (
            row is None
            or not all(isinstance(number, int) and 0 <= number < 1 << 63 for number in row[:5])
            or not all(isinstance(digest, bytes) and len(digest) == DIGEST_BYTES for digest in row[5:])
        ):
            raise Damaged(f"keystore {self._path} has no valid state", VERIFY_HINT)
        generation, items, record_count, lookups, entries, set_hash, head, mac = row
        state = StoreState(generation, items, record_count, lookups, entries, int.from_bytes(set_hash), head)
        if not primitives.same_bytes(primitives.state_mac(self.keys, state, header_body), mac):
            raise Damaged(f"keystore {self._path}: state and header do not belong together", VERIFY_HINT)
        if state.generation < self._seen_generation:
            raise Damaged(f"keystore {self._path} was replaced by an older copy of itself", VERIFY_HINT)
        self._seen_generation = state.generation
        return state

    def data_version(self) -> int:
        """Return SQLite's counter that moves when another connection has written."""
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise fault_of(error, self._path) from error
        return version

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let all that is read within be of one moment, under one lock of the file.

        Taking that lock is most of what a look-up costs. Within a transaction there is nothing to do.
        """
        connection = self._connection
        is_within_another: bool = connection.in_transaction
        if is_within_another:
            yield
            return
        try:
            connection.execute("BEGIN")
            try:
                yield
            finally:
                if connection.in_transaction:  # SQLite ends a transaction by itself when the disk fails
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise fault_of(error, self._path) from error

    def terms(self, words: Iterable[tuple[str, str]]) -> list[bytes]:
        """Return the blind indexes of look-up words."""
        return [primitives.term(self.keys, kind, text) for kind, text in words]

    def ids(self, terms: Iterable[bytes]) -> list[int]:
        """Return the items filed under any of the terms, newest first."""
        found: set[int] = set()
        with faults_named(self._path):
            for term in terms:
                rows = self._connection.execute("SELECT item FROM lookup WHERE term = ?", (term,))
                found.update(item for (item,) in rows)
        return self._newest_first(found)

    def filed(self, terms: Iterable[bytes], kind: ItemKind) -> list[tuple[int, bytes]]:
        """Return id and plain text of the items of a kind under any of the terms, newest first, as `plain` does."""
        found: dict[int, tuple[object, object]] = {}
        number = int(kind)
        try:
            for term in terms:
                for item, generation, sealed in self._connection.execute(_FILED, (number, term)):
                    found[item] = generation, sealed
        except sqlite3.Error as error:
            raise fault_of(error, self._path) from error
        return [(item, self._opened(item, number, found[item])) for item in self._newest_first(found)]

    def plain(self, item_id: int, kind: int) -> bytes:
        """Return an item's plain text; `Damaged` when it is missing, altered, or not where it was written."""
        with faults_named(self._path):
            row = self._connection.execute(
                "SELECT generation, sealed FROM item WHERE id = ? AND kind = ?", (item_id, int(kind))
            ).fetchone()
        return self._opened(item_id, kind, row or _NO_ROW)

    def unseal(self, item_id: int, kind: object, generation: object, sealed: object) -> bytes:
        """Return a row's plain text; `Damaged` when the row is not what was written."""
        # SQLite stores any type in any column: a row written behind our back may hold what cannot be packed.
        if (
            (isinstance(kind, int) and 0 <= kind <= MAX_KIND)
            and (isinstance(generation, int) and generation >= 0)
            and (isinstance(sealed, bytes) and item_id > 0)
        ):
            aad = primitives.item_aad(self._store_id, item_id, kind, generation)
            try:
                return self._data.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
            except (InvalidTag, ValueError):
                pass
        raise Damaged(f"keystore {self._path}: item {item_id} is damaged", VERIFY_HINT)

    def seal(self, item_id: int, kind: ItemKind, generation: int, plain: bytes) -> bytes:
        """Return nonce and AES-256-GCM of an item's plain text."""
        nonce = primitives.new_nonce()
        return nonce + self._data.encrypt(nonce, plain, primitives.item_aad(self._store_id, item_id, kind, generation))

    def page(self, after: int, kind: ItemKind | None = None) -> list[tuple[int, int, int, bytes]]:
        """Return up to `PAGE_ITEMS` rows (id, kind, generation, sealed) behind item `after`, of one kind or of all."""
        low, high = (0, MAX_KIND) if kind is None else (int(kind), int(kind))
        with faults_named(self._path):
            return self._connection.execute(
                "SELECT id, kind, generation, sealed FROM item WHERE id > ? AND kind BETWEEN ? AND ? "
                "ORDER BY id LIMIT ?",
                (after, low, high, PAGE_ITEMS),
            ).fetchall()

    def seal_entry(self, number: int, generation: int, entry: AuditEntry) -> bytes:
        """Return nonce and AES-256-GCM of an audit entry's plain text."""
        nonce = primitives.new_nonce()
        aad = primitives.entry_aad(self._store_id, number, generation)
        return nonce + self._audit.encrypt(nonce, records.encode_entry(entry), aad)

    def open_entry(self, number: int, generation: object, sealed: object) -> AuditEntry:
        """Return an audit entry of its row; `Damaged` when the row is not what was written in this place."""
        if isinstance(generation, int) and generation >= 0 and isinstance(sealed, bytes) and number > 0:
            aad = primitives.entry_aad(self._store_id, number, generation)
            try:
                return records.decode_entry(
                    self._audit.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad), number
                )
            except (InvalidTag, ValueError):
                pass
        raise Damaged(f"keystore {self._path}: audit entry {number} is damaged", VERIFY_HINT)

    def entry_rows(self, after: int) -> list[tuple[int, object, object, object]]:
        """Return up to `PAGE_ITEMS` rows (number, generation, sealed, link) of the audit log behind entry `after`."""
        with faults_named(self._path):
            return self._connection.execute(
                "SELECT number, generation, sealed, link FROM audit WHERE number > ? ORDER BY number LIMIT ?",
                (after, PAGE_ITEMS),
            ).fetchall()

    def link_of(self, number: int) -> bytes | None:
        """Return the chain's link of an audit entry as stored, None when there is no such row."""
        with faults_named(self._path):
            row = self._connection.execute("SELECT link FROM audit WHERE number = ?", (number,)).fetchone()
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def _newest_first(self, items: Collection[Any]) -> list[int]:
        for item in items:
            if not isinstance(item, int):
                raise Damaged(f"keystore {self._path}: a look-up row is damaged", VERIFY_HINT)
        return sorted(items, reverse=True)

    def _opened(self, item_id: int, kind: int, row: tuple[object, object]) -> bytes:
        """Return the plain text of generation and sealed bytes."""
        if row == _NO_ROW:
            raise Damaged(f"keystore {self._path}: item {item_id} is missing", VERIFY_HINT)
        return self.unseal(item_id, kind, *row)

    @contextmanager
    def writing(self, *, dry_run: bool = False) -> Iterator[Writer]:
        """One write transaction of generation + 1; nothing is kept when the body raises, or of a dry run."""
        with transaction(self._connection, self._path, dry_run=dry_run):
            writer = Writer(self, self.state())
            yield writer
            generation = writer.finish(read_header(self.file)[0])
        if not dry_run:
            self._seen_generation = generation
