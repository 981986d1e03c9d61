"""A file sealed under a passphrase of its own: backups, and packages handed over to somebody else.

    "FTSEALED" || u8 1 || u32 length || header (JSON) || chunks
    chunk  = AES-256-GCM(key, nonce = u88 number || u8 last, up to 1 MiB of plain text)    number from 0; last 0 or 1
    key    = HKDF-SHA-256(Argon2id(passphrase), salt, context of "sealed file", purpose and SHA-256 of the header)

Every chunk but the last is full, and the last says that it is: a file that was cut, lengthened, or whose chunks were
swapped does not open. The layout of the chunks is that of STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystore.errors import Damaged, NewerFormat, NotAKeystore, WrongPassphrase
from keystore.vault import kdf
from keystore.vault.kdf import KdfParameters
from keystore.vault.primitives import TAG_BYTES, hkdf

MAGIC: Final = b"FTSEALED"
VERSION: Final = 1
CHUNK_BYTES: Final = 1 << 20
MAX_HEADER_BYTES: Final = 4096
_HINT: Final = "use another copy of the file"


def write_sealed(
    out: BinaryIO,
    chunks: Iterable[bytes],
    passphrase: str,
    purpose: str,
    parameters: KdfParameters | None = None,
) -> None:
    """Write pieces of plain text, of any length, as a sealed file; `purpose` is a word that the reader must know."""
    parameters = parameters or kdf.calibrate()
    salt = secrets.token_bytes(kdf.SALT_BYTES)
    header = json.dumps(
        {
            "purpose": purpose,
            "kdf": kdf.KDF_NAME,
            "memory_kib": parameters.memory_kib,
            "iterations": parameters.iterations,
            "lanes": parameters.lanes,
            "salt": salt.hex(),
        },
        separators=(",", ":"),
    ).encode()
    aead = AESGCM(_key(passphrase, salt, parameters, purpose, header))
    out.write(MAGIC + VERSION.to_bytes(1) + len(header).to_bytes(4) + header)
    number, buffer = 0, bytearray()
    for chunk in chunks:
        buffer += chunk
        # The last chunk must say so: a full one is kept back until more has come.
        while len(buffer) > CHUNK_BYTES:
            out.write(aead.encrypt(_nonce(number, last=False), bytes(buffer[:CHUNK_BYTES]), None))
            del buffer[:CHUNK_BYTES]
            number += 1
    out.write(aead.encrypt(_nonce(number, last=True), bytes(buffer), None))


def read_sealed(source: BinaryIO, passphrase: str, purpose: str, name: str = "the sealed file") -> Iterator[bytes]:
    """Yield the plain text of a sealed file in pieces; nothing may be trusted before the last of them has come.

    `name` is what errors call the file.
    Raises `NotAKeystore` for another file or purpose, `NewerFormat`, `WorkFactorTooHigh`, `WrongPassphrase` (also when
    the first chunk is damaged: the two cannot be told apart) and `Damaged`.
    """
    header = _read_header(source, purpose, name)
    try:
        fields = json.loads(header)
        parameters = KdfParameters(*(_cost(fields[name]) for name in ("memory_kib", "iterations", "lanes")))
        salt = bytes.fromhex(fields["salt"])
        if fields["purpose"] != purpose or fields["kdf"] != kdf.KDF_NAME or len(salt) != kdf.SALT_BYTES:
            raise NotAKeystore(f"{name} is not a {purpose}", "choose another file")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Damaged(f"the header of {name} is damaged", _HINT) from None
    aead = AESGCM(_key(passphrase, salt, parameters, purpose, header))
    number = 0
    sealed = source.read(CHUNK_BYTES + TAG_BYTES)
    while True:
        following = source.read(CHUNK_BYTES + TAG_BYTES)
        try:
            yield aead.decrypt(_nonce(number, last=not following), sealed, None)
        except (InvalidTag, ValueError):
            if number:
                raise Damaged(f"{name} is damaged or cut in its part {number + 1}", _HINT) from None
            raise WrongPassphrase(
                f"the passphrase does not open {name}, or the file is damaged",
                "check the passphrase, or use another copy of the file",
            ) from None
        if not following:
            return
        number += 1
        sealed = following


def _read_header(source: BinaryIO, purpose: str, name: str) -> bytes:
    if source.read(len(MAGIC)) != MAGIC:
        raise NotAKeystore(f"{name} is not a {purpose}", "choose another file")
    head = source.read(5)
    if len(head) < 5:
        raise Damaged(f"{name} is cut", _HINT)
    if head[0] != VERSION:
        raise NewerFormat(f"{name} has format {head[0]}, later than this program", "update the program")
    length = int.from_bytes(head[1:])
    header = source.read(length) if length <= MAX_HEADER_BYTES else b""
    if len(header) != length:
        raise Damaged(f"the header of {name} is damaged", _HINT)
    return header


def _cost(value: object) -> int:
    """Return a part of the cost; JSON has numbers that are none (Infinity), and no end to those that are."""
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError("no cost")
    return value


def _key(passphrase: str, salt: bytes, parameters: KdfParameters, purpose: str, header: bytes) -> bytes:
    stretched = kdf.derive(passphrase, salt, parameters)
    return hkdf(stretched, salt, f"sealed file {purpose} {hashlib.sha256(header).hexdigest()}")


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + last.to_bytes(1)
