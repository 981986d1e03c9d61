"""The changes of one write transaction: items, look-up rows and audit entries, with the counts and hashes of the state.

Rows are kept back and written in blocks, look-up rows in the order of their terms: terms are random, and a million of
them inserted as they come would touch a page of the index each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from keystore.audit import AuditEntry
from keystore.errors import Damaged
from keystore.vault import primitives
from keystore.vault.header import header_checksum, with_documents
from keystore.vault.primitives import DIGEST_BYTES, StoreState, Subkeys
from keystore.vault.records import ItemKind

if TYPE_CHECKING:
    from keystore.vault.session import Session

ITEM_BLOCK: Final = 1000
LOOKUP_BLOCK: Final = 200_000
"""Look-up rows kept back: about 25 MB of memory."""

MAX_ITEM_ID: Final = 1 << 62
"""No honest store comes near; above it the next id would leave SQLite's integers."""


class Writer:
    """The changes of one transaction; keeps counts, set hash and audit chain as it goes."""

    def __init__(self, session: Session, state: StoreState) -> None:
        self._session = session
        self._connection = session.file.connection
        self._state = replace(state, generation=state.generation + 1)
        (highest,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM item").fetchone()
        if highest > MAX_ITEM_ID:
            raise Damaged(f"item {highest} was not written by this program", "run: fieldtool store verify")
        self._next_id: int = max(highest, 0) + 1
        self._items: list[tuple[int, int, int, bytes]] = []
        self._lookups: dict[bytes, list[int]] = {}
        self._lookup_count = 0
        self._documents: dict[str, int] = {}
        self._delta = self._items_delta = self._records_delta = self._lookups_delta = 0

    def add(self, kind: ItemKind, plain: bytes, terms: Iterable[bytes] = ()) -> int:
        """Seal and file an item; return its id."""
        item_id = self._next_id
        self._next_id += 1
        self._items.append(self._sealed(item_id, kind, plain))
        self._file(item_id, terms)
        self._items_delta += 1
        self._records_delta += kind is ItemKind.KEY_RECORD
        if len(self._items) >= ITEM_BLOCK:
            self._write_items()
        return item_id

    def replace(self, item_id: int, kind: ItemKind, plain: bytes, old: Iterable[bytes], new: Iterable[bytes]) -> None:
        """Seal an item anew under its id; `old` and `new` are its terms before and after."""
        self._take_out(item_id, kind)
        row = self._sealed(item_id, kind, plain)
        self._connection.execute("UPDATE item SET generation = ?, sealed = ? WHERE id = ?", (row[2], row[3], item_id))
        before, after = set(old), set(new)
        self._unfile(item_id, before - after)
        self._file(item_id, after - before)

    def remove(self, item_id: int, kind: ItemKind, terms: Iterable[bytes]) -> None:
        """Take an item and its look-up terms out; `Damaged` when it is not there."""
        self._take_out(item_id, kind)
        self._connection.execute("DELETE FROM item WHERE id = ?", (item_id,))
        self._unfile(item_id, terms)
        self._items_delta -= 1
        self._records_delta -= kind is ItemKind.KEY_RECORD

    def ids(self, terms: Iterable[bytes]) -> list[int]:
        """Return the items filed under any of the terms, newest first, those of this transaction included."""
        terms = list(terms)
        found = set(self._session.ids(terms))
        found.update(item_id for term in terms for item_id in self._lookups.get(term, ()))
        return sorted(found, reverse=True)

    def plain(self, item_id: int, kind: ItemKind) -> bytes:
        """Return an item's plain text, one of this transaction included."""
        if self._items and item_id >= self._items[0][0]:
            self._write_items()
        return self._session.plain(item_id, kind)

    def note(self, action: str, subject: str = "", /, **detail: str) -> None:
        """Append an entry to the audit log."""
        clerk = self._session.clerk
        self.append(AuditEntry(0, clerk.now(), action, subject, clerk.actor, detail))

    def append(self, entry: AuditEntry) -> None:
        """Append an entry that was made elsewhere; its number is given here."""
        number, generation = self._state.audit_entries + 1, self._state.generation
        sealed = self._session.seal_entry(number, generation, entry)
        link = primitives.chain_link(self._session.keys, self._state.audit_head, number, generation, sealed)
        self._connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", (number, generation, sealed, link))
        self._state = replace(self._state, audit_entries=number, audit_head=link)

    def replace_header(self, body: bytes) -> None:
        """Write a new header with its checksum and MAC."""
        mac = primitives.header_mac(self._session.keys, body)
        self._connection.execute(
            "INSERT OR REPLACE INTO header VALUES (1, ?, ?, ?)", (body, header_checksum(body), mac)
        )

    def wrote_document(self, term: bytes) -> None:
        """Note in the header that this transaction wrote the document of a look-up word."""
        self._documents[term.hex()] = self._state.generation

    def finish(self, header_body: bytes) -> int:
        """Write what was kept back, and the state that belongs to it; return its generation."""
        self._write_items()
        self._write_lookups()
        if self._documents:
            header_body = with_documents(header_body, self._documents)
            self.replace_header(header_body)
        state = self._state
        self._state = replace(
            state,
            items=state.items + self._items_delta,
            records=state.records + self._records_delta,
            lookups=state.lookups + self._lookups_delta,
            set_hash=primitives.add_digest(state.set_hash, self._delta),
        )
        write_state(self._connection, self._session.keys, self._state, header_body)
        return self._state.generation

    def _sealed(self, item_id: int, kind: ItemKind, plain: bytes) -> tuple[int, int, int, bytes]:
        generation = self._state.generation
        sealed = self._session.seal(item_id, kind, generation, plain)
        self._delta += primitives.item_digest(self._session.keys, item_id, kind, generation, sealed)
        return item_id, int(kind), generation, sealed

    def _take_out(self, item_id: int, kind: ItemKind) -> None:
        self._write_items()
        row = self._connection.execute(
            "SELECT generation, sealed FROM item WHERE id = ? AND kind = ?", (item_id, int(kind))
        ).fetchone()
        if row is None:
            raise Damaged(f"item {item_id} is missing", "run: fieldtool store verify")
        self._delta -= primitives.item_digest(self._session.keys, item_id, kind, *row)

    def _file(self, item_id: int, terms: Iterable[bytes]) -> None:
        for term in terms:
            self._lookups.setdefault(term, []).append(item_id)
            self._delta += primitives.lookup_digest(self._session.keys, term, item_id)
            self._lookups_delta += 1
            self._lookup_count += 1
        if self._lookup_count >= LOOKUP_BLOCK:
            self._write_lookups()

    def _unfile(self, item_id: int, terms: Iterable[bytes]) -> None:
        self._write_lookups()
        for term in terms:
            done = self._connection.execute("DELETE FROM lookup WHERE term = ? AND item = ?", (term, item_id))
            if not done.rowcount:
                raise Damaged(f"item {item_id} is not filed as it was written", "run: fieldtool store verify")
            self._delta -= primitives.lookup_digest(self._session.keys, term, item_id)
            self._lookups_delta -= 1

    def _write_items(self) -> None:
        self._connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", self._items)
        self._items.clear()

    def _write_lookups(self) -> None:
        rows = ((term, item_id) for term in sorted(self._lookups) for item_id in self._lookups[term])
        self._connection.executemany("INSERT INTO lookup VALUES (?, ?)", rows)
        self._lookups.clear()
        self._lookup_count = 0


def write_state(connection: sqlite3.Connection, keys: Subkeys, state: StoreState, header_body: bytes) -> None:
    """Write the state row with its MAC."""
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            state.generation,
            state.items,
            state.records,
            state.lookups,
            state.audit_entries,
            state.set_hash.to_bytes(DIGEST_BYTES),
            state.audit_head,
            primitives.state_mac(keys, state, header_body),
        ),
    )
