"""ioBroker's inputs for wireless M-Bus: JSON with `data`, and hex lines where a `Z` says that the CRCs are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from protocols.captures.hex_lines import parse_hex
from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import crcs_are_there, length_note
from protocols.model import RawFrame

KIND_JSON: Final = "ioBroker JSON"
KIND_LINE: Final = "ioBroker line with CRCs"

_LINE: Final = re.compile(r"Z([0-9A-Fa-f]{22,})", re.ASCII)


def read_object(members: Mapping[str, object]) -> Pasted | None:
    """Return the frame of a JSON object, None when it is no such object; `NotRecognised` when its data are damaged."""
    data, with_crcs = members.get("data"), members.get("containsCrc")
    if not isinstance(data, str) or not ("frameType" in members or isinstance(with_crcs, bool)):
        return None
    try:
        frame = parse_hex(data)
    except ValueError as error:
        raise NotRecognised(f"{KIND_JSON} whose data are not hex: {error}", "paste the whole object") from None
    if with_crcs is True and not crcs_are_there(frame):
        return Pasted(RawFrame(frame), KIND_JSON, ("it announces CRCs, but none fits",))
    return Pasted(RawFrame(frame), KIND_JSON, length_note(frame))


def read_line(text: str) -> Pasted | None:
    """Return the frame of a line that starts with `Z`, None for other lines; `NotRecognised` when no CRC fits."""
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    digits = found[1]
    if len(digits) % 2 or not crcs_are_there(bytes.fromhex(digits)):
        raise NotRecognised(f"{KIND_LINE} (Z) of {len(digits)} hex digits in which no CRC fits", "paste the whole line")
    return Pasted(RawFrame(bytes.fromhex(digits)), KIND_LINE)
