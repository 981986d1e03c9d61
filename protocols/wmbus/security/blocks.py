"""The encrypted region of the CBC modes: N blocks of 16 bytes after the transport header."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.crypto import BLOCK
from protocols.errors import Truncated
from protocols.plural import counted
from protocols.wmbus.security.model import CHECK_BYTES, Protected


@dataclass(frozen=True, slots=True)
class Region:
    """The whole blocks of cipher text, where they start, and what had to be tolerated to get them.

    `cut` counts the bytes after them that are less than a block: cipher text too, but nothing can decrypt it.
    """

    start: int
    ciphertext: bytes
    notes: tuple[str, ...] = ()
    consumed_trailing: int = 0
    cut: int = 0


def encrypted_region(protected: Protected) -> Region:
    """Cut the N announced blocks out of the frame.

    Some meters count L too small, some announce more blocks than they send: bytes after the frame are taken when
    they complete the region, else the region shrinks to whole blocks. Raises `Truncated` when none is left.
    """
    start = protected.transport.end
    size = protected.transport.encrypted_blocks * BLOCK
    available = protected.data[start : start + size]
    if len(available) == size:
        return Region(start, available)
    lacking = size - len(available)
    if lacking <= len(protected.trailing):
        blocks = counted(protected.transport.encrypted_blocks, "announced block")
        note = f"L field is {lacking} too small for {blocks}"
        return Region(start, available + protected.trailing[:lacking], (note,), lacking)
    whole = len(available) // BLOCK * BLOCK
    if not whole:
        raise Truncated("frame ends inside the first encrypted block", layer="transport", offset=len(protected.data))
    announced = counted(protected.transport.encrypted_blocks, "encrypted block")
    note = f"{announced} announced, {whole // BLOCK} present"
    return Region(start, available[:whole], (note,), cut=len(available) - whole)


def starts_with_check_bytes(protected: Protected) -> bool:
    """Whether the region already shows the check bytes of plain text."""
    start = protected.transport.end
    return protected.data[start : start + len(CHECK_BYTES)] == CHECK_BYTES
