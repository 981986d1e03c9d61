"""The only callers of block ciphers and MACs in the protocols: AES modes, CMAC, key wrap, KDF-A, key check value.

AES contexts are cached by key, a thread each; `forget_keys()` drops them. All functions take and return whole
byte strings and raise `ValueError` for keys or lengths that the algorithm does not allow.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TypeAlias

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

BLOCK = 16
CACHED_KEYS = 8192
"""Contexts kept a thread: more meters than one receiver hears, about 1 kB each."""

BlockCipher: TypeAlias = CipherContext
"""AES of whole blocks in one direction: `update` takes and returns them."""

_contexts = threading.local()


class _BlockCipher:
    """Raw AES of whole blocks under one key; the block modes below are built on it."""

    __slots__ = ("_decryptor", "_encryptor", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = AES(key)
        self._encryptor: CipherContext | None = None
        self._decryptor: CipherContext | None = None

    def encrypt(self, blocks: bytes) -> bytes:
        if self._encryptor is None:
            self._encryptor = Cipher(self._key, ECB()).encryptor()  # noqa: S305 - blocks of a mode, never messages
        return self._encryptor.update(blocks)

    def decrypt(self, blocks: bytes) -> bytes:
        if self._decryptor is None:
            self._decryptor = Cipher(self._key, ECB()).decryptor()  # noqa: S305 - blocks of a mode, never messages
        return self._decryptor.update(blocks)


def _cipher(key: bytes) -> _BlockCipher:
    cache: dict[bytes, _BlockCipher] | None = getattr(_contexts, "by_key", None)
    if cache is None:
        cache = _contexts.by_key = {}
    cipher = cache.get(key)
    if cipher is None:
        if len(cache) >= CACHED_KEYS:
            cache.clear()
        cipher = cache[key] = _BlockCipher(key)
    return cipher


def aes_decryptor(key: bytes) -> BlockCipher:
    """Raw AES of whole blocks under one key, for whoever keeps it with a meter and builds a block mode on it."""
    return Cipher(AES(key), ECB()).decryptor()  # noqa: S305 - blocks of a mode, never messages


def aes_encryptor(key: bytes) -> BlockCipher:
    """The other direction of `aes_decryptor`."""
    return Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - blocks of a mode, never messages


def forget_keys() -> None:
    """Drop this thread's cached contexts and all derived values; best effort, Python keeps copies of bytes."""
    _contexts.by_key = {}
    key_check_value.cache_clear()


def _xor(left: bytes, right: bytes) -> bytes:
    size = len(left)
    return (int.from_bytes(left, "big") ^ int.from_bytes(right[:size], "big")).to_bytes(size, "big")


def aes_cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CBC without padding; `data` is a positive multiple of 16 bytes, `iv` 16 bytes (NIST SP 800-38A, 6.2)."""
    _whole_blocks(iv, data)
    return _xor(_cipher(key).decrypt(data), iv + data[:-BLOCK])


def aes_cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """The inverse of `aes_cbc_decrypt`."""
    _whole_blocks(iv, data)
    cipher = _cipher(key)
    out = bytearray()
    previous = iv
    for offset in range(0, len(data), BLOCK):
        previous = cipher.encrypt(_xor(data[offset : offset + BLOCK], previous))
        out += previous
    return bytes(out)


def _whole_blocks(iv: bytes, data: bytes) -> None:
    if len(iv) != BLOCK or not data or len(data) % BLOCK:
        raise ValueError(f"AES-CBC needs whole 16-byte blocks and a 16-byte IV, got {len(data)} and {len(iv)} bytes")


def aes_ctr(key: bytes, counter_block: bytes, data: bytes) -> bytes:
    """AES-CTR, its own inverse; `counter_block` counts up as a 128-bit big-endian number (NIST SP 800-38A, 6.5)."""
    if len(counter_block) != BLOCK:
        raise ValueError(f"an AES counter block has 16 bytes, got {len(counter_block)}")
    first = int.from_bytes(counter_block, "big")
    blocks = (len(data) + BLOCK - 1) // BLOCK
    counters = b"".join(((first + i) % (1 << 128)).to_bytes(BLOCK, "big") for i in range(blocks))
    return _xor(data, _cipher(key).encrypt(counters)) if data else b""


DES_BLOCK = 8


def des_cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """DES-CBC without padding, for the meters that still use it; whole blocks of 8 bytes, key and IV 8 bytes each."""
    if len(key) != DES_BLOCK or len(iv) != DES_BLOCK or not data or len(data) % DES_BLOCK:
        raise ValueError("DES-CBC needs a key and an IV of 8 bytes and whole blocks")
    # Triple DES under one key three times is DES.
    decryptor = Cipher(TripleDES(key * 3), CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes (RFC 4493)."""
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


