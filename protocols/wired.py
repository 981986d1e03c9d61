"""The way of one wired frame: short, control and long frames, then transport and application (EN 13757-2)."""

from __future__ import annotations

from protocols.errors import Unsupported
from protocols.wmbus.decoder import Decoding

START = 0x68


def is_wired(data: bytes) -> bool:
    """Whether the bytes start as a wired long or control frame does."""
    return len(data) >= 4 and data[0] == START and data[3] == START and data[1] == data[2]


def decode_wired(decoding: Decoding) -> None:
    """Walk the layers of a wired frame."""
    raise Unsupported("wired frames are not decoded", layer="wired", offset=0)
