"""Key files into the store: read row by row, with their passwords, and all of them filed in one transaction."""

from __future__ import annotations

import getpass
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldtool.access import ATTEMPTS
from fieldtool.errors import InputError
from fieldtool.keys.quarantine_file import QuarantineFile
from keystore.errors import PasswordNeeded, WrongPassword
from keystore.formats import ImportRow, ImportStream, ReadOptions, open_export
from keystore.lint import ONE_FOR_ALL, LintRule, lint
from keystore.model import KeyRecord, Provenance
from keystore.vault import PutResult, PutVerdict, Vault

ODD_ROWS_KEPT: Final = 50
"""Rows with warnings or reasons that are kept for showing; all the wrong ones are in the quarantine file."""

FILE_LIMIT: Final = 512 * 1024 * 1024
"""Bytes of a key file; a table of a million keys has a fifth of it. A device file or a disk image has no end."""

LINT_BATCH: Final = 500

Progress = Callable[[float | None], None]
"""Told of every row: how much of the file has been read, 0 to 1, when that is known."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file as it was read from the disk, once: what is shown and what is imported cannot differ."""

    path: Path
    data: bytes = field(repr=False)
    options: ReadOptions
    read_at: datetime

    def open(self) -> ImportStream:
        """Return the file's rows; raises `ImportRejected`, and so do the rows."""
        return open_export(self.data, self.path.name, self.options, imported_at=self.read_at)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one key file: counts of its keys by verdict, and the rows that are worth a word.

    `weak` counts keys that protect nothing, `shared` those that another meter of these files has too. `quarantine` is
    the table of wrong rows that was written, `quarantine_problem` says why there is none.
    """

    path: Path
    source: Provenance
    warnings: tuple[str, ...]
    put: PutResult
    quarantined: int
    odd_rows: tuple[ImportRow, ...]
    odd_count: int
    weak: int = 0
    quarantine: Path | None = None
    quarantine_problem: str = ""

    @property
    def all_well(self) -> bool:
        """True when no row was quarantined."""
        return not self.quarantined


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row: `new`, `same`, `changed` or `quarantined`."""

    path: Path
    row: ImportRow
    verdict: str


def read_key_file(path: Path, options: ReadOptions, ask: Callable[[str], str]) -> KeyFile:
    """Read one key file; `ask` is called, up to three times, when it needs a password and none was given.

    Raises `InputError` for files that cannot be read, and `ImportRejected` for those that are no key files.
    """
    try:
        with path.open("rb") as opened:
            data = opened.read(FILE_LIMIT + 1)
    except OSError as error:
        if path.is_dir():
            raise InputError(f"{path}: it is a folder", "name the files in it") from error
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"{path}: {reason}", "check the name and whether you may read it") from error
    if len(data) > FILE_LIMIT:
        raise InputError(f"{path}: larger than {FILE_LIMIT:,} bytes, which no key file is", "is it the right file?")
    file = KeyFile(path, data, replace(options, imported_by=options.imported_by or user_name()), datetime.now(UTC))
    try:
        file.open()
    except PasswordNeeded:
        if options.password is not None:
            raise
        return _opened_by_asking(file, ask)
    return file


def _opened_by_asking(file: KeyFile, ask: Callable[[str], str]) -> KeyFile:
    """Ask until the password fits, three times; the question says what was wrong with the one before."""
    question = f"password of {file.path.name}: "
    for attempt in range(1, ATTEMPTS + 1):
        tried = replace(file, options=replace(file.options, password=ask(question)))
        try:
            tried.open()
        except WrongPassword as error:
            if attempt == ATTEMPTS:
                raise
            question = f"{error.message}\npassword of {file.path.name}: "
        else:
            return tried
    raise AssertionError("the last attempt returns or raises")


