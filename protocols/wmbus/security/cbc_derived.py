"""Security mode 7: AES-128-CBC under a key derived for every message, CMAC in the AFL (OMS Vol. 2, 9.3.3)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from protocols.crypto import BLOCK, aes_cbc_decrypt, aes_cmac, kdf_a
from protocols.errors import BadChecksum, DecryptFailed, Unsupported
from protocols.wmbus.afl import MAC_TYPES, AuthenticationLayer
from protocols.wmbus.security.blocks import encrypted_region, starts_with_check_bytes
from protocols.wmbus.security.model import CHECK_BYTES, CHECK_BYTES_FIT, Opened, Protected
from protocols.wmbus.transport import TransportLayer

KENC, KMAC, LENC, LMAC = 0x00, 0x01, 0x10, 0x11
"""Derivation constants: encryption and MAC of messages of the meter, and of those to it."""

PERSISTENT_KEY, KDF_A = 0, 1
"""Key derivation selection, bits 5-4 of the configuration field extension."""


def message_keys(key: bytes, counter: bytes, number: bytes, *, downlink: bool) -> tuple[bytes, bytes]:
    """Return the keys for encryption and MAC of one message (KDF-A); counter and number as transmitted."""
    encryption, mac = (LENC, LMAC) if downlink else (KENC, KMAC)
    return kdf_a(key, encryption, counter, number), kdf_a(key, mac, counter, number)


@dataclass(frozen=True, slots=True)
class CbcDerived:
    """AES-128-CBC with IV 0 under a derived key; check bytes, and a MAC when the AFL carries one."""

    number: int = 7
    key_sizes: tuple[int, ...] = (16,)

    def encrypts(self, protected: Protected) -> bool:
        """Whether the header announces encrypted blocks."""
        return protected.transport.encrypted_blocks > 0

    def in_clear(self, protected: Protected) -> bool:
        """Whether the check bytes are there unencrypted."""
        return starts_with_check_bytes(protected)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Derive, decrypt, compare the check bytes, then verify the MAC over the encrypted message."""
        region = encrypted_region(protected)
        encryption_key, mac_key = _keys(protected, key)
        plaintext = aes_cbc_decrypt(encryption_key, bytes(BLOCK), region.ciphertext)
        mac_fits = _verify(protected, mac_key)
        if not plaintext.startswith(CHECK_BYTES):
            raise DecryptFailed("check bytes 2F2F do not appear", layer="transport", offset=region.start)
        if mac_fits is False:
            raise BadChecksum(
                "the key decrypts but the MAC does not fit: message altered or MAC made with another key",
                layer="afl",
                offset=region.start,
            )
        proof = "MAC fits" if mac_fits else CHECK_BYTES_FIT
        return Opened(
            region.start, plaintext, proof, mac_fits is True, region.notes, region.consumed_trailing, cut=region.cut
        )


def key_derivation(transport: TransportLayer) -> int:
    """How the configuration field extension says that keys are derived; KDF-A without one."""
    return (transport.extension[0] >> 4) & 3 if transport.extension else KDF_A


def _keys(protected: Protected, key: bytes) -> tuple[bytes, bytes]:
    """Keys for encryption and MAC as the configuration field extension selects them."""
    transport = protected.transport
    selection = key_derivation(transport)
    if selection == PERSISTENT_KEY:
        return key, key
    if selection != KDF_A:
        raise Unsupported(f"key derivation {selection} is reserved", layer="transport", offset=transport.start)
    counter = transport.counter or (protected.afl.counter if protected.afl else None)
    if counter is None:
        raise Unsupported(
            "this mode derives its keys from a message counter, and this message has none",
            layer="security",
            offset=transport.start,
        )
    return message_keys(key, counter, protected.address.number_wire, downlink=protected.downlink)


def encryption_key_of(protected: Protected, key: bytes) -> bytes:
    """The key that one message is encrypted with (modes 7 and 10)."""
    return _keys(protected, key)[0]


def mac_fits(protected: Protected, key: bytes) -> bool | None:
    """Whether the MAC of the AFL is made with a key; None when there is none. Raises `Unsupported` as opening does."""
    return _verify(protected, _keys(protected, key)[1])


def _verify(protected: Protected, mac_key: bytes) -> bool | None:
    """Whether the MAC fits; None when there is none (or a kind that is not a CMAC)."""
    afl = protected.afl
    if afl is None or afl.mac is None or not is_cmac(afl):
        return None
    message = afl.authenticated_prefix + protected.data[protected.transport.start :]
    return hmac.compare_digest(aes_cmac(mac_key, message)[: len(afl.mac)], afl.mac)


def is_cmac(afl: AuthenticationLayer) -> bool:
    """Whether the MAC is one that can be verified."""
    return MAC_TYPES.get((afl.mcl or 0) & 0x0F, ("", 0))[0] == "AES-CMAC"


MODE_7 = CbcDerived()
