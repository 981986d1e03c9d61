"""Protection of single meter families that no configuration word of the standard announces.

Found by the meter's address: APT-WMBUS-NA-1 (Apator) encrypts under the meter's key after a CI field of its own,
RFM-TX1 (BMeters) scrambles the digits of its total with its access number, without any key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from protocols.crypto import aes_cbc_decrypt
from protocols.errors import DecryptFailed, Truncated
from protocols.mbus.values import bcd
from protocols.media import LETTERS_MASK, manufacturer_code
from protocols.model import Address, Key
from protocols.wmbus.security.cbc_address import initial_vector
from protocols.wmbus.security.diehl import MAKERS as DIEHL_MAKERS
from protocols.wmbus.security.diehl import PUBLIC_AES_KEY as DIEHL_AES_KEY
from protocols.wmbus.security.model import Opened, Protected
from protocols.wmbus.transport import TransportLayer

LAYER = "security"


class MakerProtection(Protocol):
    """One family's protection."""

    @property
    def name(self) -> str:
        """What it is called in a telegram's security."""

    @property
    def key_sizes(self) -> tuple[int, ...]:
        """Sizes of keys it takes, in bytes; none when it needs no key."""

    def protects(self, transport: TransportLayer) -> bool:
        """Whether a telegram with this header is under it."""

    def in_clear(self, protected: Protected) -> bool:
        """Whether the payload shows the marks of plain text."""

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and check; `DecryptFailed` when the check fails, `Truncated` when bytes are missing."""


@dataclass(frozen=True, slots=True)
class ApatorNa1:
    """AES-128-CBC over one block after access number and frame status; one check byte, no MAC."""

    name: str = "APT-WMBUS-NA-1 AES-128-CBC"
    key_sizes: tuple[int, ...] = (16,)

    def protects(self, transport: TransportLayer) -> bool:
        """CI fields A0 and A1."""
        return transport.ci in (0xA0, 0xA1)

    def in_clear(self, protected: Protected) -> bool:
        """Whether the check byte is there unencrypted."""
        return _na_1_block(protected).startswith(NA_1_CHECK)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt the block under an initial vector of address and access number."""
        block = _na_1_block(protected)
        iv = initial_vector(protected.address, protected.data[protected.transport.end])
        plaintext = aes_cbc_decrypt(key, iv, block)
        start = protected.transport.end + NA_1_HEADER
        if not plaintext.startswith(NA_1_CHECK):
            raise DecryptFailed("check byte 2F does not appear", layer=LAYER, offset=start)
        return Opened(start, plaintext, "check byte 2F fits")


NA_1_HEADER, NA_1_BLOCK = 2, 16
NA_1_CHECK = b"\x2f"
"""First byte of every decrypted block: one wrong key in 256 passes it."""


def _na_1_block(protected: Protected) -> bytes:
    start = protected.transport.end + NA_1_HEADER
    block = protected.data[start : start + NA_1_BLOCK]
    if len(block) < NA_1_BLOCK:
        raise Truncated("frame ends inside its encrypted block", layer=LAYER, offset=len(protected.data))
    return block


@dataclass(frozen=True, slots=True)
class RfmTx1:
    """An XOR of the four bytes of the total with the access number and four tables."""

    name: str = "RFM-TX1 scrambling"
    key_sizes: tuple[int, ...] = ()

    def protects(self, transport: TransportLayer) -> bool:
        """Configuration word 1006, which names a reserved mode; payloads under other words are not known."""
        return transport.configuration == RFM_TX1_CONFIGURATION

    def in_clear(self, protected: Protected) -> bool:
        """Always False: the digits look the same scrambled or not."""
        return False

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Put the digits right; they must be digits."""
        access_number = protected.transport.access_number or 0
        start = protected.transport.end + RFM_TX1_DIGITS
        scrambled = protected.data[start : start + len(RFM_TX1_TABLES)]
        if len(scrambled) < len(RFM_TX1_TABLES):
            raise Truncated("frame ends inside its total", layer=LAYER, offset=len(protected.data))
        pairs = zip(scrambled, RFM_TX1_TABLES, strict=True)
        digits = bytes(byte ^ access_number ^ table[access_number & 0x0F] for byte, table in pairs)
        if bcd(digits) is None:
            raise DecryptFailed("the bytes of the total are not digits", layer=LAYER, offset=start)
        return Opened(start, digits, "the total consists of digits")


RFM_TX1_CONFIGURATION = 0x1006
RFM_TX1_DIGITS = 2
"""Offset of the total in the payload."""

RFM_TX1_TABLES: tuple[bytes, ...] = (
    bytes((122, 112, 185, 121, 7, 50, 156, 180, 10, 240, 22, 12, 74, 119, 189, 57)),
    bytes((16, 19, 11, 7, 154, 161, 126, 196, 206, 5, 152, 201, 72, 46, 120, 111)),
    bytes((26, 34, 142, 74, 203, 57, 96, 128, 25, 165, 17, 125, 228, 138, 87, 40)),
    bytes((10, 19, 153, 22, 105, 14, 153, 163, 3, 134, 94, 162, 31, 232, 140, 5)),
)
"""By the low nibble of the access number, a table for each byte."""

_MAKERS: Mapping[tuple[int, int, int], MakerProtection] = {
    (manufacturer_code("APA"), 0x14, 0x07): ApatorNa1(),
    (manufacturer_code("BMT"), 0x05, 0x07): RfmTx1(),
}
"""By manufacturer, version and device type."""


_APATOR_KEY = bytes(16)
_DEFAULT_KEYS: Mapping[int, bytes] = {
    **dict.fromkeys(DIEHL_MAKERS, DIEHL_AES_KEY),
    **{manufacturer_code(letters): _APATOR_KEY for letters in ("APA", "APT")},
}
"""By manufacturer, the AES key of meters for which no other was ordered; published, so it hides nothing."""


def default_key(address: Address | None) -> Key | None:
    """Return the AES key that a maker's meters leave the works with, None for makers without such a key."""
    value = None if address is None else _DEFAULT_KEYS.get(address.manufacturer_code & LETTERS_MASK)
    return None if value is None else Key(value, "the maker's default key")


def maker_protection(address: Address | None, transport: TransportLayer) -> MakerProtection | None:
    """Return the protection that a meter of this address uses under this header, None for all others."""
    if address is None:
        return None
    key = (address.manufacturer_code & LETTERS_MASK, address.version, address.medium_code)
    found = _MAKERS.get(key)
    return found if found is not None and found.protects(transport) else None
