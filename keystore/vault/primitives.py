"""The only callers of AES-GCM, HKDF and HMAC in the vault; every byte string that is authenticated is built here."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT_VERSION: Final = 1
STORE_ID_BYTES: Final = 16
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""Random: with one key and 2^32 rows the odds of a repeat are below 2^-32 (NIST SP 800-38D, 8.3)."""
TERM_BYTES: Final = 16
DIGEST_BYTES: Final = 32

_PREFIX: Final = b"fieldtool keystore "
_ITEM_HEAD: Final = struct.Struct(">QBQ")
_STATE: Final = struct.Struct(">QQQ")


@dataclass(frozen=True, slots=True)
class Subkeys:
    """The keys derived from the root key, one a purpose."""

    index: bytes = field(repr=False)
    data: bytes = field(repr=False)
    set: bytes = field(repr=False)
    header: bytes = field(repr=False)


def derive_subkeys(root: bytes, store_id: bytes) -> Subkeys:
    """Return HKDF-SHA-256(root, salt = store id, info = prefix, format, purpose), 32 bytes each."""
    index, data, set_, header = (
        HKDF(SHA256(), KEY_BYTES, salt=store_id, info=_context(purpose)).derive(root)
        for purpose in ("index", "data", "set", "header")
    )
    return Subkeys(index, data, set_, header)


def wrap_root(kek: bytes, root: bytes, store_id: bytes, slot_id: int, nonce: bytes) -> bytes:
    """Return the root key sealed under a slot's key: 32 bytes and tag."""
    return AESGCM(kek).encrypt(nonce, root, _slot_aad(store_id, slot_id))


def unwrap_root(kek: bytes, wrapped: bytes, store_id: bytes, slot_id: int, nonce: bytes) -> bytes | None:
    """Return the root key, or None when the slot's key does not open it."""
    try:
        return AESGCM(kek).decrypt(nonce, wrapped, _slot_aad(store_id, slot_id))
    except InvalidTag:
        return None


def header_mac(keys: Subkeys, body: bytes) -> bytes:
    """Return HMAC-SHA-256 over the header's bytes as stored."""
    return hmac.digest(keys.header, body, hashlib.sha256)


def term(keys: Subkeys, kind: str, text: str) -> bytes:
    """Return the blind index of a look-up word: HMAC-SHA-256(index key, kind, 0, text), first 16 bytes."""
    return hmac.digest(keys.index, kind.encode() + b"\0" + text.encode(), hashlib.sha256)[:TERM_BYTES]


def item_aad(store_id: bytes, item_id: int, kind: int, generation: int) -> bytes:
    """Return what ties a sealed item to its store, its row, its kind and the transaction that wrote it."""
    return _context("item") + store_id + _ITEM_HEAD.pack(item_id, kind, generation)


def item_digest(keys: Subkeys, item_id: int, kind: int, generation: int, sealed: bytes) -> int:
    """Return one item's share of the set hash: HMAC-SHA-256 over its row, as a number."""
    message = _ITEM_HEAD.pack(item_id, kind, generation) + sealed
    return int.from_bytes(hmac.digest(keys.set, b"item\0" + message, hashlib.sha256))


def state_mac(keys: Subkeys, state: StoreState, header_body: bytes) -> bytes:
    """Return the MAC that ties generation, counts, set hash and header together."""
    message = b"state\0" + _STATE.pack(state.generation, state.items, state.records)
    message += state.set_hash.to_bytes(DIGEST_BYTES) + hashlib.sha256(header_body).digest()
    return hmac.digest(keys.set, message, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class StoreState:
    """What a whole store holds after its latest transaction; `set_hash` is a sum modulo 2^256."""

    generation: int = 0
    items: int = 0
    records: int = 0
    set_hash: int = 0


def same_bytes(one: bytes, other: bytes) -> bool:
    """Compare two MACs in constant time."""
    return hmac.compare_digest(one, other)


def add_digest(set_hash: int, digest: int) -> int:
    """Add an item to the set hash."""
    return (set_hash + digest) % (1 << (8 * DIGEST_BYTES))


def subtract_digest(set_hash: int, digest: int) -> int:
    """Take an item out of the set hash."""
    return (set_hash - digest) % (1 << (8 * DIGEST_BYTES))


def new_nonce() -> bytes:
    """Return 96 random bits."""
    return secrets.token_bytes(NONCE_BYTES)


def _context(purpose: str) -> bytes:
    return _PREFIX + str(FORMAT_VERSION).encode() + b" " + purpose.encode() + b"\0"


def _slot_aad(store_id: bytes, slot_id: int) -> bytes:
    return _context("slot") + store_id + slot_id.to_bytes(4)
