"""Captures and goldens that are packed, read as if they were not: told by how they begin, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader
from pathlib import PurePath
from typing import Final, TypeAlias

Progress: TypeAlias = Callable[[int], None]
"""Is told how many bytes of a file were read since it was told last."""

_PACKINGS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
_SUFFIXES: Final = frozenset({".gz", ".bz2", ".xz", ".zip"})
_MOST: Final = max(map(len, _PACKINGS))


def unpacked(file: BufferedReader, name: str, progress: Progress | None = None) -> BufferedReader | None:
    """Return what an open file holds, where it is packed; None where it is not.

    `progress` is told how many bytes of the packed file were read. Raises `InputError` for what cannot be unpacked;
    reading what is damaged, or was cut, raises it when it comes to that place.
    """
    start = file.peek(_MOST)
    packing = next((packing for begins, packing in _PACKINGS.items() if start.startswith(begins)), None)
    if packing is None:
        return None
    from fieldtool.replay.unpacking import opened  # most files are not, and need not wait for what unpacks

    return opened(file, name, packing, progress)


def unpacked_name(path: PurePath) -> str:
    """The name of what a file holds: without the suffix of a packing."""
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name
