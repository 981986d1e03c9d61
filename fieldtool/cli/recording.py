"""The capture that `listen --record` appends to, beside lines and beside screens."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldtool.errors import InputError, OutputError
from fieldtool.pipeline.pipeline import PASTED
from fieldtool.replay.packed import unpacked
from fieldtool.sources.events import SourceEvent, SourceState
from protocols.captures.hex_lines import format_line
from protocols.model import RawFrame, Telegram

_ANOTHER_FILE: Final = "choose another file for --record"


class Recording:
    """A capture that grows by one line a frame, duplicates too; raises `OutputError` where it cannot be written.

    A line that was cut before, as by a battery that ran out, stays a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        try:
            self._between = _line_end_missing(path)
            self._file = path.open("a", encoding="ascii", newline="\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._event = SourceEvent(path.name, SourceState.RECORDING, f"recording to {path}", datetime.now(UTC))

    def write(self, frame: RawFrame) -> None:
        """Append a frame, so that it is in the file whatever happens next."""
        try:
            self._file.write(f"{self._between}{format_line(frame)}\n")
            self._file.flush()
            self._between = ""
        except OSError as error:
            # What is still waiting to be written must not fail once more when the file is closed.
            self.close()
            raise self._unwritable(error) from error

    def write_beside(self, telegram: Telegram, duplicate: bool) -> None:
        """Append the frame of a telegram while screens are shown: reception goes on where that fails, see `event`.

        What was pasted is left out: no receiver of this place heard it.
        """
        if self._file.closed or telegram.frame.source == PASTED:
            return
        try:
            self.write(telegram.frame)
        except OutputError as error:
            failed, now = SourceState.FAILED, datetime.now(UTC)
            self._event = SourceEvent(self._event.source, failed, error.message, now, error.hint, final=True)

    @property
    def event(self) -> SourceEvent:
        """How it stands with the capture, for a status bar."""
        return self._event

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"{self._name} cannot be written: {error.strerror}", _ANOTHER_FILE)


def _line_end_missing(path: Path) -> str:
    """The end of line that a capture lacks; raises `OutputError` where it is packed, `OSError` where it is not read."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        try:
            is_packed = unpacked(file, str(path)) is not None
        except InputError:
            is_packed = True
        if is_packed:
            raise OutputError(f"{path} is packed, and cannot be appended to", _ANOTHER_FILE)
        if not file.seek(0, os.SEEK_END):
            return ""
        file.seek(-1, os.SEEK_END)
        return "" if file.read(1) == b"\n" else "\n"
