"""An unlocked store: sealed items in, plain text out, every write in one transaction with the store's MACed state."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystore.errors import Damaged
from keystore.vault import primitives
from keystore.vault.database import faults_named, transaction
from keystore.vault.header import header_checksum
from keystore.vault.primitives import DIGEST_BYTES, NONCE_BYTES, StoreState, Subkeys
from keystore.vault.records import ItemKind

PAGE_ITEMS: Final = 1000
"""Items read at a time: a long listing must not hold SQLite's read lock against a writer."""

MAX_KIND: Final = 0xFF
MAX_ITEM_ID: Final = 1 << 62
"""No honest store comes near; above it the next id would leave SQLite's integers."""

VERIFY_HINT: Final = "run: fieldtool store verify; then restore the store from a backup"


def read_header(connection: sqlite3.Connection, path: Path) -> tuple[bytes, bytes, bytes]:
    """Return the header's bytes, checksum and MAC as stored; `Damaged` when there is no such row."""
    with faults_named(path):
        row = connection.execute("SELECT body, checksum, mac FROM header WHERE id = 1").fetchone()
    if row is None or not all(isinstance(column, bytes) for column in row):
        raise Damaged(f"keystore {path} has no header", "restore the store from a backup")
    body, checksum, mac = row
    return body, checksum, mac


class Session:
    """The working end of an unlocked store; holds the subkeys and nothing of the passphrase."""

    def __init__(self, connection: sqlite3.Connection, path: Path, store_id: bytes, keys: Subkeys) -> None:
        self._connection = connection
        self._path = path
        self._store_id = store_id
        self._keys = keys
        self._aead = AESGCM(keys.data)
        self._seen_generation = 0

    @property
    def keys(self) -> Subkeys:
        """The subkeys, for `verify`."""
        return self._keys

    def state(self) -> StoreState:
        """Return the store's state after its MAC was found right.

        Raises `Damaged` when state or header are not what was written, or are older than this session has seen.
        """
        header_body, _, _ = read_header(self._connection, self._path)
        with faults_named(self._path):
            row = self._connection.execute(
                "SELECT generation, items, records, set_hash, mac FROM state WHERE id = 1"
            ).fetchone()
        if row is None or not all(isinstance(number, int) and 0 <= number < 1 << 63 for number in row[:3]):
            raise Damaged(f"keystore {self._path} has no valid state", VERIFY_HINT)
        generation, items, records, set_hash, mac = row
        if not isinstance(set_hash, bytes) or len(set_hash) != DIGEST_BYTES or not isinstance(mac, bytes):
            raise Damaged(f"keystore {self._path} has no valid state", VERIFY_HINT)
        state = StoreState(generation, items, records, int.from_bytes(set_hash))
        if not primitives.same_bytes(primitives.state_mac(self._keys, state, header_body), mac):
            raise Damaged(f"keystore {self._path}: state and header do not belong together", VERIFY_HINT)
        if state.generation < self._seen_generation:
            raise Damaged(f"keystore {self._path} was replaced by an older copy of itself", VERIFY_HINT)
        self._seen_generation = state.generation
        return state

    def data_version(self) -> int:
        """Return SQLite's counter that moves when another connection has written."""
        with faults_named(self._path):
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def term(self, kind: str, text: str) -> bytes:
        """Return the blind index of a look-up word."""
        return primitives.term(self._keys, kind, text)

    def ids(self, terms: Iterable[bytes]) -> list[int]:
        """Return the items filed under any of the terms, newest first."""
        found: set[int] = set()
        with faults_named(self._path):
            for term in terms:
                rows = self._connection.execute("SELECT item FROM lookup WHERE term = ?", (term,))
                found.update(item for (item,) in rows)
        if not all(isinstance(item, int) for item in found):
            raise Damaged(f"keystore {self._path}: a look-up row is damaged", VERIFY_HINT)
        return sorted(found, reverse=True)

    def plain(self, item_id: int, kind: int) -> bytes:
        """Return an item's plain text; `Damaged` when it is missing, altered, or not where it was written."""
        with faults_named(self._path):
            row = self._connection.execute(
                "SELECT generation, sealed FROM item WHERE id = ? AND kind = ?", (item_id, int(kind))
            ).fetchone()
        if row is None:
            raise Damaged(f"keystore {self._path}: item {item_id} is missing", VERIFY_HINT)
        return self.unseal(item_id, kind, *row)

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
                return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
            except (InvalidTag, ValueError):
                pass
        raise Damaged(f"keystore {self._path}: item {item_id} is damaged", VERIFY_HINT)

    def page(self, after: int, kind: ItemKind | None = None) -> list[tuple[int, int, int, bytes]]:
        """Return up to `PAGE_ITEMS` rows (id, kind, generation, sealed) behind item `after`, of one kind or of all."""
        low, high = (0, MAX_KIND) if kind is None else (int(kind), int(kind))
        with faults_named(self._path):
            return self._connection.execute(
                "SELECT id, kind, generation, sealed FROM item WHERE id > ? AND kind BETWEEN ? AND ? "
                "ORDER BY id LIMIT ?",
                (after, low, high, PAGE_ITEMS),
            ).fetchall()

    @contextmanager
    def writing(self, *, dry_run: bool = False) -> Iterator[Writer]:
        """One write transaction of generation + 1; nothing is kept when the body raises, or of a dry run."""
        with transaction(self._connection, self._path, dry_run=dry_run):
            writer = Writer(self, self._connection, self.state())
            yield writer
            generation = writer.finish(read_header(self._connection, self._path)[0])
        if not dry_run:
            self._seen_generation = generation

    def seal(self, item_id: int, kind: ItemKind, generation: int, plain: bytes) -> bytes:
        """Return nonce and AES-256-GCM of an item's plain text."""
        nonce = primitives.new_nonce()
        return nonce + self._aead.encrypt(nonce, plain, primitives.item_aad(self._store_id, item_id, kind, generation))


