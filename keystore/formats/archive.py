"""ZIP archives from outside: bounded in members, bytes and nesting, read in memory, never extracted."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from protocols.text import safe_text

MAX_MEMBERS: Final = 64
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


def read_member(data: bytes, thing: str, suffixes: tuple[str, ...], max_bytes: int) -> tuple[str, bytes]:
    """Return name and content of the only member with one of the suffixes.

    Raises `ImportRejected`: DAMAGED, TOO_LARGE (declared sizes are not trusted: the stream is cut), UNKNOWN_FORMAT
    without such a member, SEVERAL_MEMBERS with more than one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            chosen = _choose(archive.infolist(), thing, suffixes)
            with archive.open(chosen) as stream:
                content = stream.read(max_bytes + 1)
    except _FAULTS:
        raise ImportRejected(ImportReason.DAMAGED, f"{thing} is a damaged ZIP file", "fetch the file again") from None
    if len(content) > max_bytes:
        raise ImportRejected(
            ImportReason.TOO_LARGE, f"{thing} unpacks to more than {max_bytes >> 20} MiB", "no key file does: check it"
        )
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


def _choose(members: list[zipfile.ZipInfo], thing: str, suffixes: tuple[str, ...]) -> zipfile.ZipInfo:
    if len(members) > MAX_MEMBERS:
        raise ImportRejected(ImportReason.TOO_LARGE, f"{thing} has {len(members)} members", "no key file has so many")
    fitting = [member for member in members if member.filename.lower().endswith(suffixes) and not member.is_dir()]
    if not fitting:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} holds no {' or '.join(suffixes)} file",
            "choose the portal's key file",
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
