"""The door of a vault: made, opened, unlocked, locked, sealed and closed, with everything that watches over it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, RLock
from types import TracebackType
from typing import Self

from keystore.audit import AuditAction, AuditEntry
from keystore.errors import Damaged, InUse, KeystoreError, Locked, StorageFailed, WrongPassphrase
from keystore.passphrase_policy import POLICIES, PolicyName
from keystore.vault import database, kdf, keychain, primitives, seal
from keystore.vault.audit_trail import AuditTrail
from keystore.vault.documents import DocumentShelf
from keystore.vault.header import Header, check_header, encode_header, header_checksum
from keystore.vault.kdf import KdfParameters
from keystore.vault.keychain import Keychain
from keystore.vault.opening import open_root
from keystore.vault.primitives import KEY_BYTES, STORE_ID_BYTES, StoreState, Subkeys
from keystore.vault.session import Clerk, Session, StoreFile, open_store_file, read_header
from keystore.vault.settings import VaultInfo, VaultSettings
from keystore.vault.slot_desk import SlotDesk, check_passphrase
from keystore.vault.slots import Credential, Slot, SlotKind
from keystore.vault.witness import History, HistoryProblem, LockedEvent, Place
from keystore.vault.writer import write_state
from protocols.crypto import forget_keys
from protocols.text import safe_text


class Door:
    """An encrypted store in one file, locked or unlocked."""

    def __init__(self, file: StoreFile, settings: VaultSettings) -> None:
        self._file = file
        self._settings = settings
        self._guard = RLock()
        """Held by one operation at a time."""
        self._door = Lock()
        """Held for a moment: locking must not wait for an operation."""
        self._session: Session | None = None
        self._file_key: bytes | None = None
        self._unsealed = False
        self._data_version = self._epoch = 0
        self._touched = 0.0
        self._lock_reason = ""
        self._on_lock: list[Callable[[], None]] = []
        self._events: list[LockedEvent] = []
        self.history: History | None = None
        self.slots = SlotDesk(file, settings.clerk, self._using, self._written)
        self.audit = AuditTrail(self._using, self._written)
        self.documents = DocumentShelf(self._using, self._written)

    @classmethod
    def create(
        cls,
        path: Path,
        passphrase: str,
        kdf_parameters: KdfParameters | None = None,
        *,
        policy: PolicyName = PolicyName.LENGTH,
        settings: VaultSettings | None = None,
    ) -> Self:
        """Make a new store (mode 0600) and return it unlocked; without parameters the cost is calibrated here.

        Raises `AlreadyExists`, `PassphraseRefused`, `StorageFailed`.
        """
        check_passphrase(passphrase, POLICIES[policy])
        settings = settings or VaultSettings()
        store_id, root = secrets.token_bytes(STORE_ID_BYTES), secrets.token_bytes(KEY_BYTES)
        created_at = settings.now()
        slot = Slot.seal(
            Credential.passphrase(passphrase),
            root,
            store_id,
            slot_id=1,
            parameters=kdf_parameters or kdf.calibrate(),
            created_at=created_at,
        )
        database.create_file(path)
        try:
            file = open_store_file(path, settings.busy_timeout_s)
            try:
                header = Header(store_id, created_at, (slot,), policy)
                session = _first_write(file, header, primitives.derive_subkeys(root, store_id), settings.clerk)
                vault = cls(file, settings)
                vault._begin(session)
                vault._seal()
            except BaseException:
                file.close()
                raise
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return vault

    @classmethod
    def open(cls, path: Path, *, settings: VaultSettings | None = None) -> Self:
        """Open an existing store, locked.

        Raises `NotFound`, `NotAKeystore`, `NewerFormat`, `WorkFactorTooHigh`, `Damaged`.
        """
        settings = settings or VaultSettings()
        file = open_store_file(path, settings.busy_timeout_s)
        try:
            database.check_schema(file.connection, path)
            body, checksum, _ = read_header(file)
            check_header(body, checksum)
        except BaseException:
            file.close()
            raise
        return cls(file, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Vault({str(self._file.path)!r}, {'locked' if self.is_locked else 'unlocked'})"

    @property
    def path(self) -> Path:
        """Where the store is."""
        return self._file.path

    @property
    def is_locked(self) -> bool:
        """True when no key is at hand."""
        return self._session is None

    @property
    def info(self) -> VaultInfo:
        """What the store says of itself without being unlocked; nothing of it is proven."""
        with self._guard:
            header = self.slots.header
        return VaultInfo(
            path=self.path,
            format_version=primitives.FORMAT_VERSION,
            store_id=header.store_id.hex(),
            created_at=header.created_at,
            slots=tuple(safe_text(slot.kind) for slot in header.slots),
            size_bytes=self.path.stat().st_size,
            policy=safe_text(header.policy_name),
        )

    def unlock(self, credential: str | Credential) -> None:
        """Unlock with a passphrase, a recovery key as printed, or a credential.

        Raises `WrongPassphrase` when no slot opens, `RecoveryKeyMistyped`, and `Damaged` when the store was altered.
        What went wrong before is written to the audit log once an unlock succeeds. Look at `history` afterwards.
        """
        with self._guard:
            header = self.slots.header
            try:
                opened = open_root(header, credential, self.path)
            except WrongPassphrase:
                self._note_locked(header, AuditAction.UNLOCK_FAILED)
                raise
            session = opened.session(self._file, self._settings.clerk)
            body, _, mac = read_header(self._file)
            if not primitives.same_bytes(primitives.header_mac(session.keys, body), mac):
                raise Damaged(f"keystore {self.path}: the header was altered", "restore the store from a backup")
            session.state()
            self._begin(session)

    def unlock_from(self, chain: Keychain) -> bool:
        """Unlock with what the system's keychain keeps for a slot; False when it keeps nothing that fits.

        Raises `KeychainUnavailable`.
        """
        header = self.slots.header
        for slot in header.known_slots:
            if slot.kind is SlotKind.KEYCHAIN:
                key = keychain.read_wrapping_key(chain, header.store_id, slot.slot_id)
                if key is not None and slot.open(Credential.keychain_key(key), header.store_id) is not None:
                    self.unlock(Credential.keychain_key(key))
                    return True
        return False

    def lock(self, reason: str = "") -> None:
        """Drop every key, this thread's cached ciphers included; nothing can be looked up until the next `unlock`.

        Does not wait: an operation that is running in another thread ends with the keys it began with. Threads that
        decode hold keys of their own: `keys_epoch` and `on_lock` tell them to forget.
        """
        with self._door:
            was_open = self._session is not None
            self._session = None
            self._lock_reason = reason
            self._epoch += 1
            self._forget()
        forget_keys()
        if was_open:
            for callback in self._on_lock:
                callback()

    def on_lock(self, callback: Callable[[], None]) -> None:
        """Call back after every lock, in the thread that locked; it must return at once and not touch the vault."""
        self._on_lock.append(callback)

    def touch(self) -> None:
        """Say that a person is using the vault: the time to the automatic lock begins anew."""
        self._touched = self._settings.monotonic()

    @property
    def idle_left_s(self) -> float | None:
        """Seconds to the automatic lock; None when it is locked, or never locks automatically."""
        if self._session is None or self._settings.idle_lock_s is None:
            return None
        return max(0.0, self._touched + self._settings.idle_lock_s - self._settings.monotonic())

    def lock_if_idle(self) -> bool:
        """Lock when nobody has used the vault for as long as the settings say; True when it locked now."""
        if self.idle_left_s != 0.0:
            return False
        self.lock(f"nobody used it for {(self._settings.idle_lock_s or 0) / 60:g} minutes")
        return True

    def close(self) -> None:
        """Lock, seal the file if it was written to, and close it."""
        self.lock()
        with self._guard:
            try:
                if self._unsealed:
                    with suppress(KeystoreError):
                        self._seal()
            finally:
                self._file_key = None
                self._file.close()

    @property
    def keys_epoch(self) -> int:
        """A number that changes when answers of `keys_for` may have: after a lock, an unlock, a write of any process.

        Who remembers keys compares it before every use, and forgets them when it is another.
        """
        with self._guard:
            self.lock_if_idle()
            if self._session is not None:
                self._follow_writers(self._session)
            return self._epoch

    def seal(self) -> None:
        """Bring the seal over the file's bytes up to date now; `close` does it too."""
        with self._using():
            self._seal()

    def accept_history(self) -> None:
        """Take the store as it is: from now on this history is the one that is expected here. Audited."""
        if self.history is not None:
            found, self.history = self.history, None
            self.audit.note(AuditAction.OLDER_COPY_ACCEPTED, self.path.name, found=found.text)

    @contextmanager
    def held_still(self) -> Iterator[Session]:
        """Keep everyone from writing while the file's bytes are read."""
        with self._using() as session, database.faults_named(self.path):
            self._file.connection.execute("BEGIN")
            try:
                session.state()
                yield session
            finally:
                self._file.connection.execute("ROLLBACK")

    @contextmanager
    def _using(self, *, by_user: bool = True) -> Iterator[Session]:
        """Hand out the session to one operation; raises `Locked`."""
        with self._guard:
            self.lock_if_idle()
            session = self._session
            if session is None:
                reason = f": {self._lock_reason}" if self._lock_reason else ""
                raise Locked(f"keystore {self.path} is locked{reason}", "unlock it with its passphrase")
            if by_user:
                self.touch()
            yield session
            if by_user:
                self.touch()

    def _begin(self, session: Session) -> None:
        """Let the session in, look at what is remembered of the store, and write down what happened while locked."""
        self._file_key = session.keys.file
        generation = session.state().generation
        self._unsealed = seal.was_left_behind(self._file.connection, self.path, self._file_key, generation)
        self._check_history(session)
        with self._door:
            self._session = session
            self._lock_reason = ""
            self._epoch += 1
        self.touch()
        self._write_down_events(session)
        self._keep_witness(session)

    def _check_history(self, session: Session) -> None:
        witness = self._settings.witness
        seen = None if witness is None else witness.read(session.store_id, self.path, session.keys)
        self.history = None
        if seen is None or not seen.audit_entries:
            return
        state = session.state()
        if state.audit_entries >= seen.audit_entries and session.link_of(seen.audit_entries) == seen.audit_head:
            return
        older = state.generation < seen.generation
        problem = HistoryProblem.OLDER if older else HistoryProblem.OTHER
        self.history = History(problem, seen, state.generation)

    def _keep_witness(self, session: Session) -> None:
        """Remember how far the store went, unless it is not the one that is remembered."""
        witness = self._settings.witness
        if witness is not None and self.history is None:
            state = session.state()
            place = Place(state.generation, state.audit_entries, state.audit_head)
            witness.write(session.store_id, self.path, session.keys, place)

    def _note_locked(self, header: Header, action: AuditAction) -> None:
        """Remember what happens while nobody has the keys, for the audit log."""
        event = LockedEvent(action, self._settings.now())
        if self._settings.witness is None:
            self._events.append(event)
        else:
            self._settings.witness.add_event(header.store_id, self.path, event)

    def _write_down_events(self, session: Session) -> None:
        witness = self._settings.witness
        events = [*self._events, *(() if witness is None else witness.events(session.store_id, self.path))]
        if not events:
            return
        with suppress(StorageFailed, InUse), session.writing() as writer:
            for event in events:
                detail = {"while_locked": event.detail} if event.detail else {}
                writer.append(AuditEntry(0, event.at, event.action, self.path.name, "", detail))
            self._events.clear()
            self._unsealed = True
            if witness is not None:
                witness.forget_events(session.store_id, self.path)

    def _written(self) -> None:
        """Follow up on a write of this vault."""
        with self._door:
            session = self._session
            self._epoch += 1
            self._unsealed = True
            self._forget()
        if session is not None:
            self._keep_witness(session)

    def _follow_writers(self, session: Session) -> bool:
        """Forget what was remembered when another connection has written; True when it was so."""
        version = session.data_version()
        if version == self._data_version:
            return False
        with self._door:
            self._data_version = version
            self._epoch += 1
            self._forget()
        return True

    def _forget(self) -> None:
        """Drop what was remembered of the content; called with the door held."""

    def _seal(self) -> None:
        if self._file_key is None:
            return
        connection, path = self._file.connection, self.path
        with database.transaction(connection, path):
            (generation,) = connection.execute("SELECT generation FROM state WHERE id = 1").fetchone()
            if seal.sealed_generation(connection, path) != generation:
                seal.seal_file(connection, path, self._file.bytes, self._file_key, generation)
        self._unsealed = False


def _first_write(file: StoreFile, header: Header, keys: Subkeys, clerk: Clerk) -> Session:
    """Write the tables of a new store, its header, and the first entry of its audit log."""
    body = encode_header(header)
    connection = file.connection
    with database.transaction(connection, file.path):
        connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {primitives.FORMAT_VERSION}")
        for table in database.SCHEMA.values():
            connection.execute(table)
        mac = primitives.header_mac(keys, body)
        connection.execute("INSERT INTO header VALUES (1, ?, ?, ?)", (body, header_checksum(body), mac))
        connection.execute("INSERT INTO seal VALUES (1, ?)", (seal.UNSEALED,))
        write_state(connection, keys, StoreState(), body)
    session = Session(file, header.store_id, keys, clerk)
    with session.writing() as writer:
        writer.note(AuditAction.STORE_CREATED, file.path.name)
    return session
