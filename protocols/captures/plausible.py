"""Whether bytes are a whole frame: by their length, by their link-layer CRCs, or by a wired frame's checksum."""

from __future__ import annotations

from protocols.errors import BadChecksum, ProtocolError, Truncated
from protocols.mbus.wired import parse_wired
from protocols.model import FrameFormat
from protocols.wmbus.control import C_FIELDS
from protocols.wmbus.link import MIN_LENGTH, size_on_air, strip_crcs

CRCS_OF_FORMAT_B = (2, 4)
"""Bytes of CRC that the L field of a format B frame counts on the air: one block of them, or two."""


def is_whole(data: bytes) -> bool:
    """Say whether `data` is one frame, proved by its own length field or checksums."""
    return length_fits(data) or checksums_fit(data)


def frames_in(data: bytes) -> int:
    """Return how many whole frames `data` are, one behind the other; 0 where anything else is in it.

    Frames on a wire stand among themselves: what a receiver appends to a wireless frame may be an E5 as well.
    """
    frames, wired = 0, _wired_size(data) > 0
    while data:
        size = _wired_size(data) if wired else _wireless_size(data)
        if not size:
            return 0
        frames += 1
        data = data[size:]
    return frames


def _wired_size(data: bytes) -> int:
    """Return the size of the wired frame that `data` begin with, 0 where they begin with none."""
    try:
        return parse_wired(data).length
    except ProtocolError:
        return 0


def _wireless_size(data: bytes) -> int:
    """Return the size of the wireless frame that `data` begin with, 0 where they begin with none that proves whole."""
    if data[0] < MIN_LENGTH:
        return 0
    on_air, size = size_on_air(data[0], FrameFormat.A), data[0] + 1
    if on_air <= len(data) and checksums_fit(data[:on_air]):
        return on_air
    return size if size <= len(data) and is_whole(data[:size]) else 0


def length_fits(data: bytes) -> bool:
    """Say whether L counts the bytes behind it and C is a C field that exists."""
    return len(data) > MIN_LENGTH and data[0] + 1 == len(data) and has_control(data)


def has_control(data: bytes) -> bool:
    """Say whether the second byte is a C field that exists; bit 7, set by some repeaters, may be set as well."""
    return len(data) > 1 and data[1] & 0x7F in C_FIELDS


def checksums_fit(data: bytes) -> bool:
    """Say whether `data` is a wired frame, or a wireless one with all its link-layer CRCs."""
    try:
        return parse_wired(data).length == len(data)
    except ProtocolError:
        pass
    try:
        return strip_crcs(data).format is not FrameFormat.STRIPPED
    except ProtocolError:
        return False


def crcs_are_there(data: bytes) -> bool:
    """Say whether `data` has link-layer CRCs of which some fit: the others then are damage, not chance."""
    try:
        return strip_crcs(data).format is not FrameFormat.STRIPPED
    except BadChecksum:
        return True
    except Truncated as error:
        return error.offset > 0
    except ProtocolError:
        return False


def with_true_length(data: bytes) -> tuple[bytes, str | None]:
    """Put L right where it still counts the CRCs of format B that were removed; with a note when it did."""
    if data and data[0] + 1 - len(data) in CRCS_OF_FORMAT_B:
        note = f"L put right from {data[0]} to {len(data) - 1}: it counted the CRCs of format B"
        return bytes((len(data) - 1,)) + data[1:], note
    return data, None


def length_note(data: bytes) -> tuple[str, ...]:
    """Return a note for a frame that is not as long as its L field says; none when it is."""
    if not data or is_whole(data):
        return ()
    return (f"L announces {data[0] + 1} bytes, the line has {len(data)}",)
