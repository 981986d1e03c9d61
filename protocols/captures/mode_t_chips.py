"""A mode T frame as chips, before the 3-out-of-6 code was undone, with or without preamble and sync word."""

from __future__ import annotations

from typing import Final

from protocols.captures.model import Pasted
from protocols.captures.plausible import crcs_are_there, has_control, length_fits
from protocols.errors import BadField, ProtocolError, Truncated
from protocols.mbus.crc import ends_with_crc
from protocols.model import FrameFormat, RawFrame
from protocols.wmbus.link import CRC_SIZE, HEADER_SIZE, MIN_LENGTH, size_on_air
from protocols.wmbus.three_of_six import CHIPS_PER_BYTE, LAYER, SYMBOLS, decode

KIND: Final = "3-of-6 chips"

PREAMBLE: Final = b"\x55"
SYNC: Final = b"\x54\x3d"
"""The sync word 0000111101 with the end of the preamble in front of it, to whole bytes."""

SYNC_CHIPS: Final = "0000111101"
SEARCHED: Final = 32
"""Bytes in which the sync word is looked for where it does not end with a byte: some preambles are that long."""

SURE: Final = 10
"""Bytes of good symbols that make it certain that they are chips: of other bytes, one in 2 to the 40th looks so."""

_SYMBOLS: Final = frozenset(SYMBOLS)

HEAD_CHIP_BYTES: Final = 3
"""Bytes of chips that hold the L and the C field."""


def may_be_chips(data: bytes) -> bool:
    """Say, quickly, whether chips of a frame could begin here: four good symbols that give L and a C field."""
    return _head(_without_preamble(data)) is not None


def read(data: bytes) -> Pasted:
    """Return the frame, with its CRCs when they are there.

    Where a symbol is none, or the chips end too soon, it is the part before that, with a note: for the decoder it is a
    frame that was cut. Raises `BadField` where neither CRCs nor L fit the bytes that the chips stand for, and too few
    symbols are good to prove that they are chips at all.
    """
    chips = _without_preamble(data)
    head = _head(chips)
    if head is None:
        raise BadField("the chips do not begin with L and C field", layer=LAYER, offset=0)
    there = 8 * len(chips) // CHIPS_PER_BYTE
    on_air = size_on_air(head[0], FrameFormat.A)
    problem: ProtocolError | None = None
    if on_air <= there:
        try:
            frame = decode(chips, on_air)
        except BadField as error:
            problem = error
        else:
            if crcs_are_there(frame):
                return Pasted(RawFrame(frame, mode="T1"), KIND)
    # Without CRCs there must be nothing behind but the postamble.
    size = head[0] + 1
    if size <= there <= size + 1:
        try:
            frame = decode(chips, size)
        except BadField as error:
            problem = problem or error
        else:
            if length_fits(frame) and not ends_with_crc(frame[: HEADER_SIZE + CRC_SIZE]):
                return Pasted(RawFrame(frame, mode="T1"), KIND)
    if problem is None and on_air > there:
        problem = Truncated(f"they hold {there} bytes of a frame of {on_air}", layer=LAYER, offset=len(chips))
    problem = problem or BadField("neither CRCs nor L fit what the chips stand for", layer=LAYER, offset=0)
    good = _good_bytes(chips, min(there, on_air))
    if len(good) == size:
        # As long as L says it would be taken for a whole frame without CRCs.
        good = good[:-1]
    if len(good) < SURE:
        raise problem
    return Pasted(RawFrame(good, mode="T1"), KIND, (f"the chips are damaged: {problem}",))


def begins_with_symbols(data: bytes) -> bool:
    """Say, more quickly still, whether the chips of L and C may stand at the very beginning."""
    if len(data) < HEAD_CHIP_BYTES or data[0] >> 2 not in _SYMBOLS:
        return False
    return (data[0] & 3) << 4 | data[1] >> 4 in _SYMBOLS and _head(data) is not None


def _good_bytes(chips: bytes, size: int) -> bytes:
    """The bytes before the first symbol that is none, of `size` at most."""
    try:
        return decode(chips, size)
    except BadField as error:
        return decode(chips, 8 * error.offset // CHIPS_PER_BYTE)


def _without_preamble(data: bytes) -> bytes:
    chips = data.lstrip(PREAMBLE)
    if chips.startswith(SYNC):
        return chips[len(SYNC) :]
    return data if _head(data) is not None else _behind_sync(data)


def _behind_sync(data: bytes) -> bytes:
    """The chips behind a sync word that begins at any chip of the first bytes; `data` where there is none."""
    first = data[:SEARCHED]
    at = f"{int.from_bytes(first, 'big'):0{8 * len(first)}b}".find(SYNC_CHIPS)
    if at < 0:
        return data
    left = 8 * len(data) - at - len(SYNC_CHIPS)
    number = (int.from_bytes(data, "big") & ((1 << left) - 1)) << -left % 8
    return number.to_bytes((left + 7) // 8, "big")


def _head(chips: bytes) -> bytes | None:
    if len(chips) < HEAD_CHIP_BYTES:
        return None
    try:
        head = decode(chips[:HEAD_CHIP_BYTES], 2)
    except BadField:
        return None
    return head if head[0] >= MIN_LENGTH and has_control(head) else None
