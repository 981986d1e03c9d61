"""Security mode 10: AES-128-CCM under a derived key, authenticated as a whole (EN 13757-7, 7.6.6; OMS profile D)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocols.errors import DecryptFailed, Truncated
from protocols.wmbus.security.cbc_derived import encryption_key_of
from protocols.wmbus.security.model import Opened, Protected
from protocols.wmbus.transport import ALL_BYTES, COUNTER_SIZE

ADDRESS_SIZE = 8
TAG_SIZES = (4, 8, 12, 16)
"""By bits 9-8 of the configuration field extension."""


@dataclass(frozen=True, slots=True)
class CcmDerived:
    """AES-128-CCM; the tag covers transport header and payload, there are no check bytes."""

    number: int = 10
    key_sizes: tuple[int, ...] = (16,)

    def encrypts(self, protected: Protected) -> bool:
        """Whether the header counts encrypted bytes."""
        return bool((protected.transport.configuration or 0) & 0xFF)

    def in_clear(self, protected: Protected) -> bool:
        """Always False: the mode has no check bytes to tell."""
        return False

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Derive, decrypt, verify the tag; `DecryptFailed` when it does not fit."""
        transport = protected.transport
        start = transport.end
        word = int.from_bytes(transport.extension, "little")
        tag_size = TAG_SIZES[(word >> 8) & 3]
        size = (transport.configuration or 0) & 0xFF
        encrypted_end = len(protected.data) - tag_size if size == ALL_BYTES else start + size
        if encrypted_end < start or encrypted_end + tag_size > len(protected.data):
            raise Truncated("frame ends before the CCM tag", layer="security", offset=len(protected.data))
        counter = transport.counter or bytes(COUNTER_SIZE)
        nonce = protected.address.to_wire() + b"\x00" + counter[::-1]
        ccm = AESCCM(encryption_key_of(protected, key), tag_length=tag_size)
        for header in _covered(protected):
            try:
                plaintext = ccm.decrypt(nonce, protected.data[start : encrypted_end + tag_size], header)
            except InvalidTag:
                continue
            return Opened(start, plaintext, "CCM tag fits", authenticated=True, tag_size=tag_size)
        reason = "CCM tag does not fit: another key, or the message was altered"
        raise DecryptFailed(reason, layer="security", offset=start)


def _covered(protected: Protected) -> Iterator[bytes]:
    """The transport header as the tag covers it, in the ways that a long one can be taken.

    Its address is in the nonce, and Kamstrup's meters do not cover it once more; by the standard's words it is part of
    the header all the same.
    """
    transport = protected.transport
    header = protected.data[transport.start : transport.end - COUNTER_SIZE]
    if transport.address is not None:
        yield header[:1] + header[1 + ADDRESS_SIZE :]
    yield header


MODE_10 = CcmDerived()
