"""Key files sealed with age (age-encryption.org/v1) under a passphrase, by pyrage where it is installed.

Inside is any other key file: what is written is a key table, which its receiver opens with age and a spreadsheet.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import replace
from typing import Any, Final

from keystore.errors import ImportReason, ImportRejected, PasswordNeeded, WrongPassword
from keystore.formats.batch import ExportFile

BEGINNING: Final = b"age-encryption.org/v1\n"
ARMOR: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
MAX_WORK_FACTOR: Final = 20
"""Binary logarithm of scrypt's cost: 1 GiB of memory; what writers choose is at most this."""

_SCRYPT: Final = re.compile(rb"-> scrypt [A-Za-z0-9+/]{22} ([0-9]{1,3})\n")
_INSTALL: Final = "install it with: pip install fieldtool[age]; or decrypt the file with age first"


def sniff(data: bytes) -> bool:
    """True for an age file, binary or armoured."""
    return data.startswith(BEGINNING) or data.lstrip().startswith(ARMOR)


def unpack(file: ExportFile) -> ExportFile:
    """Return what is inside, as a file of its own that remembers the sealed one.

    Raises `PasswordNeeded`, `WrongPassword`, and `ImportRejected` for files to be opened with a key and not a
    passphrase, and where pyrage is not installed.
    """
    thing = file.shown_name
    if file.member:
        raise ImportRejected(ImportReason.UNKNOWN_FORMAT, f"{thing} is sealed twice", "open it with age first")
    data = _dearmoured(file.data, thing)
    scrypt = _SCRYPT.match(data, len(BEGINNING))
    if scrypt is None:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} is not sealed with a passphrase",
            "open it with age and its key first",
        )
    if int(scrypt[1]) > MAX_WORK_FACTOR:
        raise ImportRejected(
            ImportReason.TOO_LARGE, f"{thing} asks for more work than any honest age file", "do not trust it"
        )
    if file.options.password is None:
        raise PasswordNeeded(
            ImportReason.PASSWORD_NEEDED, f"{thing} is sealed", "give the passphrase it was sealed with"
        )
    pyrage = _pyrage(thing)
    try:
        plain: bytes = pyrage.passphrase.decrypt(data, file.options.password)
    except pyrage.DecryptError:
        raise WrongPassword(
            ImportReason.PASSWORD_WRONG,
            f"the passphrase does not open {thing}, or the file is damaged",
            "check the passphrase it was sealed with",
        ) from None
    return replace(file, data=plain, member="age", file_sha256=hashlib.sha256(file.data).hexdigest())


def seal(data: bytes, passphrase: str, thing: str) -> bytes:
    """Return a key file sealed under a passphrase; `ImportRejected` where pyrage is not installed."""
    sealed: bytes = _pyrage(thing).passphrase.encrypt(data, passphrase)
    return sealed


def _dearmoured(data: bytes, thing: str) -> bytes:
    if data.startswith(BEGINNING):
        return data
    lines = data.strip().splitlines()
    try:
        plain = base64.b64decode(b"".join(line.strip() for line in lines[1:-1]), validate=True)
    except binascii.Error:
        plain = b""
    if not plain.startswith(BEGINNING):
        raise ImportRejected(ImportReason.DAMAGED, f"{thing} is a damaged age file", "fetch the file again")
    return plain


def _pyrage(thing: str) -> Any:  # noqa: ANN401 - the module has no types
    try:
        import pyrage  # type: ignore[import-untyped]
    except ImportError:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT, f"{thing} needs age, and pyrage is not installed", _INSTALL
        ) from None
    return pyrage
