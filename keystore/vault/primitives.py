"""The only callers of AES-GCM, HKDF and BLAKE2b in the vault; every byte string that is authenticated is built here."""

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
TAG_BYTES: Final = 16
TERM_BYTES: Final = 16
DIGEST_BYTES: Final = 32

_PREFIX: Final = b"fieldtool keystore "
_ITEM_HEAD: Final = struct.Struct(">QBQ")
_ENTRY_HEAD: Final = struct.Struct(">QQ")
_STATE: Final = struct.Struct(">QQQQQ")
_PURPOSES: Final = ("index", "data", "set", "header", "audit", "chain", "file", "witness")


@dataclass(frozen=True, slots=True)
class Subkeys:
    """The keys derived from the root key, one a purpose."""

    index: bytes = field(repr=False)
    data: bytes = field(repr=False)
    set: bytes = field(repr=False)
    header: bytes = field(repr=False)
    audit: bytes = field(repr=False)
    chain: bytes = field(repr=False)
    file: bytes = field(repr=False)
    witness: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoreState:
    """What a whole store holds after its latest transaction.

    `set_hash` is the sum modulo 2^256 of the digests of all items and look-up rows, `audit_head` the last link of the
    audit log's chain.
    """

    generation: int = 0
    items: int = 0
    records: int = 0
    lookups: int = 0
    audit_entries: int = 0
    set_hash: int = 0
    audit_head: bytes = bytes(DIGEST_BYTES)


def derive_subkeys(root: bytes, store_id: bytes) -> Subkeys:
    """Return HKDF-SHA-256(root, salt = store id, info = prefix, format, purpose), 32 bytes each."""
    return Subkeys(*(hkdf(root, store_id, purpose) for purpose in _PURPOSES))


def hkdf(secret: bytes, salt: bytes, purpose: str) -> bytes:
    """Return HKDF-SHA-256 of a secret for one purpose, 32 bytes."""
    return HKDF(SHA256(), KEY_BYTES, salt=salt, info=context(purpose)).derive(secret)


def mac(key: bytes, message: bytes) -> bytes:
    """Return keyed BLAKE2b-256 (RFC 7693, 2.9), 32 bytes: a MAC without the second pass of HMAC."""
    return hashlib.blake2b(message, key=key, digest_size=DIGEST_BYTES).digest()


def wrap_root(kek: bytes, root: bytes, aad: bytes, nonce: bytes) -> bytes:
    """Return the root key sealed under a slot's key: 32 bytes and tag."""
    return AESGCM(kek).encrypt(nonce, root, aad)


def unwrap_root(kek: bytes, wrapped: bytes, aad: bytes, nonce: bytes) -> bytes | None:
    """Return the root key, or None when the slot's key does not open it."""
    try:
        return AESGCM(kek).decrypt(nonce, wrapped, aad)
    except InvalidTag:
        return None


def slot_aad(store_id: bytes, slot_id: int, kind: str) -> bytes:
    """Return what ties a wrapped root key to its store, its slot and the slot's kind."""
    return context("slot") + store_id + slot_id.to_bytes(4) + kind.encode()


def header_mac(keys: Subkeys, body: bytes) -> bytes:
    """Return the MAC over the header's bytes as stored."""
    return mac(keys.header, body)


def term(keys: Subkeys, kind: str, text: str) -> bytes:
    """Return the blind index of a look-up word: keyed BLAKE2b of kind, 0, text, 16 bytes."""
    return hashlib.blake2b(f"{kind}\0{text}".encode(), key=keys.index, digest_size=TERM_BYTES).digest()


def item_aad(store_id: bytes, item_id: int, kind: int, generation: int) -> bytes:
    """Return what ties a sealed item to its store, its row, its kind and the transaction that wrote it."""
    return _ITEM_PREFIX + store_id + _ITEM_HEAD.pack(item_id, kind, generation)


def item_digest(keys: Subkeys, item_id: int, kind: int, generation: int, sealed: bytes) -> int:
    """Return one item's share of the set hash: a MAC over its row, as a number."""
    return int.from_bytes(mac(keys.set, b"item\0" + _ITEM_HEAD.pack(item_id, kind, generation) + sealed))


def lookup_digest(keys: Subkeys, word: bytes, item_id: int) -> int:
    """Return one look-up row's share of the set hash: a MAC over its row, as a number."""
    return int.from_bytes(mac(keys.set, b"lookup\0" + word + item_id.to_bytes(8)))


def add_digest(set_hash: int, digest: int) -> int:
    """Add a row to the set hash; a negative digest takes it out."""
    return (set_hash + digest) % (1 << (8 * DIGEST_BYTES))


def entry_aad(store_id: bytes, number: int, generation: int) -> bytes:
    """Return what ties an audit entry to its store, its place and the transaction that wrote it."""
    return context("audit") + store_id + _ENTRY_HEAD.pack(number, generation)


def chain_link(keys: Subkeys, before: bytes, number: int, generation: int, sealed: bytes) -> bytes:
    """Return the link of an audit entry: a MAC over the link before it and the entry's row."""
    return mac(keys.chain, before + _ENTRY_HEAD.pack(number, generation) + sealed)


def state_mac(keys: Subkeys, state: StoreState, header_body: bytes) -> bytes:
    """Return the MAC that ties generation, counts, set hash, audit log and header together."""
    message = b"state\0" + _STATE.pack(state.generation, state.items, state.records, state.lookups, state.audit_entries)
    message += state.set_hash.to_bytes(DIGEST_BYTES) + state.audit_head + hashlib.sha256(header_body).digest()
    return mac(keys.set, message)


def same_bytes(one: bytes, other: bytes) -> bool:
    """Compare two MACs in constant time."""
    return hmac.compare_digest(one, other)


def new_nonce() -> bytes:
    """Return 96 random bits."""
    return secrets.token_bytes(NONCE_BYTES)


def context(purpose: str) -> bytes:
    """Return the byte string that keeps one use of a key apart from all others."""
    return _PREFIX + str(FORMAT_VERSION).encode() + b" " + purpose.encode() + b"\0"


_ITEM_PREFIX: Final = context("item")
