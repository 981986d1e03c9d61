"""A field meter's state in a file: written whole or not at all, before the meter answers."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from simulators.errors import SimulatorError
from simulators.field_meter.state import MeterState, state_of

LARGEST_FILE: Final = 1 << 22


class StateFile:
    """One meter's file; made for its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> MeterState | None:
        """Return the state, None when there is no file yet; raises `SimulatorError`."""
        try:
            with self.path.open("rb") as file:
                data = file.read(LARGEST_FILE)
            return state_of(json.loads(data))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SimulatorError(f"{self.path} cannot be read: {error.strerror}", "choose another file") from error
        except (ValueError, RecursionError):
            raise SimulatorError(f"{self.path} is not a meter's state", "delete it to start again") from None

    def save(self, state: MeterState) -> None:
        """Write the state; raises `SimulatorError`, and then the old one is still there."""
        text = json.dumps(state.to_document(), indent=1)
        name = ""
        try:
            number, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
            _write_through(self.path.parent)
        except OSError as error:
            if name:
                Path(name).unlink(missing_ok=True)
            raise SimulatorError(
                f"the meter's state cannot be written to {self.path}: {error.strerror}", "choose another file"
            ) from error


def _write_through(folder: Path) -> None:
    """Let the new name outlive a power failure too, where that can be had; the file is there already."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
