"""Security modes 5 and 15: AES-128-CBC, initial vector from address and access number (OMS Vol. 2, 9.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.crypto import aes_cbc_decrypt
from protocols.errors import DecryptFailed
from protocols.model import Address
from protocols.wmbus.security.blocks import encrypted_region, starts_with_check_bytes
from protocols.wmbus.security.model import CHECK_BYTES, CHECK_BYTES_FIT, Opened, Protected


def initial_vector(address: Address, access_number: int) -> bytes:
    """M, A as on the link layer, then the access number eight times."""
    return address.to_wire() + bytes((access_number,)) * 8


@dataclass(frozen=True, slots=True)
class CbcAddress:
    """AES-128-CBC under the meter's key itself; two check bytes, no MAC."""

    number: int
    key_sizes: tuple[int, ...] = (16,)

    def encrypts(self, protected: Protected) -> bool:
        """Whether the header announces encrypted blocks."""
        return protected.transport.encrypted_blocks > 0

    def in_clear(self, protected: Protected) -> bool:
        """Whether the check bytes are there unencrypted."""
        return starts_with_check_bytes(protected)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and compare the check bytes; `DecryptFailed` when they differ."""
        return self.open_with(protected, key, initial_vector(protected.address, protected.transport.access_number or 0))

    def open_with(self, protected: Protected, key: bytes, iv: bytes) -> Opened:
        """The same under any initial vector."""
        region = encrypted_region(protected)
        plaintext = aes_cbc_decrypt(key, iv, region.ciphertext)
        if not plaintext.startswith(CHECK_BYTES):
            raise DecryptFailed("check bytes 2F2F do not appear", layer="transport", offset=region.start)
        return Opened(
            region.start, plaintext, CHECK_BYTES_FIT, False, region.notes, region.consumed_trailing, cut=region.cut
        )


MODE_5 = CbcAddress(5)
MODE_15 = CbcAddress(15)
