"""Lines of rtl_wmbus, and of gateways that write the same: mode, two checks, time, two strengths, number, hex."""

from __future__ import annotations

import re
from typing import Final

from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import length_note
from protocols.captures.times import time_in
from protocols.model import RawFrame

KIND: Final = "rtl_wmbus line"
CRC_WRONG: Final = "the receiver says that a CRC was wrong"
"""The note of a frame that its receiver calls damaged."""

_LINE: Final = re.compile(
    r"(?:(?:rla|t2a);)?(?P<mode>[STCRNF][12]?[a-gm]?);(?P<crc>[01]?);(?P<symbols>[01]?);(?P<time>[^;]*);"
    r"(?P<rssi>[^;]*);[^;]*;[^;]*;(?:0[xX])?(?P<hex>[0-9A-Fa-f]*)\s*(?P<more>;.*)?",
    re.ASCII,
)
_DBM: Final = re.compile(r"\s*(-\d{1,3})(?:\.\d*)?\s*", re.ASCII)


def read(text: str) -> Pasted | None:
    """Return the frame of a line, None when it is no such line; `NotRecognised` when its hex is damaged.

    Only a negative strength is one in dBm. A time without zone is that of the computer that received.
    """
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    digits = found["hex"]
    if not digits or len(digits) % 2:
        seen = f"{KIND} with an odd number of hex digits ({len(digits)})" if digits else f"{KIND} without a telegram"
        raise NotRecognised(seen, "paste the whole line")
    data = bytes.fromhex(digits)
    written = time_in(found["time"])
    strength = _DBM.fullmatch(found["rssi"])
    notes = []
    if found["crc"] == "0":
        notes.append(CRC_WRONG)
    if found["symbols"] == "0":
        notes.append("the receiver says that a 3-of-6 symbol was wrong")
    if found["more"]:
        notes.append("what follows the telegram is left out")
    notes.extend(length_note(data))
    zoned = written is not None and written.zoned
    frame = RawFrame(
        data,
        at=written.at if written is not None and zoned else None,
        mode=found["mode"],
        rssi_dbm=None if strength is None else int(strength[1]),
    )
    return Pasted(frame, KIND, tuple(notes), local_at=written.at if written is not None and not zoned else None)
