"""The vault: create, unlock, lock, put, look up, remove, verify."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final

from keystore.errors import Damaged, Locked, PassphraseRefused, WrongPassphrase
from keystore.model import KeyRecord, KeyRole
from keystore.vault import database, kdf, primitives
from keystore.vault.book import KeyBook, PutResult
from keystore.vault.header import Header, PassphraseSlot, check_header, encode_header, header_checksum
from keystore.vault.kdf import KdfParameters
from keystore.vault.primitives import KEY_BYTES, STORE_ID_BYTES, StoreState
from keystore.vault.session import Session, read_header, write_state
from keystore.vault.verify import VerifyReport, verify_session
from protocols.crypto import forget_keys
from protocols.model import Address, Key

BUSY_TIMEOUT_S: Final = 5.0
CACHE_ADDRESSES: Final = 65_536
"""Answers `keys_for` remembers, misses included; a busy street has a few thousand meters."""


@dataclass(frozen=True, slots=True)
class VaultInfo:
    """What a store says of itself without being unlocked; none of it is proven before that."""

    path: Path
    format_version: int
    store_id: str
    created_at: datetime
    slots: tuple[str, ...]
    size_bytes: int


class Vault:
    """An encrypted store of key records in one file; may be used from several threads and processes.

    Locked after `open`: only `info`, `unlock`, `change_passphrase` and `close` work then, everything else raises
    `Locked`. A locked vault holds no key; overwriting keys in memory is best effort, since Python copies bytes.
    Every method may raise `InUse`, `Damaged` and `StorageFailed`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._session: Session | None = None
        self._guard = RLock()
        self._cache: dict[Address, tuple[Key, ...]] = {}
        self._cache_version = 0

    @classmethod
    def create(
        cls,
        path: Path,
        passphrase: str,
        kdf: KdfParameters | None = None,
        *,
        now: datetime | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Vault:
        """Make a new store (mode 0600) and return it unlocked; without `kdf` the cost is calibrated on this machine.

        Raises `AlreadyExists`, `PassphraseRefused`, `StorageFailed`.
        """
        _check_new_passphrase(passphrase)
        store_id, root = secrets.token_bytes(STORE_ID_BYTES), secrets.token_bytes(KEY_BYTES)
        slot = _seal_slot(passphrase, kdf, root, store_id, 1)
        body = encode_header(Header(store_id, now or datetime.now(UTC), (slot,)))
        keys = primitives.derive_subkeys(root, store_id)
        database.create_file(path)
        connection = database.connect(path, busy_timeout_s)
        try:
            with database.transaction(connection, path):
                connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {primitives.FORMAT_VERSION}")
                for table in database.SCHEMA.values():
                    connection.execute(table)
                mac = primitives.header_mac(keys, body)
                connection.execute("INSERT INTO header VALUES (1, ?, ?, ?)", (body, header_checksum(body), mac))
                write_state(connection, keys, StoreState(), body)
        except BaseException:
            connection.close()
            path.unlink(missing_ok=True)
            raise
        vault = cls(path, connection)
        vault._session = Session(connection, path, store_id, keys)
        return vault

    @classmethod
    def open(cls, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Vault:
        """Open an existing store, locked.

        Raises `NotFound`, `NotAKeystore`, `NewerFormat`, `WorkFactorTooHigh`, `Damaged`.
        """
        connection = database.connect(path, busy_timeout_s)
        try:
            database.check_schema(connection, path)
            vault = cls(path, connection)
            vault._header()
        except BaseException:
            connection.close()
            raise
        return vault

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Vault({str(self._path)!r}, {'locked' if self.is_locked else 'unlocked'})"

    @property
    def is_locked(self) -> bool:
        """True when no key is at hand."""
        return self._session is None

    @property
    def info(self) -> VaultInfo:
        """What the store says of itself without being unlocked."""
        header = self._header()
        return VaultInfo(
            path=self._path,
            format_version=primitives.FORMAT_VERSION,
            store_id=header.store_id.hex(),
            created_at=header.created_at,
            slots=tuple("passphrase" if isinstance(slot, PassphraseSlot) else slot.kind for slot in header.slots),
            size_bytes=self._path.stat().st_size,
        )

    def unlock(self, passphrase: str) -> None:
        """Unlock with a passphrase; `WrongPassphrase` when no slot opens, `Damaged` when the store was altered."""
        with self._guard:
            header = self._header()
            keys = primitives.derive_subkeys(_open_slot(header, passphrase, self._path)[1], header.store_id)
            body, _, mac = read_header(self._connection, self._path)
            if not primitives.same_bytes(primitives.header_mac(keys, body), mac):
                raise Damaged(f"keystore {self._path}: the header was altered", "restore the store from a backup")
            session = Session(self._connection, self._path, header.store_id, keys)
            session.state()
            self._session = session

    def lock(self) -> None:
        """Drop every key, this thread's cached ciphers included; nothing can be looked up until the next `unlock`."""
        with self._guard:
            self._session = None
            self._cache.clear()
        forget_keys()

    def close(self) -> None:
        """Lock and close the file."""
        with self._guard:
            self.lock()
            self._connection.close()

    @property
    def count(self) -> int:
        """How many key records the store holds."""
        with self._guard:
            return self._unlocked().state().records

    @property
    def generation(self) -> int:
        """How many write transactions the store has seen.

        Kept outside the store, it is the witness that tells an older copy of the whole file (`verify`).
        """
        with self._guard:
            return self._unlocked().state().generation

    def put(self, new_records: Iterable[KeyRecord], *, dry_run: bool = False) -> PutResult:
        """File records in one transaction: all or none; `dry_run` says what would happen and changes nothing.

        A key that differs from the one filed for the same meter and role is kept beside it; the newest comes first.
        """
        with self._guard:
            book = KeyBook(self._unlocked())
            self._cache.clear()
            return book.put(new_records, dry_run=dry_run)

    def find(self, number: str, manufacturer: str | None = None, role: KeyRole | None = None) -> list[KeyRecord]:
        """Return the records of a meter by any spelling of its number, printed serial or DevEUI.

        Best first: manufacturer, status, newest. The manufacturer (or letters before the number) is a hint: records of
        another one come last.
        """
        with self._guard:
            return KeyBook(self._unlocked()).find(number, manufacturer, role)

    def keys_for(self, address: Address) -> tuple[Key, ...]:
        """Return the wireless M-Bus keys filed for an address, best first; empty when there are none.

        Answers are cached until this or another process writes, and dropped at `lock`. A `protocols.model.KeyLookup`.
        """
        with self._guard:
            session = self._unlocked()
            version = session.data_version()
            if version != self._cache_version or len(self._cache) >= CACHE_ADDRESSES:
                self._cache.clear()
                self._cache_version = version
            keys = self._cache.get(address)
            if keys is None:
                keys = self._cache[address] = KeyBook(session).keys_for(address)
            return keys

    def records(self) -> Iterator[KeyRecord]:
        """Yield all key records, oldest first; records put meanwhile may or may not be seen."""
        with self._guard:
            book = KeyBook(self._unlocked())
        after: int | None = 0
        while after is not None:
            with self._guard:
                self._unlocked()
                page, after = book.page(after)
            yield from page

    def remove(
        self,
        number: str,
        manufacturer: str | None = None,
        role: KeyRole | None = None,
        key_check_value: str | None = None,
    ) -> int:
        """Remove a meter's records, narrowed by manufacturer, role and key check value; return how many."""
        with self._guard:
            book = KeyBook(self._unlocked())
            self._cache.clear()
            return book.remove(number, manufacturer, role, key_check_value)

    def verify(self, least_generation: int | None = None) -> VerifyReport:
        """Check every row; a report, not an exception, tells deleted, swapped, duplicated, altered or older rows.

        Replacing the whole file by an older copy shows only against `least_generation`, a `generation` kept elsewhere.
        """
        with self._guard:
            return verify_session(self._unlocked(), self._connection, self._path, least_generation)

    def change_passphrase(self, old: str, new: str, kdf: KdfParameters | None = None) -> None:
        """Replace the passphrase slot that `old` opens; the data stays as it is, and so does the root key.

        Whoever has an older copy of the file and the old passphrase can still open that copy. Works locked or unlocked;
        raises `WrongPassphrase`, `PassphraseRefused`.
        """
        _check_new_passphrase(new)
        with self._guard:
            header = self._header()
            slot, root = _open_slot(header, old, self._path)
            new_slot = _seal_slot(new, kdf, root, header.store_id, slot.slot_id)
            slots = tuple(new_slot if one.slot_id == slot.slot_id else one for one in header.slots)
            keys = primitives.derive_subkeys(root, header.store_id)
            with Session(self._connection, self._path, header.store_id, keys).writing() as writer:
                if self._header() != header:
                    raise Damaged(f"keystore {self._path}: the header changed meanwhile", "try again")
                writer.replace_header(encode_header(replace(header, slots=slots)))

    def _header(self) -> Header:
        with self._guard:
            body, checksum, _ = read_header(self._connection, self._path)
        return check_header(body, checksum)

    def _unlocked(self) -> Session:
        if self._session is None:
            raise Locked(f"keystore {self._path} is locked", "unlock it with its passphrase")
        return self._session


def _check_new_passphrase(passphrase: str) -> None:
    if not passphrase:
        raise PassphraseRefused("the passphrase is empty", "choose one of at least four words or 16 characters")


def _seal_slot(
    passphrase: str, parameters: KdfParameters | None, root: bytes, store_id: bytes, slot_id: int
) -> PassphraseSlot:
    return PassphraseSlot.seal(
        passphrase,
        parameters or kdf.calibrate(),
        root,
        store_id,
        slot_id=slot_id,
        random_bytes=secrets.token_bytes,
    )


def _open_slot(header: Header, passphrase: str, path: Path) -> tuple[PassphraseSlot, bytes]:
    for slot in header.passphrase_slots:
        root = slot.open(passphrase, header.store_id)
        if root is not None:
            return slot, root
    raise WrongPassphrase(f"the passphrase does not open keystore {path}", "check the passphrase and try again")
