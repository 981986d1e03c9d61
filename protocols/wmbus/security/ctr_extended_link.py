"""Encryption of the extended link layer: AES-128-CTR from the payload CRC to the end (EN 13757-4, 13.2.11)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.crypto import aes_ctr
from protocols.errors import DecryptFailed, Truncated
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address
from protocols.wmbus.ell import CC_CHANGED_BY_REPEATERS, PAYLOAD_CRC_SIZE, ExtendedLinkLayer
from protocols.wmbus.security.model import Opened


def counter_block(address: Address, cc: int, session_number: int, frame_number: int = 0) -> bytes:
    """M, A of the sender, CC without the bits that repeaters change, SN, FN, block counter 0."""
    return (
        address.to_wire()
        + bytes((cc & ~CC_CHANGED_BY_REPEATERS & 0xFF,))
        + session_number.to_bytes(4, "little")
        + frame_number.to_bytes(2, "little")
        + b"\x00"
    )


@dataclass(frozen=True, slots=True)
class CtrExtendedLink:
    """AES-128-CTR under the meter's key itself; the check is a CRC over the plain text, no MAC."""

    key_sizes: tuple[int, ...] = (16,)

    def in_clear(self, data: bytes, ell: ExtendedLinkLayer) -> bool:
        """Whether the payload CRC already fits the bytes as transmitted."""
        return len(data) > ell.end and _crc_fits(data[ell.crypt_start :])

    def open(self, data: bytes, address: Address, ell: ExtendedLinkLayer, key: bytes) -> Opened:
        """Decrypt and compare the payload CRC.

        `data` is the frame without CRCs, `address` the sender's link-layer address. Raises `DecryptFailed` when the
        CRC differs, `Truncated` when nothing follows the CRC.
        """
        start = ell.crypt_start
        ciphertext = data[start:]
        if len(ciphertext) <= PAYLOAD_CRC_SIZE:
            raise Truncated("frame ends inside the encrypted payload", layer="ell", offset=len(data))
        plaintext = aes_ctr(key, counter_block(address, ell.cc, ell.session_number or 0), ciphertext)
        if not _crc_fits(plaintext):
            raise DecryptFailed("payload CRC does not fit", layer="ell", offset=start)
        return Opened(start, plaintext, "payload CRC fits")


def _crc_fits(region: bytes) -> bool:
    crc = int.from_bytes(region[:PAYLOAD_CRC_SIZE], "little")
    return crc16_en13757(region[PAYLOAD_CRC_SIZE:]) == crc


EXTENDED_LINK = CtrExtendedLink()
