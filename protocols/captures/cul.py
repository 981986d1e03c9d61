"""Lines of a CUL (`b..` for frame format A, `bY..` for B), bare or in a log: hex with CRCs, then LQI and RSSI."""

from __future__ import annotations

import re
from typing import Final

from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import crcs_are_there
from protocols.captures.times import time_in
from protocols.model import FrameFormat, RawFrame
from protocols.receivers.cc1101 import rssi_dbm
from protocols.wmbus.link import MIN_LENGTH, size_on_air

KIND: Final = "CUL line"

_LINE: Final = re.compile(
    r"(?:^|(?<=\s))b(?P<b>Y?)(?P<hex>[0-9A-Fa-f]{24,600})(?:::(?P<rssi>-\d{1,3})(?:\.\d+)?)?\s*$", re.ASCII
)
_SIGNAL_SIZE: Final = 2
"""LQI and RSSI."""


def read(text: str) -> Pasted | None:
    """Return the frame of a line with its CRCs, None when it is no such line.

    `NotRecognised` when no CRC fits, or the line was cut: firmware with a short buffer does that.
    """
    found = _LINE.search(text)
    if found is None:
        return None
    digits = found["hex"]
    if len(digits) % 2:
        if not found["b"]:
            return None
        raise NotRecognised(f"{KIND} that was cut: an odd number of hex digits ({len(digits)})", "paste the whole line")
    data = bytes.fromhex(digits)
    frame, signal = _split(data, FrameFormat.B if found["b"] else FrameFormat.A)
    if not crcs_are_there(frame):
        seen = f"{KIND} of {len(data)} bytes in which no link-layer CRC fits"
        raise NotRecognised(seen, "paste the whole line, or receive it again")
    written = time_in(text[: found.start()])
    zoned = written is not None and written.zoned
    logged = None if found["rssi"] is None else int(found["rssi"])
    return Pasted(
        RawFrame(
            frame,
            at=written.at if written is not None and zoned else None,
            mode="C1" if found["b"] else None,
            rssi_dbm=rssi_dbm(signal[1]) if signal else logged,
        ),
        KIND,
        local_at=written.at if written is not None and not zoned else None,
    )


def _split(data: bytes, frame_format: FrameFormat) -> tuple[bytes, bytes]:
    """Part frame and signal bytes; a frame of any other length keeps all its bytes."""
    if data[0] < MIN_LENGTH:
        return data, b""
    size = size_on_air(data[0], frame_format)
    return (data[:size], data[size:]) if len(data) == size + _SIGNAL_SIZE else (data, b"")
