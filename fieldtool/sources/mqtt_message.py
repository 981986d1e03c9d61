"""What a message of a broker holds: frames in any form that `decode` takes, or news of a join."""

from __future__ import annotations

from typing import Final

from protocols.captures.model import PLAIN_HEX, NotRecognised, Pasted
from protocols.captures.network_joins import Joined, join_of
from protocols.captures.paste import recognise_all, recognise_bytes
from protocols.captures.plausible import is_whole
from protocols.model import Link, RawFrame

MAX_PAYLOAD: Final = 1 << 16
MAX_LINES: Final = 200
"""Telegrams of one message that are looked at."""

MIN_UNPROVED: Final = 12
"""Fewer bytes of hex that nothing proves are a number that a sensor publishes, rather than a damaged frame."""


def read_message(payload: bytes) -> tuple[RawFrame, ...] | Joined:
    """Return the frames of a payload: JSON, one or several lines, or the bytes of one whole frame.

    Raises `NotRecognised` when there are none.
    """
    if len(payload) > MAX_PAYLOAD:
        raise NotRecognised(f"{len(payload)} bytes are more than any telegram", "")
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return (_of_bytes(payload).frame,)
    joined = join_of(text)
    if joined is not None:
        return joined
    lines = text.splitlines()
    if text.startswith("{") or len(lines) < 2:
        return _of_text(text)
    return tuple(frame for line in lines[:MAX_LINES] if line.strip() for frame in _of_text(line))


def _of_text(text: str) -> tuple[RawFrame, ...]:
    return tuple(_sure(pasted).frame for pasted in recognise_all(text))


def _sure(pasted: Pasted) -> Pasted:
    data = pasted.frame.data
    unproved = pasted.kind == PLAIN_HEX and pasted.frame.link is Link.MBUS and not is_whole(data)
    if unproved and len(data) < MIN_UNPROVED:
        raise NotRecognised(f"{len(data)} bytes in hex that are not a whole telegram", "")
    return pasted


def _of_bytes(payload: bytes) -> Pasted:
    pasted = recognise_bytes(payload)
    if pasted.kind == PLAIN_HEX and not is_whole(payload):
        raise NotRecognised(f"{len(payload)} bytes that are neither text nor a whole telegram", "")
    return pasted
