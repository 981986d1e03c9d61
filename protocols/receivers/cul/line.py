"""One telegram in one line: `b` for frame format A, `bY` for B, the frame in hex with its CRCs, then LQI and RSSI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protocols.errors import ProtocolError
from protocols.model import FrameFormat
from protocols.receivers.cc1101 import rssi_dbm
from protocols.wmbus.link import HEADER_SIZE, MIN_LENGTH, size_on_air, strip_crcs

MARK: Final = "b"
MARK_B: Final = "Y"
SIGNAL_SIZE: Final = 2
CRC_OK: Final = 0x80
"""Bit 7 of the LQI byte, as the radio chip keeps it; its own check, not that of wireless M-Bus."""

_TELEGRAM: Final = re.compile(r"b(?P<b>Y?)(?P<hex>[0-9A-Fa-f]*)", re.ASCII)
_ALIKE: Final = re.compile(r"bY?[0-9A-Fa-f]{4}|[0-9A-Fa-f]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CulTelegram:
    """A frame with its CRCs, L field first, and what the radio chip says of its signal where it is asked to.

    `is_cut` says that the line ended before the frame did.
    """

    data: bytes
    frame_format: FrameFormat
    lqi: int | None = None
    rssi_raw: int | None = None
    is_cut: bool = False

    @property
    def rssi_dbm(self) -> int | None:
        """The field strength."""
        return None if self.rssi_raw is None else rssi_dbm(self.rssi_raw)

    def to_text(self) -> str:
        """Return the line, without its end."""
        signal = bytes(code for code in (self.lqi, self.rssi_raw) if code is not None)
        mark = MARK_B if self.frame_format is FrameFormat.B else ""
        return f"{MARK}{mark}{(self.data + signal).hex().upper()}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that looks like a telegram and is none that can be used, and why."""

    reason: str
    text: str


def read_line(text: str) -> tuple[CulTelegram | Refused, ...]:
    """Return what a line holds: nothing for other answers of the stick, else a telegram, or why there is none.

    A line that was cut and runs into the next holds both. CRCs are looked at only where the length proves nothing.
    """
    whole = _whole(text)
    if whole is not None:
        return (whole,)
    if _ALIKE.search(text) is None:
        return ()
    place = text.find(MARK, 1)
    while place > 0:
        behind = _whole(text[place:])
        if behind is not None and _verifies(behind):
            return (*read_line(text[:place]), behind)
        place = text.find(MARK, place + 1)
    return (_damaged(text),)


def _whole(text: str) -> CulTelegram | None:
    """The telegram of a line that is exactly as long as its L field says."""
    found = _TELEGRAM.fullmatch(text)
    if found is None or len(found["hex"]) % 2:
        return None
    data, frame_format = bytes.fromhex(found["hex"]), _format(found)
    if len(data) < HEADER_SIZE or data[0] < MIN_LENGTH:
        return None
    size = size_on_air(data[0], frame_format)
    if len(data) == size:
        return CulTelegram(data, frame_format)
    if len(data) == size + SIGNAL_SIZE:
        return CulTelegram(data[:size], frame_format, data[size], data[size + 1])
    return None


def _damaged(text: str) -> CulTelegram | Refused:
    """A telegram of which a part is missing and at least the block with the address verifies, else why not."""
    found = _TELEGRAM.fullmatch(text)
    if found is None:
        return Refused("a line that is neither a telegram nor an answer", text)
    digits, frame_format = found["hex"], _format(found)
    data = bytes.fromhex(digits[: len(digits) // 2 * 2])
    if len(data) < HEADER_SIZE or data[0] < MIN_LENGTH:
        return Refused(f"a telegram of {len(digits)} hex digits, too short for any", text)
    size = size_on_air(data[0], frame_format)
    if len(data) >= size:
        return Refused(f"a telegram of {size} bytes in a line of {len(digits)} hex digits", text)
    cut = CulTelegram(data, frame_format, is_cut=True)
    if _begins_well(cut):
        return cut
    return Refused(f"a telegram that was cut: {len(data)} of {size} bytes, longer than the stick can hold", text)


def _format(found: re.Match[str]) -> FrameFormat:
    return FrameFormat.B if found["b"] else FrameFormat.A


def _verifies(telegram: CulTelegram) -> bool:
    """Whether all CRCs fit."""
    try:
        return strip_crcs(telegram.data, telegram.frame_format).problem is None
    except ProtocolError:
        return False


def _begins_well(telegram: CulTelegram) -> bool:
    """Whether the CRC of the block with the address fits."""
    try:
        strip_crcs(telegram.data, telegram.frame_format)
    except ProtocolError:
        return False
    return True
