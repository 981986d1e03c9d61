"""ZIP archives from outside: bounded in members, bytes and nesting, read in memory, never extracted."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.safe_xml import dtd_refused
from protocols.text import safe_text

MAX_MEMBERS: Final = 64
MAX_RATIO: Final = 100
"""Keys are random, and so hardly to be packed; tables of them come to 10:1, deflated zeros to 1,027:1."""

MAX_BOOK_MEMBERS: Final = 1000
"""A workbook has a dozen, and a few more for each sheet."""

_CHUNK: Final = 1 << 20
_CHECK_IT: Final = "no key file is like that: check it"
_DTD_MARKS: Final = tuple(mark.encode(code) for mark in ("<!DOCTYPE", "<!ENTITY") for code in ("ascii", "utf-16-le"))
_ENCRYPTED_FLAG: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""What portals use; the other decompressors can be made to ask for any amount of memory."""
_FAULTS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,  # also NotImplementedError: a feature that zipfile lacks
    OSError,
    ValueError,  # also UnicodeDecodeError of a member name
    OverflowError,
)


def is_zip(data: bytes) -> bool:
    """True for bytes that begin as a ZIP archive does."""
    return data[:4] in {b"PK\x03\x04", b"PK\x05\x06"}


def member_names(data: bytes) -> tuple[str, ...]:
    """Return the names in an archive's directory, none when it is no readable archive or has too many."""
    if not is_zip(data):
        return ()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = tuple(archive.namelist())
    except _FAULTS:
        return ()
    return names if len(names) <= MAX_BOOK_MEMBERS else ()


def is_by_product(name: str) -> bool:
    """True for the name of a folder, and of what a file manager puts beside a file: `__MACOSX/._meters.kem`."""
    path = PurePosixPath(name)
    return name.endswith("/") or "__MACOSX" in path.parts or path.name.startswith(".")


def check_members(data: bytes, thing: str, max_bytes: int) -> None:
    """Unpack every member once, without keeping it, before anybody else does.

    Raises `ImportRejected`: DAMAGED, TOO_LARGE when all together are larger than `max_bytes`, FORBIDDEN_XML for a
    member that declares a DTD.
    """
    left = _limit(data, max_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if member.flag_bits & _ENCRYPTED_FLAG or member.compress_type not in _METHODS:
                    raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{thing} is packed in an unusual way", _CHECK_IT)
                with archive.open(member) as stream:
                    left -= _measure(stream, left, thing)
    except _FAULTS:
        raise ImportRejected(ImportReason.DAMAGED, f"{thing} is a damaged ZIP file", "fetch the file again") from None


def read_member(data: bytes, thing: str, suffixes: tuple[str, ...], max_bytes: int) -> tuple[str, bytes]:
    """Return name and content of the only member with one of the suffixes.

    Raises `ImportRejected`: DAMAGED, TOO_LARGE (declared sizes are not trusted: the stream is cut), UNKNOWN_FORMAT
    without such a member, SEVERAL_MEMBERS with more than one.
    """
    limit = _limit(data, max_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            chosen = _choose(archive.infolist(), thing, suffixes)
            with archive.open(chosen) as stream:
                content = stream.read(limit + 1)
    except _FAULTS:
        raise ImportRejected(ImportReason.DAMAGED, f"{thing} is a damaged ZIP file", "fetch the file again") from None
    if len(content) > limit:
        raise ImportRejected(ImportReason.TOO_LARGE, f"{thing} unpacks to more than {limit >> 20} MiB", _CHECK_IT)
    return safe_text(PurePosixPath(chosen.filename).name), content


def write_archive(members: dict[str, bytes], at: datetime) -> bytes:
    """Return a ZIP of the members, deflated, all dated `at`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, at.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def _limit(data: bytes, max_bytes: int) -> int:
    return min(max_bytes, MAX_RATIO * len(data) + _CHUNK)


def _measure(stream: IO[bytes], limit: int, thing: str) -> int:
    """Return how many bytes a member has; it may have no DTD and not more than `limit`."""
    size = 0
    tail = b""
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise ImportRejected(ImportReason.TOO_LARGE, f"{thing} unpacks to more than a key file can have", _CHECK_IT)
        if any(mark in tail + chunk for mark in _DTD_MARKS):
            raise dtd_refused(thing)
        tail = chunk[-max(map(len, _DTD_MARKS)) :]
    return size


def _choose(members: list[zipfile.ZipInfo], thing: str, suffixes: tuple[str, ...]) -> zipfile.ZipInfo:
    if len(members) > MAX_MEMBERS:
        raise ImportRejected(ImportReason.TOO_LARGE, f"{thing} has {len(members)} members", "no key file has so many")
    fitting = [
        member
        for member in members
        if member.filename.lower().endswith(suffixes) and not is_by_product(member.filename)
    ]
    if not fitting:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} holds no key file that is known by its ending",
            "unpack it, and import the key files themselves",
        )
    if len(fitting) > 1:
        raise ImportRejected(
            ImportReason.SEVERAL_MEMBERS,
            f"{thing} holds {len(fitting)} key files",
            "unpack it and import them one by one",
        )
    if fitting[0].flag_bits & _ENCRYPTED_FLAG:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT, f"{thing} is a password-protected ZIP", "unpack it with its password first"
        )
    if fitting[0].compress_type not in _METHODS:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT, f"{thing} is packed in an unusual way", "unpack it and import the member"
        )
    return fitting[0]
