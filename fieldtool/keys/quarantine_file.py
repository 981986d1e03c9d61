"""The rows of a key file that could not be imported, in a table beside it, with their keys masked."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from keystore.formats import ImportRow, table_line

SUFFIX = ".quarantine.csv"
HEADER = ("Row", "Meter", "Reason", "Warnings", "What the row says")


def quarantine_path(path: Path) -> Path:
    """Return where the wrong rows of a key file go."""
    return path.with_name(f"{path.name}{SUFFIX}")


class QuarantineFile:
    """Takes the wrong rows of one key file; the table appears under its name when `keep` is called, and only then.

    A folder that cannot be written keeps no key out of the store: `problem` says then why there is no table.
    """

    def __init__(self, key_file: Path) -> None:
        self.path = quarantine_path(key_file)
        self.problem = ""
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> QuarantineFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # What could not be written before is tried once more here.
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._part.unlink(missing_ok=True)
            self._file = None

    def add(self, row: ImportRow) -> None:
        """Write one row."""
        if self.problem:
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(table_line((str(row.row), row.meter, row.reason, "; ".join(row.warnings), row.said)))
        except OSError as error:
            self.problem = error.strerror or "it cannot be written"

    def keep(self) -> bool:
        """Give the table its name, in place of one of an earlier import; False when there is none."""
        if self._file is None or self.problem:
            return False
        try:
            self._file.close()
            self._part.replace(self.path)
        except OSError as error:
            self.problem = error.strerror or "it cannot be written"
            return False
        self._file = None
        return True

    def _open(self) -> TextIO:
        self._part.unlink(missing_ok=True)
        number = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        file = os.fdopen(number, "w", encoding="utf-8-sig", newline="")
        file.write(table_line(HEADER))
        return file
