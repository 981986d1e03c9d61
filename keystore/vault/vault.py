"""The vault: put, look up, change, remove, verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from keystore.audit import AuditAction
from keystore.errors import InUse, StorageFailed
from keystore.lint import LintFinding, lint
from keystore.matching import squeezed
from keystore.model import LORAWAN_ROLES, KeyRecord, KeyRole, KeyStatus, Ownership
from keystore.vault.book import FoundKeys, KeyBook
from keystore.vault.documents import DocumentShelf
from keystore.vault.door import Door
from keystore.vault.key_changes import KeyChangeDesk
from keystore.vault.merging import PutResult
from keystore.vault.session import Session, StoreFile
from keystore.vault.settings import VaultSettings
from keystore.vault.verify import VerifyReport, verify_session
from protocols.model import Address, Key

SEARCH_LEAST: Final = 3
CACHE_ADDRESSES: Final = 65_536
"""Answers `keys_for` remembers, misses included; a busy street has a few thousand meters."""


class Vault(Door):
    """An encrypted store of key records in one file; may be used from several threads and processes.

    Locked after `open`: only `info`, `unlock`, `slots` and `close` work then, everything else raises `Locked`. A locked
    vault holds no key; overwriting keys in memory is best effort, since Python copies bytes. Every method may raise
    `InUse`, `Damaged` and `StorageFailed`.

    `slots` adds and removes ways to unlock, `audit` is the audit log, `documents` holds what else is to be sealed,
    `key_changes` is the journal of changes of meters' keys.
    `history` is None unless the store is older than, or other than, what was last seen of it here.
    """

    def __init__(self, file: StoreFile, settings: VaultSettings) -> None:
        super().__init__(file, settings)
        self._cache: dict[Address, tuple[Key, ...]] = {}
        self._revoked: dict[Address, tuple[str, ...]] = {}
        self._book: KeyBook | None = None
        self._used_transferred: set[bytes] = set()
        self.receivers_documents = DocumentShelf(lambda: self._using(by_user=False), self._written)
        """The documents as receivers use them: it does not put off the lock of a store that nobody uses."""
        self.key_changes = KeyChangeDesk(self._using, self._written)

    @property
    def count(self) -> int:
        """How many key records the store holds."""
        with self._using() as session:
            return session.state().records

    @property
    def generation(self) -> int:
        """How many write transactions the store has seen."""
        with self._using() as session:
            return session.state().generation

    def put(self, new_records: Iterable[KeyRecord], *, dry_run: bool = False) -> PutResult:
        """File records in one transaction: all or none; `dry_run` says what would happen and changes nothing.

        A key that differs from the one filed for the same meter and role is kept beside it; the newest comes first,
        until `confirm` says which one is right.
        """
        with self._using() as session:
            result = KeyBook(session).put(new_records, dry_run=dry_run)
            if not dry_run:
                self._written()
            return result

    def find(self, number: str, manufacturer: str | None = None, role: KeyRole | None = None) -> list[KeyRecord]:
        """Return the records of a meter by any spelling of its number, printed serial, radio adapter or DevEUI.

        Best first: manufacturer, status, newest. The manufacturer (or letters before the number) is a hint: records of
        another one come last. A number copied byte by byte from a frame is understood when no other has that spelling.
        """
        with self._using() as session:
            return KeyBook(session).find(number, manufacturer, role)

    def search(self, text: str) -> Iterator[KeyRecord]:
        """Yield the records that hold a part of a number or of a text, at least three characters long.

        Every record is opened for it: a few seconds for a million.
        """
        if len(squeezed(text)) >= SEARCH_LEAST:
            yield from self._paged(lambda book, after: book.search(text, after))

    def records(self) -> Iterator[KeyRecord]:
        """Yield all key records, oldest first; records put meanwhile may or may not be seen."""
        yield from self._paged(lambda book, after: book.page(after))

    def keys_for(self, address: Address) -> tuple[Key, ...]:
        """Return the wireless M-Bus keys filed for an address, best first; empty when there are none.

        Answers are cached until this or another process writes, and dropped at `lock`. A `protocols.model.KeyLookup`.
        The key of a meter that was given away is handed out only once that is in the audit log.
        """
        with self._using(by_user=False) as session:
            keys = self._cache.get(address)
            if keys is not None and not self._follow_writers(session):
                return keys
            with session.reading():
                found = self._current_book(session).keys_for(address, self._settings.now())
            return self._handed_out(session, address, found)

    def keys_for_many(self, addresses: Iterable[Address]) -> dict[Address, tuple[Key, ...]]:
        """Return what `keys_for` does for each of some addresses; in half the time a piece when there are many."""
        with self._using(by_user=False) as session:
            with session.reading():
                book, now = self._current_book(session), self._settings.now()
                found = {address: book.keys_for(address, now) for address in addresses}
            return {address: self._handed_out(session, address, one) for address, one in found.items()}

    def _handed_out(self, session: Session, address: Address, found: FoundKeys) -> tuple[Key, ...]:
        """Return the keys that were found, and remember them; the use of those of a meter given away is noted first."""
        keys, unaudited = found.keys, set[bytes]()
        if found.transferred:
            unaudited = {record.value for record in found.transferred if not self._note_use(session, record)}
            keys = tuple(key for key in keys if key.value not in unaudited)
        with self._door:
            if self._session is session and not unaudited:
                if len(self._cache) >= CACHE_ADDRESSES:
                    self._cache.clear()
                    self._revoked.clear()
                self._cache[address] = keys
                if found.revoked:
                    self._revoked[address] = found.revoked
        return keys

    def revoked_for(self, address: Address) -> tuple[str, ...]:
        """Return the check values of an address's keys that are revoked; for receivers, as `keys_for`."""
        self.keys_for(address)
        return self._revoked.get(address, ())

    def device_records(self, identifier: str) -> tuple[KeyRecord, ...]:
        """Return the usable LoRaWAN keys filed under a DevEUI or DevAddr, best first; for receivers, as `keys_for`."""
        with self._using(by_user=False) as session:
            with session.reading():
                filed = self._current_book(session).find(identifier, None, None)
            found = [
                record
                for record in filed
                if record.value
                and record.role in LORAWAN_ROLES
                and record.status is not KeyStatus.REVOKED
                and identifier in (record.dev_eui, record.dev_addr)
            ]
            given_away = {r.value for r in found if r.ownership is Ownership.TRANSFERRED}
            unaudited = {r.value for r in found if r.value in given_away and not self._note_use(session, r)}
            return tuple(record for record in found if record.value not in unaudited)

    def revoked_device_keys(self, identifier: str) -> tuple[str, ...]:
        """Return the check values of the LoRaWAN keys under a DevEUI or DevAddr that are revoked; for receivers."""
        with self._using(by_user=False) as session:
            with session.reading():
                filed = self._current_book(session).find(identifier, None, None)
            return tuple(
                dict.fromkeys(
                    record.key_check_value
                    for record in filed
                    if record.role in LORAWAN_ROLES
                    and record.status is KeyStatus.REVOKED
                    and identifier in (record.dev_eui, record.dev_addr)
                )
            )

    def confirm(self, record: KeyRecord) -> None:
        """Put a key that telegrams proved first among the keys of its meter and role; the others become superseded.

        The caller answers for the proof: a MAC, or two telegrams, since a check of two bytes takes one wrong key in
        65,536. Raises `NotFound`.
        """
        with self._using() as session:
            KeyBook(session).confirm(record, self._settings.now())
            self._written()

    def set_status(self, number: str, status: KeyStatus, manufacturer: str | None = None) -> int:
        """Set the status of a meter's keys; return how many changed. Raises `NotFound`."""
        return self._change(
            number, manufacturer, lambda r: replace(r, status=status), AuditAction.STATUS_CHANGED, status=str(status)
        )

    def set_ownership(self, number: str, ownership: Ownership, owner: str = "", manufacturer: str | None = None) -> int:
        """Say whose a meter is now; its keys are kept, whatever that is. Raises `NotFound`."""
        return self._change(
            number,
            manufacturer,
            lambda r: replace(r, ownership=ownership, owner=owner or r.owner),
            AuditAction.OWNERSHIP_CHANGED,
            ownership=str(ownership),
            owner=owner,
        )

    def remove(
        self,
        number: str,
        manufacturer: str | None = None,
        role: KeyRole | None = None,
        key_check_value: str | None = None,
    ) -> int:
        """Remove a meter's records, narrowed by manufacturer, role and key check value; return how many."""
        with self._using() as session:
            removed = KeyBook(session).remove(number, manufacturer, role, key_check_value)
            if removed:
                self._written()
            return len(removed)

    def lint(self) -> tuple[LintFinding, ...]:
        """Look at every key for what protects nothing or looks mistaken."""
        return lint(self.records)

    def verify(self, least_generation: int | None = None) -> VerifyReport:
        """Check every row and byte; a report, not an exception, tells what was deleted, swapped, duplicated or altered.

        An older copy of the whole file shows against `least_generation`, a `generation` kept elsewhere, and, where a
        witness is kept, in `history`.
        """
        with self._using() as session:
            report = verify_session(session, least_generation)
            if not report.ok:
                self._unsealed = False  # what is wrong must not be sealed when the store is closed
            return report

    def _change(
        self,
        number: str,
        manufacturer: str | None,
        changed: Callable[[KeyRecord], KeyRecord],
        action: AuditAction,
        **detail: str,
    ) -> int:
        with self._using() as session:
            count = KeyBook(session).change(number, manufacturer, changed, action, **detail)
            self._written()
            return count

    def _note_use(self, session: Session, record: KeyRecord) -> bool:
        """Write down, once while unlocked, that the key of a meter given away is used; False if that failed."""
        if record.value in self._used_transferred:
            return True
        try:
            with session.writing() as writer:
                writer.note(AuditAction.TRANSFERRED_KEY_USED, record.meter_text, key_check_value=record.key_check_value)
        except (StorageFailed, InUse):
            return False
        self._written()
        with self._door:
            self._used_transferred.add(record.value)
        return True

    def _paged(self, read: Callable[[KeyBook, int], tuple[list[KeyRecord], int | None]]) -> Iterator[KeyRecord]:
        """Yield page after page, letting others in between."""
        after: int | None = 0
        book: KeyBook | None = None
        while after is not None:
            with self._using() as session:
                if book is None or book.session is not session:
                    book = KeyBook(session)
                page, after = read(book, after)
            yield from page

    def _current_book(self, session: Session) -> KeyBook:
        """Return the book that look-ups share, which reads no source twice; a new one when anybody has written."""
        self._follow_writers(session)
        book = self._book
        if book is None or book.session is not session:
            book = KeyBook(session)
            with self._door:
                if self._session is session:
                    self._book = book
        return book

    def _forget(self) -> None:
        self._book = None
        self._cache.clear()
        self._revoked.clear()
        if self._session is None:
            self._used_transferred.clear()