def import_files(
    vault: Vault, files: Sequence[KeyFile], *, dry_run: bool = False, progress: Progress | None = None
) -> tuple[list[Imported], int]:
    """File the keys of all files in one transaction; return what became of each, and how many meters share keys.

    With `dry_run` nothing is changed, and no quarantine file is written. Raises `ImportRejected` when any file cannot
    be read to its end: nothing is kept then.
    """
    tallies = [_Tally(file) for file in files]
    shared = _SharedKeys()
    with ExitStack() as stack:
        if not dry_run:
            for tally in tallies:
                tally.quarantine_file = stack.enter_context(QuarantineFile(tally.file.path))
        result = vault.put(_records(tallies, shared, progress), dry_run=dry_run)
        imported = []
        begin = 0
        for tally in tallies:
            part = result.verdicts[begin : begin + tally.ready]
            begin += tally.ready
            imported.append(tally.imported(PutResult(part)))
    return imported, shared.count()


def row_outcomes(files: Iterable[KeyFile], verdicts: Iterable[PutVerdict]) -> Iterator[RowOutcome]:
    """Yield every row of the files with its verdict, by reading them once more: a million rows need no memory."""
    following = iter(verdicts)
    for file in files:
        for row in file.open().rows:
            verdict = "quarantined" if row.record is None else str(next(following))
            yield RowOutcome(file.path, row, verdict)


def user_name() -> str:
    """Return the user's name on this computer, empty when the system does not tell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


class _Tally:
    """What one file's rows come to while they pass."""

    def __init__(self, file: KeyFile) -> None:
        self.file = file
        self.quarantine_file: QuarantineFile | None = None
        self.ready = self.quarantined = self.odd = self.weak = 0
        self.odd_rows: list[ImportRow] = []
        self.stream = file.open()

    def records(self, progress: Progress | None) -> Iterator[KeyRecord]:
        """Yield the records that can be filed."""
        lines = self.stream.lines
        for row in self.stream.rows:
            if row.record is None:
                self.quarantined += 1
                if self.quarantine_file is not None:
                    self.quarantine_file.add(row)
            if row.reason or row.warnings:
                self.odd += 1
                if len(self.odd_rows) < ODD_ROWS_KEPT:
                    self.odd_rows.append(row)
            if progress is not None:
                progress(row.row / lines if lines else None)
            if row.record is not None:
                self.ready += 1
                yield row.record

    def imported(self, put: PutResult) -> Imported:
        """Return what became of the file, and give its wrong rows their place."""
        table = self.quarantine_file
        kept = table is not None and table.keep()
        return Imported(
            path=self.file.path,
            source=self.stream.source,
            warnings=self.stream.warnings,
            put=put,
            quarantined=self.quarantined,
            odd_rows=tuple(self.odd_rows),
            odd_count=self.odd,
            weak=self.weak,
            quarantine=table.path if table is not None and kept else None,
            quarantine_problem=table.problem if table is not None else "",
        )


class _SharedKeys:
    """Counts the meters whose key another meter has too; of a million keys it remembers 16 bytes each."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._meters = array("q")

    def add(self, record: KeyRecord) -> None:
        """Remember a key and whose it is."""
        if record.role not in ONE_FOR_ALL:
            self._keys.append(hash(record.value))
            self._meters.append(hash((record.value, record.number, record.dev_eui)))

    def count(self) -> int:
        """Return how many meters have a key that was another meter's before."""
        return len(set(self._meters)) - len(set(self._keys))


def _records(tallies: Iterable[_Tally], shared: _SharedKeys, progress: Progress | None) -> Iterator[KeyRecord]:
    for tally in tallies:
        watched: list[KeyRecord] = []
        for record in tally.records(progress):
            if record.value:
                shared.add(record)
                watched.append(record)
            if len(watched) == LINT_BATCH:
                tally.weak += _weak(watched)
                watched.clear()
            yield record
        tally.weak += _weak(watched)


def _weak(records: Sequence[KeyRecord]) -> int:
    return sum(finding.rule is not LintRule.SHARED for finding in lint(records))
