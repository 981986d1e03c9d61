"""Lines of wmbusmeters' simulation files and of its telegram log: `telegram=|HEX|+SECONDS`."""

from __future__ import annotations

from typing import Final

from protocols.captures.hex_lines import MARK, parse_line
from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import length_note

KIND: Final = "wmbusmeters simulation line"


def read(text: str) -> Pasted | None:
    """Return the frame of a line and its offset, None when it is no such line; `NotRecognised` when it is damaged."""
    if MARK not in text:
        return None
    try:
        parsed = parse_line(text)
    except ValueError as error:
        raise NotRecognised(f"{KIND}: {error}", "paste the whole line") from None
    if parsed is None:
        return None
    frame, offset_s = parsed
    return Pasted(frame, KIND, length_note(frame.data), offset_s)
