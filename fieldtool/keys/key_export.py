"""Keys out of the store into a file: chosen, counted, written down in the audit log, and only then put on the disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldtool.errors import OutputError
from keystore.audit import AuditAction
from keystore.formats import WriteOptions, Written, chosen, write_export
from keystore.model import KeyRecord
from keystore.vault import Vault


@dataclass(frozen=True, slots=True)
class Selection:
    """Which keys are meant; an empty selection means all. Texts are compared whole, without regard to case.

    `meters` are numbers in any spelling. `transferred` includes the keys of meters that were given away.
    """

    meters: tuple[str, ...] = ()
    owner: str = ""
    order: str = ""
    batch_reference: str = ""
    transferred: bool = False


def select(vault: Vault, selection: Selection) -> list[KeyRecord]:
    """Return the keys of a selection that may leave, oldest first."""
    records: Iterable[KeyRecord] = vault.records()
    if selection.meters:
        # Best first becomes best last, as in the whole store: a format of one key a role takes the last.
        records = dict.fromkeys(record for number in selection.meters for record in reversed(vault.find(number)))
    return chosen([record for record in records if _fits(record, selection)], transferred=selection.transferred)


def unknown_meters(vault: Vault, selection: Selection) -> list[str]:
    """Return the numbers of a selection for which nothing is filed."""
    return [number for number in selection.meters if not vault.find(number)]


def export(
    vault: Vault, path: Path, format_name: str, records: Sequence[KeyRecord], options: WriteOptions, *, force: bool
) -> Written:
    """Write records into a file, or into a folder of files, that only the user can read.

    Nothing is overwritten without `force`. What leaves is in the audit log before it is on the disk. Raises
    `OutputError`, and what `write_export` raises.
    """
    written = write_export(format_name, records, options)
    paths = [path / name if name else path for name in written.files]
    for one in (path, *paths):
        if one.exists() and not force and not (one.is_dir() and one not in paths):
            raise OutputError(f"{one} exists already", "choose another name, or --force to replace it")
    vault.audit.note(
        AuditAction.EXPORTED,
        path.name,
        format=format_name,
        keys=str(written.keys),
        meters=str(written.meters),
    )
    try:
        if paths != [path]:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one, data in zip(paths, written.files.values(), strict=True):
            _write(one, data, force=force)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "choose another place") from error
    return written


def _fits(record: KeyRecord, selection: Selection) -> bool:
    wanted = (
        (selection.owner, record.owner),
        (selection.order, record.order),
        (selection.batch_reference, record.batch_reference),
    )
    return all(not text or text.casefold() == said.casefold() for text, said in wanted)


def _write(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file for the user alone (mode 0600 from its first byte); what cannot be written whole is not there."""
    if force:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
    else:
        # Exclusive: a file of that name that somebody made meanwhile stays as it is.
        number, part = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), path
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
