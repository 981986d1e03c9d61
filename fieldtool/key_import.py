"""Key files into the store: read, with the file's password when it needs one, and file the keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldtool.errors import InputError
from keystore.errors import PasswordNeeded
from keystore.formats import ImportBatch, read_export
from keystore.vault import PutResult, Vault


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one key file: its rows as read, and what the store made of those that were ready."""

    path: Path
    batch: ImportBatch
    put: PutResult

    @property
    def all_well(self) -> bool:
        """True when no row was quarantined."""
        return not self.batch.quarantined


def read_key_file(path: Path, password: str | None, ask: Callable[[str], str]) -> ImportBatch:
    """Read one key file; `ask` is called with a question when it needs a password and none was given.

    Raises `InputError` for files that cannot be read, and `ImportRejected` for those that are no key files.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"{path}: {reason}", "check the name and whether you may read it") from error
    try:
        return read_export(data, path.name, password)
    except PasswordNeeded:
        if password is not None:
            raise
        return read_export(data, path.name, ask(f"password of {path.name}: "))


def import_batches(
    vault: Vault, batches: Sequence[tuple[Path, ImportBatch]], *, dry_run: bool = False
) -> list[Imported]:
    """File the keys of several files, each in one transaction; with `dry_run` say what would happen."""
    return [Imported(path, batch, vault.put(batch.ready, dry_run=dry_run)) for path, batch in batches]
