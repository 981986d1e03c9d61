"""The SQLite file under a store: how it is made, opened and written to, and its faults as keystore errors.

Rollback journal, not WAL: at rest a store is one file, which can be copied, and it works on network drives. Readers and
writers of several processes share it through SQLite's locks; the journal beside it holds old pages, which are sealed
like the rest, and takes over the file's mode 0600.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from keystore.errors import (
    AlreadyExists,
    Damaged,
    InUse,
    KeystoreError,
    NewerFormat,
    NotAKeystore,
    NotFound,
    StorageFailed,
)
from keystore.vault.primitives import FORMAT_VERSION

APPLICATION_ID: Final = 0x46544B53
"""`FTKS`, in the SQLite header's application id field."""

PRIVATE_MODE: Final = 0o600
PRIVATE_FOLDER_MODE: Final = 0o700

SCHEMA: Final = {
    "header": "CREATE TABLE header (id INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum BLOB NOT NULL, "
    "mac BLOB NOT NULL)",
    "state": "CREATE TABLE state (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, items INTEGER NOT NULL, "
    "records INTEGER NOT NULL, lookups INTEGER NOT NULL, audit_entries INTEGER NOT NULL, set_hash BLOB NOT NULL, "
    "audit_head BLOB NOT NULL, mac BLOB NOT NULL)",
    "item": "CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, generation INTEGER NOT NULL, "
    "sealed BLOB NOT NULL)",
    "lookup": "CREATE TABLE lookup (term BLOB NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (term, item)) WITHOUT ROWID",
    "audit": "CREATE TABLE audit (number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, sealed BLOB NOT NULL, "
    "link BLOB NOT NULL)",
    "seal": "CREATE TABLE seal (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
}

_SETTINGS: Final = (
    "PRAGMA journal_mode = DELETE",
    # EXTRA also syncs the folder after the journal is gone: a committed batch survives a power cut.
    "PRAGMA synchronous = EXTRA",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA mmap_size = 0",
    "PRAGMA cache_size = -32768",
)

_RESTORE = "restore the store from a backup"
_FAULTS: Final[dict[int, tuple[type[KeystoreError], str, str]]] = {
    sqlite3.SQLITE_BUSY: (InUse, "is being written by another process", "close the other program or try again"),
    sqlite3.SQLITE_LOCKED: (InUse, "is being written by another process", "close the other program or try again"),
    sqlite3.SQLITE_NOTADB: (NotAKeystore, "is not a keystore", "name another file with --store"),
    sqlite3.SQLITE_CORRUPT: (Damaged, "is damaged", _RESTORE),
    sqlite3.SQLITE_FORMAT: (Damaged, "is damaged", _RESTORE),
    sqlite3.SQLITE_FULL: (StorageFailed, "cannot be written: the disk is full", "free some space and try again"),
    sqlite3.SQLITE_READONLY: (StorageFailed, "cannot be written: it is read-only", "check the file's permissions"),
    sqlite3.SQLITE_PERM: (StorageFailed, "may not be opened", "check the file's permissions"),
    sqlite3.SQLITE_AUTH: (StorageFailed, "may not be opened", "check the file's permissions"),
    sqlite3.SQLITE_CANTOPEN: (StorageFailed, "cannot be opened", "check the permissions of the file and its folder"),
    sqlite3.SQLITE_IOERR: (StorageFailed, "cannot be read or written: input/output error", "check the disk"),
    sqlite3.SQLITE_NOMEM: (StorageFailed, "needs more memory than there is", "close other programs and try again"),
    sqlite3.SQLITE_TOOBIG: (Damaged, "holds a row that is too long", _RESTORE),
    sqlite3.SQLITE_CONSTRAINT: (Damaged, "contradicts itself", _RESTORE),
    sqlite3.SQLITE_MISMATCH: (Damaged, "holds a value of the wrong type", _RESTORE),
    sqlite3.SQLITE_ERROR: (Damaged, "does not have the tables of a keystore", _RESTORE),
}
"""SQLite's primary result codes: error class, what to say of the store, what to do."""


def file_size_limit() -> int | None:
    """Return the longest that this process may make a file, None where nothing limits it."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn SQLite's exceptions into keystore errors that name the store."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault_of(error, path) from error


def fault_of(error: sqlite3.Error, path: Path) -> KeystoreError:
    """Return the keystore error that names the store; for what runs too often to open a context each time."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    limit = file_size_limit() if code == sqlite3.SQLITE_IOERR_WRITE else None
    if limit is not None:
        return StorageFailed(
            f"keystore {path} cannot be written: no file may be longer than {limit:,} bytes here",
            "raise the limit (ulimit -f), or keep the store where there is none",
        )
    kind, text, hint = _FAULTS.get(code & 0xFF, (StorageFailed, "failed", "check the disk and the file's permissions"))
    return kind(f"keystore {path} {text}", hint)


def exists_already(path: Path) -> AlreadyExists:
    """Return the error of a store that would be made where something is."""
    return AlreadyExists(f"{path} exists already", "a store is never overwritten: choose another path")


def create_file(path: Path) -> None:
    """Make an empty file with mode 0600; `AlreadyExists` when something is there, `StorageFailed` when it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER_MODE)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_MODE))
    except FileExistsError:
        raise exists_already(path) from None
    except OSError as error:
        raise StorageFailed(
            f"{path} cannot be made: {error.strerror}", "check the folder and its permissions"
        ) from error


def connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open an existing store's file with the settings of the format; `NotFound` when there is none."""
    if path.is_dir():
        raise NotAKeystore(f"{path} is a folder, not a keystore", "name the keystore's file with --store")
    if not path.is_file():
        raise NotFound(f"there is no keystore at {path}", "check its name, or make one with: fieldtool store create")
    with faults_named(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            with _schema_readable(path):
                for setting in _SETTINGS:
                    connection.execute(setting)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def _schema_readable(path: Path) -> Iterator[None]:
    """Catch what comes of a damaged schema: SQLite quotes it in its message, and Python cannot read the quote."""
    try:
        yield
    except UnicodeDecodeError:
        raise Damaged(f"keystore {path} does not have the tables of a keystore", _RESTORE) from None


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise unless the file holds exactly the tables of the format: no trigger or view may stand behind them."""
    with faults_named(path), _schema_readable(path):
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    if not found and not path.stat().st_size:
        raise Damaged(f"keystore {path} is empty: its creation was interrupted", "delete the file and create it again")
    if application_id != APPLICATION_ID:
        raise NotAKeystore(f"{path} is not a keystore", "name another file with --store")
    if version > FORMAT_VERSION:
        raise NewerFormat(
            f"keystore {path} has format {version}, which is newer than this program", "update the program"
        )
    if dict(found) != SCHEMA:
        raise Damaged(f"keystore {path} does not have the tables of format 1", _RESTORE)


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, *, dry_run: bool = False) -> Iterator[None]:
    """Run the body as one write transaction: all of it is committed, or nothing; nothing ever for a dry run."""
    with faults_named(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("ROLLBACK" if dry_run else "COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
