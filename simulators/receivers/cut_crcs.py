"""The bytes of a damaged frame as receivers hand them over that do not drop it: cut where its format has CRCs."""

from __future__ import annotations

from protocols.model import FrameFormat
from protocols.wmbus.link import BLOCK_A, BLOCK_B, CRC_SIZE, FIRST_OF_A, blocks_a
from simulators.air import Transmission


def cut_crcs(transmission: Transmission) -> bytes:
    """Return the bytes of a damaged frame from the L field on, without those where its format has CRCs."""
    coded = transmission.coded
    if transmission.frame_format is FrameFormat.B:
        return coded[:-2] if len(coded) <= BLOCK_B else coded[: BLOCK_B - 2] + coded[BLOCK_B:-2]
    return b"".join(coded[start : start + size] for start, size in blocks_a(_length_a(len(coded))))


def _length_a(on_air: int) -> int:
    """The L field of a format A frame of so many bytes on the air."""
    blocks = 1 + max(0, -(-(on_air - FIRST_OF_A) // (BLOCK_A + CRC_SIZE)))
    return on_air - CRC_SIZE * blocks - 1
