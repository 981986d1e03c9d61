"""The input and the result of a security mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from protocols.model import Address
from protocols.wmbus.afl import AuthenticationLayer
from protocols.wmbus.transport import TransportLayer

CHECK_BYTES = b"\x2f\x2f"
"""Two idle fillers stand before the records of every encrypted payload of modes 5 and 7 (OMS Vol. 2, 9.2)."""

CHECK_BYTES_FIT = "check bytes 2F2F fit"
"""The weakest proof of a key there is: one wrong key in 65,536 passes it."""


@dataclass(frozen=True, slots=True)
class Protected:
    """A payload as transmitted, with what its key derivation and initial vector are made of.

    `data` is the whole frame without CRCs, `trailing` are bytes after it; `transport.end` is where the payload
    begins. `address` is the application's own address if there is one, else the link layer's. `received_on` is the
    day of reception, for the one mode whose initial vector holds a date.
    """

    data: bytes
    trailing: bytes
    address: Address
    transport: TransportLayer
    afl: AuthenticationLayer | None
    downlink: bool = False
    received_on: date | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Plain text of the frame's bytes `start:end`, what proved the key in words, and oddities.

    `authenticated` is True only when a MAC over the message verified. `consumed_trailing` counts bytes after the
    frame that the encrypted region needed, `tag_size` those of a tag after the payload, `cut` those after `end` that
    are less than a block and stay encrypted.
    """

    start: int
    plaintext: bytes
    proof: str
    authenticated: bool = False
    notes: tuple[str, ...] = ()
    consumed_trailing: int = 0
    tag_size: int = 0
    cut: int = 0


class SecurityMode(Protocol):
    """One security mode."""

    @property
    def number(self) -> int:
        """Its number in the configuration word."""

    @property
    def key_sizes(self) -> tuple[int, ...]:
        """Sizes of keys it takes, in bytes."""

    def encrypts(self, protected: Protected) -> bool:
        """Whether anything of this payload is encrypted at all."""

    def in_clear(self, protected: Protected) -> bool:
        """Whether the payload shows the marks of plain text although its header says encrypted."""

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and check.

        Raises `DecryptFailed` when the check bytes do not fit, `BadChecksum` when they fit but the MAC does not,
        `Truncated` when there is no whole block, `Unsupported` when the message lacks what the mode needs.
        """
