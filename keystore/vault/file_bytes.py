"""A store's file as bytes, read beside SQLite without disturbing its locks.

On POSIX systems, closing any descriptor of a file drops all locks that the process holds on it, those of SQLite
included. So there is one descriptor for a file, shared by everything in this process that has the store open, and it
is closed with the last of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class _Shared:
    descriptor: int
    users: int
    guard: Lock = field(default_factory=Lock)


_open_files: dict[tuple[int, int], _Shared] = {}
_registry_guard: Final = Lock()


class FileBytes:
    """The bytes of one file; `close` only after the SQLite connection to it was closed."""

    def __init__(self, path: Path) -> None:
        with _registry_guard:
            status = path.stat()
            self._identity = (status.st_dev, status.st_ino)
            shared = _open_files.get(self._identity)
            if shared is None:
                flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
                shared = _open_files[self._identity] = _Shared(os.open(path, flags), 0)
            shared.users += 1
        self._shared: _Shared | None = shared

    def size(self) -> int:
        """How many bytes the file has now."""
        return os.fstat(self._open.descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes at an offset."""
        with self._open.guard:
            os.lseek(self._open.descriptor, offset, os.SEEK_SET)
            return os.read(self._open.descriptor, length)

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole file in pieces of up to `CHUNK_BYTES`."""
        offset = 0
        while chunk := self.read(offset, CHUNK_BYTES):
            yield chunk
            offset += len(chunk)

    def close(self) -> None:
        """Let go of the file."""
        shared, self._shared = self._shared, None
        if shared is None:
            return
        with _registry_guard:
            shared.users -= 1
            if not shared.users:
                del _open_files[self._identity]
                os.close(shared.descriptor)

    @property
    def _open(self) -> _Shared:
        if self._shared is None:
            raise ValueError("the file was closed")
        return self._shared