class Writer:
    """The changes of one transaction; keeps counts and set hash as it goes."""

    def __init__(self, session: Session, connection: sqlite3.Connection, state: StoreState) -> None:
        self._session = session
        self._connection = connection
        self._state = replace(state, generation=state.generation + 1)
        (highest,) = connection.execute("SELECT coalesce(max(id), 0) FROM item").fetchone()
        if highest > MAX_ITEM_ID:
            raise Damaged(f"item {highest} was not written by this program", VERIFY_HINT)
        self._next_id: int = max(highest, 0) + 1

    def add(self, kind: ItemKind, plain: bytes, terms: Iterable[bytes] = ()) -> int:
        """Seal and file an item; return its id."""
        item_id, generation = self._next_id, self._state.generation
        self._next_id += 1
        sealed = self._session.seal(item_id, kind, generation, plain)
        self._connection.execute("INSERT INTO item VALUES (?, ?, ?, ?)", (item_id, int(kind), generation, sealed))
        self._connection.executemany("INSERT INTO lookup VALUES (?, ?)", ((term, item_id) for term in terms))
        digest = primitives.item_digest(self._session.keys, item_id, kind, generation, sealed)
        self._count(kind, 1, primitives.add_digest(self._state.set_hash, digest))
        return item_id

    def remove(self, item_id: int, kind: ItemKind, terms: Iterable[bytes]) -> None:
        """Take an item and its look-up terms out; `Damaged` when it is not there."""
        row = self._connection.execute(
            "SELECT generation, sealed FROM item WHERE id = ? AND kind = ?", (item_id, int(kind))
        ).fetchone()
        if row is None:
            raise Damaged(f"item {item_id} is missing", VERIFY_HINT)
        self._connection.execute("DELETE FROM item WHERE id = ?", (item_id,))
        self._connection.executemany("DELETE FROM lookup WHERE term = ? AND item = ?", ((t, item_id) for t in terms))
        digest = primitives.item_digest(self._session.keys, item_id, kind, *row)
        self._count(kind, -1, primitives.subtract_digest(self._state.set_hash, digest))

    def replace_header(self, body: bytes) -> None:
        """Write a new header with its checksum and MAC."""
        mac = primitives.header_mac(self._session.keys, body)
        self._connection.execute(
            "INSERT OR REPLACE INTO header VALUES (1, ?, ?, ?)", (body, header_checksum(body), mac)
        )

    def finish(self, header_body: bytes) -> int:
        """Write the state that belongs to what was changed; return its generation."""
        write_state(self._connection, self._session.keys, self._state, header_body)
        return self._state.generation

    def _count(self, kind: ItemKind, step: int, set_hash: int) -> None:
        records = step if kind is ItemKind.KEY_RECORD else 0
        self._state = StoreState(
            self._state.generation, self._state.items + step, self._state.records + records, set_hash
        )


def write_state(connection: sqlite3.Connection, keys: Subkeys, state: StoreState, header_body: bytes) -> None:
    """Write the state row with its MAC."""
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?)",
        (
            state.generation,
            state.items,
            state.records,
            state.set_hash.to_bytes(DIGEST_BYTES),
            primitives.state_mac(keys, state, header_body),
        ),
    )
