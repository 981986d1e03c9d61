"""A store as one sealed file with a passphrase of its own, and back, proven byte for byte.

The plain text of a backup is a short description, the root key, every byte of the store's file, and their SHA-256. What
is restored is that file: the same records, audit log, unlock slots and store id, openable with the passphrases the
store had then. Because the root key is in the backup too, its passphrase alone is enough to make a new passphrase slot
when those are lost, and for the same reason it must be as good as the store's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from keystore.audit import AuditAction
from keystore.errors import Damaged, StorageFailed
from keystore.vault import database, primitives
from keystore.vault.header import check_header
from keystore.vault.kdf import KdfParameters
from keystore.vault.opening import open_root
from keystore.vault.primitives import DIGEST_BYTES, KEY_BYTES
from keystore.vault.sealed_file import read_sealed, write_sealed
from keystore.vault.session import Session, StoreFile, open_store_file, read_header
from keystore.vault.settings import VaultSettings
from keystore.vault.slot_desk import add_passphrase_with_root, check_passphrase
from keystore.vault.slots import Credential
from keystore.vault.vault import Vault
from keystore.vault.verify import verify_session
from keystore.vault.witness import LockedEvent

PURPOSE: Final = "keystore backup"
_VERSION: Final = 1
_MAX_DESCRIPTION: Final = 4096


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was written: the SHA-256 of the store's file inside, its size and what it holds."""

    sha256: str
    size_bytes: int
    records: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored: byte for byte the file of that SHA-256, with this many records, of this generation."""

    sha256: str
    size_bytes: int
    records: int
    audit_entries: int
    generation: int


def write_backup(
    vault: Vault,
    path: Path,
    passphrase: str,
    credential: str | Credential,
    kdf_parameters: KdfParameters | None = None,
) -> BackupReport:
    """Write a backup of an unlocked vault to a new file (mode 0600); audited.

    `credential` must open the store: the root key is not kept while it is unlocked. Raises `WrongPassphrase`,
    `PassphraseRefused`, `AlreadyExists`, `StorageFailed`.
    """
    check_passphrase(passphrase, vault.slots.policy)
    root = open_root(vault.slots.header, credential, vault.path).root
    # The entry must be in the backup, but not in the log where no backup can be made.
    database.create_file(path)
    try:
        vault.audit.note(AuditAction.BACKED_UP, path.name)
        vault.seal()
        with path.open("wb") as out, vault.held_still() as session:
            records = session.state().records
            digest = hashlib.sha256()
            size = session.file.bytes.size()
            description = {"v": _VERSION, "store_id": session.store_id.hex(), "size": size, "records": records}
            write_sealed(out, _plain(session.file, root, description, digest), passphrase, PURPOSE, kdf_parameters)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageFailed(f"{path} cannot be written: {error.strerror}", "choose another place") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return BackupReport(digest.hexdigest(), size, records)


def restore_backup(
    backup: Path,
    passphrase: str,
    path: Path,
    *,
    settings: VaultSettings | None = None,
    new_passphrase: str | None = None,
    kdf_parameters: KdfParameters | None = None,
) -> RestoreReport:
    """Restore a store to a path where nothing is, and verify it: file digest, every row and the audit log.

    With `new_passphrase` that passphrase is added to the restored store, which is its first change: for when those of
    the store are lost. That it was restored comes into its audit log at the next unlock. Raises `AlreadyExists`,
    `WrongPassphrase`, `Damaged`, `StorageFailed`; nothing is left at `path` then.
    """
    if path.exists():
        raise database.exists_already(path)
    fresh = path.with_name(f"{path.name}.restoring")
    database.create_file(fresh)
    try:
        with backup.open("rb") as source, fresh.open("wb") as out:
            root, digest = _unpack(read_sealed(source, passphrase, PURPOSE, str(backup)), out, backup)
            out.flush()
            os.fsync(out.fileno())
        report = _verified(fresh, backup, root, digest, settings or VaultSettings(), new_passphrase, kdf_parameters)
        _put_in_place(fresh, path)
    except OSError as error:
        raise StorageFailed(
            f"{path} cannot be restored from {backup}: {error.strerror}", "check both paths, and the space there"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    if settings is not None and settings.witness is not None:
        with Vault.open(path) as vault:
            store_id = vault.slots.header.store_id
        settings.witness.forget(store_id, path)
        event = LockedEvent(AuditAction.RESTORED, settings.now(), f"from {backup.name}")
        settings.witness.add_event(store_id, path, event)
    return report


def _plain(file: StoreFile, root: bytes, description: dict[str, object], digest: hashlib._Hash) -> Iterator[bytes]:
    head = json.dumps(description, separators=(",", ":")).encode()
    yield len(head).to_bytes(4) + head + root
    for chunk in file.bytes.chunks():
        digest.update(chunk)
        yield chunk
    yield digest.digest()


def _unpack(chunks: Iterator[bytes], out: BinaryIO, backup: Path) -> tuple[bytes, str]:
    """Write the file of a backup's plain text; return the root key and the file's SHA-256 in hex."""
    buffer = bytearray(next(chunks))
    length = int.from_bytes(buffer[:4])
    start = 4 + length + KEY_BYTES
    if length > _MAX_DESCRIPTION or len(buffer) < start:
        raise _not_a_backup(backup)
    try:
        description = json.loads(buffer[4 : 4 + length])
        version, size = int(description["v"]), int(description["size"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise _not_a_backup(backup) from None
    if version != _VERSION:
        raise _not_a_backup(backup)
    root = bytes(buffer[4 + length : start])
    del buffer[:start]
    digest, left = hashlib.sha256(), size
    while left > 0:
        part = bytes(buffer[:left])
        del buffer[: len(part)]
        digest.update(part)
        out.write(part)
        left -= len(part)
        if left > 0:
            buffer += next(chunks, b"")
            if not buffer:
                raise _not_a_backup(backup)
    for chunk in chunks:
        buffer += chunk
        if len(buffer) > DIGEST_BYTES:
            break
    if not primitives.same_bytes(bytes(buffer), digest.digest()):
        raise _not_a_backup(backup)
    return root, digest.hexdigest()


def _verified(
    path: Path,
    backup: Path,
    root: bytes,
    digest: str,
    settings: VaultSettings,
    new_passphrase: str | None,
    kdf_parameters: KdfParameters | None,
) -> RestoreReport:
    """Check the restored file as `verify` does, with the root key of the backup; then add the new passphrase."""
    file = open_store_file(path, settings.busy_timeout_s)
    try:
        database.check_schema(file.connection, path)
        body, checksum, _ = read_header(file)
        header = check_header(body, checksum)
        session = Session(file, header.store_id, primitives.derive_subkeys(root, header.store_id), settings.clerk)
        found = verify_session(session)
        if not found.ok or not found.sealed:
            text = found.problems[0].text if found.problems else "the file was not sealed"
            raise Damaged(f"{backup} holds a store that is not what was backed up: {text}", "use another backup")
        state, size = session.state(), file.bytes.size()
        if new_passphrase is not None:
            add_passphrase_with_root(file, settings.clerk, root, new_passphrase, kdf_parameters)
    finally:
        file.close()
    return RestoreReport(digest, size, state.records, state.audit_entries, state.generation)


def _put_in_place(fresh: Path, path: Path) -> None:
    """Give the restored file its name, unless that was taken meanwhile."""
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        raise database.exists_already(path) from None
    except (OSError, NotImplementedError):
        # No links on this file system: Windows refuses to rename over a file, others were asked before.
        with suppress(FileNotFoundError):
            fresh.rename(path)


def _not_a_backup(backup: Path) -> Damaged:
    return Damaged(f"what is in {backup} is not a keystore", "use another backup")
