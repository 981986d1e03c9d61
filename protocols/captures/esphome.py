"""Log lines of ESPHome's wireless M-Bus components: `.. RSSI: -70 dBm .. Frame: T1 A .. T: HEX (bytes)`."""

from __future__ import annotations

import re
from typing import Final

from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import length_note
from protocols.captures.times import time_in
from protocols.model import RawFrame

KIND: Final = "ESPHome log line"

_TELEGRAM: Final = re.compile(r"(?:^|(?<=\s))T:\s?(?P<hex>[0-9A-Fa-f]{2,1000})\s?\((?P<size>\d{1,4})\)", re.ASCII)
_RSSI: Final = re.compile(r"\bRSSI:\s?(-\d{1,3})\s?dBm", re.ASCII)
_MODE: Final = re.compile(r"\bFrame:\s?([STCRN][12]?[a-gm]?)\b", re.ASCII)


def read(text: str) -> Pasted | None:
    """Return the frame of a log line, None when it is no such line; `NotRecognised` when its byte count is wrong."""
    found = _TELEGRAM.search(text)
    if found is None:
        return None
    digits, size = found["hex"], int(found["size"])
    if len(digits) != 2 * size:
        raise NotRecognised(
            f"{KIND} that announces {size} bytes and has {len(digits)} hex digits", "paste the whole line"
        )
    data = bytes.fromhex(digits)
    rssi, mode = _RSSI.search(text), _MODE.search(text)
    written = time_in(text)
    zoned = written is not None and written.zoned
    frame = RawFrame(
        data,
        at=written.at if written is not None and zoned else None,
        mode=None if mode is None else mode[1],
        rssi_dbm=None if rssi is None else int(rssi[1]),
    )
    local_at = written.at if written is not None and not zoned else None
    return Pasted(frame, KIND, length_note(data), local_at=local_at)