class Cmac:
    """AES-CMACs of many messages under one key: for somebody who holds on to the key."""

    __slots__ = ("_begun",)

    def __init__(self, key: bytes) -> None:
        self._begun = CMAC(AES(key))

    def of(self, message: bytes) -> bytes:
        """What `aes_cmac` gives."""
        mac = self._begun.copy()
        mac.update(message)
        return mac.finalize()


def aes_ecb_encrypt(key: bytes, blocks: bytes) -> bytes:
    """AES of whole 16-byte blocks, each for itself: for key derivation and key streams, never for messages."""
    _whole_blocks(bytes(BLOCK), blocks)
    return _cipher(key).encrypt(blocks)


def aes_ecb_decrypt(key: bytes, blocks: bytes) -> bytes:
    """The inverse of `aes_ecb_encrypt`."""
    _whole_blocks(bytes(BLOCK), blocks)
    return _cipher(key).decrypt(blocks)


def wrap_key(key: bytes, under: bytes) -> bytes:
    """Return an AES-128 key wrapped under another: 24 bytes (RFC 3394)."""
    if len(key) != BLOCK or len(under) != BLOCK:
        raise ValueError(f"AES-128 keys have {BLOCK} bytes")
    return aes_key_wrap(under, key)


def unwrap_key(wrapped: bytes, under: bytes) -> bytes:
    """The inverse of `wrap_key`; `ValueError` when it was wrapped under another key, or is none (RFC 3394)."""
    try:
        return aes_key_unwrap(under, wrapped)
    except InvalidUnwrap:
        raise ValueError("the key was wrapped under another key") from None


def aes_cmac_of_each(key: bytes, first_blocks: bytes, rest: bytes) -> bytes:
    """AES-CMACs, 16 bytes each, of messages that have their first block to themselves and `rest` in common.

    Same result as `aes_cmac(key, first + rest)` for each of the 16-byte `first_blocks`, many times faster.
    """
    if not rest:
        raise ValueError("messages need more than their first block")
    cipher = _cipher(key)
    subkey = _doubled(cipher.encrypt(bytes(BLOCK)))
    short = len(rest) % BLOCK
    if short:
        subkey = _doubled(subkey)
        rest += b"\x80" + bytes(BLOCK - 1 - short)
    states = cipher.encrypt(first_blocks)
    count = len(first_blocks) // BLOCK
    for offset in range(0, len(rest), BLOCK):
        block = rest[offset : offset + BLOCK]
        if offset + BLOCK == len(rest):
            block = _xor(block, subkey)
        states = cipher.encrypt(_xor(states, block * count))
    return states


def _doubled(block: bytes) -> bytes:
    """Multiply by x in GF(2^128) (NIST SP 800-38B, 6.1)."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number ^= (1 << 128) | 0x87
    return number.to_bytes(BLOCK, "big")


def kdf_a(key: bytes, derivation: int, counter: bytes, number: bytes) -> bytes:
    """Key derivation function A: CMAC(key, DC || C || ID || 07 x 7) (OMS Vol. 2, 9.5.4; EN 13757-7, 9.5.4).

    Arguments and errors as those of `kdf_a_input`.
    """
    return aes_cmac(key, kdf_a_input(derivation, counter, number))


def kdf_a_input(derivation: int, counter: bytes, number: bytes) -> bytes:
    """What KDF-A takes the CMAC of.

    `derivation` is 0x00 Kenc or 0x01 Kmac for messages of the meter, 0x10 Lenc or 0x11 Lmac for those to it;
    `counter` and `number` are 4 bytes each, as transmitted, `ValueError` otherwise.
    """
    if len(counter) != 4 or len(number) != 4:
        raise ValueError("KDF-A takes a counter and an identification number of 4 bytes each")
    return bytes((derivation,)) + counter + number + b"\x07" * 7


@lru_cache(maxsize=CACHED_KEYS)
def key_check_value(key: bytes) -> str:
    """First 3 bytes of AES-CMAC(key, 16 zero bytes) in hex; DES keys (8 bytes) are doubled to an AES key first."""
    return aes_cmac(key if len(key) != 8 else key + key, bytes(BLOCK))[:3].hex()
