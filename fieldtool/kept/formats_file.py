"""Compact-frame formats kept from one run to the next: a small JSON file of record headers in hex."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from protocols.errors import ProtocolError
from protocols.mbus.compact import MAX_FORMATS, FormatLibrary, format_signature, shipped_formats, split_headers

FORMATS_VARIABLE: Final = "FIELDTOOL_FORMATS"
FORMATS_NAME: Final = "formats.json"
VERSION: Final = 1
SIZE_LIMIT: Final = 4 << 20
"""Bytes; `MAX_FORMATS` of the longest formats that fit a frame take half of it."""

HEADERS_LIMIT: Final = 255
"""Bytes; the headers of one frame."""


@dataclass(frozen=True, slots=True)
class FormatsFile:
    """The formats of one file; `problem` says in one line why it is left alone, empty when all is well."""

    path: Path
    formats: FormatLibrary = field(default_factory=FormatLibrary)
    problem: str = ""

    @property
    def library(self) -> FormatLibrary:
        """What a decoder starts with: the shipped formats and those of the file."""
        return shipped_formats().joined(self.formats)


class _Unusable(Exception):
    """What is wrong with the content of a formats file."""


def choose_formats(option: str | None) -> Path:
    """Settle the file: option, else environment, else the platform's data folder."""
    named = option or os.environ.get(FORMATS_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("fieldtool", appauthor=False)) / FORMATS_NAME


def load_formats(path: Path) -> FormatsFile:
    """Read a formats file; never raises: no file is no formats, an unusable one is told in `problem`."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        return FormatsFile(path, _parsed(content))
    except FileNotFoundError:
        return FormatsFile(path)
    except OSError as error:
        reason = error.strerror or "cannot be read"
    except _Unusable as error:
        reason = str(error)
    return FormatsFile(
        path, problem=f"formats file {path}: {reason}; going on without it, remove it to begin a new one"
    )


def save_formats(known: FormatsFile, learned: FormatLibrary) -> str:
    """Add to the file what `learned` knows beyond it and the shipped formats; atomic.

    Returns why it could not be written, in one line; empty when it was, or when there was nothing new. A file that
    was unusable when it was read stays as it is.
    """
    if known.problem or not _beyond(learned, known.formats):
        return ""
    # Another program may have learned in the meantime.
    current = load_formats(known.path)
    if current.problem:
        return current.problem
    formats = {**current.formats.formats, **_beyond(learned, current.formats)}
    newest = list(formats.values())[-MAX_FORMATS:]
    text = json.dumps(
        {"version": VERSION, "formats": [b"".join(headers).hex().upper() for headers in newest]}, indent=1
    )
    try:
        _replace(known.path, f"{text}\n")
    except OSError as error:
        return f"formats file {known.path}: {error.strerror}; what was learned is not kept"
    return ""


def _beyond(learned: FormatLibrary, known: FormatLibrary) -> dict[int, tuple[bytes, ...]]:
    shipped = shipped_formats()
    return {
        signature: headers
        for signature, headers in learned.formats.items()
        if shipped.get(signature) is None and known.get(signature) is None
    }


def _parsed(content: bytes) -> FormatLibrary:
    """Check everything: a wrong format would give wrong readings."""
    if len(content) > SIZE_LIMIT:
        raise _Unusable(f"longer than {SIZE_LIMIT} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise _Unusable("no JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("formats"), list):
        raise _Unusable("holds no formats")
    if document.get("version") != VERSION:
        raise _Unusable(f"not of version {VERSION}")
    rows = document["formats"]
    if len(rows) > MAX_FORMATS:
        raise _Unusable(f"more than {MAX_FORMATS} formats")
    formats = {}
    for number, row in enumerate(rows, start=1):
        try:
            headers = bytes.fromhex(row) if isinstance(row, str) else b""
            if not 0 < len(headers) <= HEADERS_LIMIT:
                raise _Unusable(f"format {number} is not a row of record headers in hex")
            formats[format_signature(headers)] = split_headers(headers, 0, len(headers))
        except (ValueError, ProtocolError):
            raise _Unusable(f"format {number} is not a row of record headers in hex") from None
    return FormatLibrary(formats)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
