"""Packed files as streams of what they hold, in constant memory; damage is told in the project's own words."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from io import BufferedReader, RawIOBase
from typing import Final, Protocol, cast

from fieldtool.errors import InputError
from fieldtool.replay.packed import Progress

AT_A_TIME: Final = 1 << 16
"""Bytes that are unpacked at a time."""


class _Content(Protocol):
    """What Python reads a packed file with."""

    def read1(self, size: int, /) -> bytes:
        """Return some bytes, none at the end."""


def opened(file: BufferedReader, name: str, packing: str, progress: Progress | None) -> BufferedReader:
    """Open a packed file for what it holds; as `fieldtool.replay.packed.unpacked`."""
    reader = _READERS.get(packing)
    if reader is None:
        raise InputError(
            f"{name} is packed with {packing}", f"unpack it first; {', '.join(_READERS)} are read as they are"
        )
    return BufferedReader(_Unpacked(file, f"{name}, packed with {packing},", reader(file, name), progress), AT_A_TIME)


def _only_member(file: BufferedReader, name: str) -> _Content:
    """The file in a ZIP archive that holds one."""
    if not file.seekable():
        raise InputError(f"{name} is packed with ZIP, which cannot be read from a pipe", "name the file, or unpack it")
    try:
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise InputError(f"{name} is a ZIP archive of {len(members)} files", "unpack it, and name what to read")
        return cast(_Content, archive.open(members[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # With a password, in a way that Python does not know, or no archive behind its first bytes.
        raise InputError(f"{name} is a ZIP archive that cannot be read", "unpack it, or get it again") from error


_READERS: Final[dict[str, Callable[[BufferedReader, str], _Content]]] = {
    "gzip": lambda file, _: gzip.GzipFile(fileobj=file),
    "bzip2": lambda file, _: bz2.BZ2File(file),
    "xz": lambda file, _: lzma.LZMAFile(file),  # noqa: SIM115 - closes nothing: the file is the caller's
    "ZIP": _only_member,
}


class _Unpacked(RawIOBase):
    """The bytes of what was packed; `what` names the file in what is said of damage."""

    def __init__(self, file: BufferedReader, what: str, content: _Content, progress: Progress | None) -> None:
        self._file, self._what, self._content = file, what, content
        self._progress = progress
        self._told = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Unpack as much as there is room for; raises `InputError` at damage."""
        try:
            data = self._content.read1(len(buffer))
        except EOFError as error:
            raise self._damage("ends too early: it was cut") from error
        except (zipfile.BadZipFile, lzma.LZMAError, zlib.error, ValueError) as error:
            raise self._damage("is damaged") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise self._damage("is damaged") from error  # gzip and bzip2 say it so
        buffer[: len(data)] = data
        if self._progress is not None:
            at = self._file.tell()
            self._progress(at - self._told)
            self._told = at
        return len(data)

    def _damage(self, how: str) -> InputError:
        return InputError(f"{self._what} {how}", "all before that was read; get the file again")
