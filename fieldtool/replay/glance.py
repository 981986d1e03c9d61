"""Lines of captures that can be read at a glance: hex alone, or as `listen --record` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeAlias

from fieldtool.export.telegram_json import received_json
from protocols.captures.hex_lines import parse_own_line
from protocols.model import RawFrame

RECEPTIONS: Final = 4096
"""Signal strengths with radio modes whose text is kept."""

SENDER: Final = slice(2, 10)
"""The sender's address in a frame: manufacturer, number, version, device type."""

_OWN_TIME: Final = len("2026-11-20 04:32:34.721Z")
_NO_TIME: Final = '{"at": null'

Glimpse: TypeAlias = tuple[bytes, int, datetime | None, str]
"""A frame, where its digits begin in the line, when it was heard, and what else is said of its reception.

The latter is JSON; without a time it is all of it, with a time the part behind that. A tuple, for there are millions.
"""

NOTHING: Final[Glimpse] = (b"", 0, None, "")
"""Stands for a line that is written in another way."""


class Glancer:
    """Reads the lines of captures; `begin` tells of the next capture. Belongs to one thread."""

    def __init__(self) -> None:
        self._source = self._bare = ""
        self._receptions: dict[str, str | None] = {}

    def begin(self, source: str) -> None:
        """What comes now is of another capture."""
        self._source = source
        self._bare = received_json(RawFrame(b"", source=source))
        self._receptions.clear()

    def read(self, line: str) -> Glimpse | None:
        """Return the telegram in a line; None for a line that is written in another way."""
        start = line.rfind(";") + 1
        try:
            raw = bytes.fromhex(line[start:])
            if not start:
                return raw, 0, None, self._bare
            at = datetime.fromisoformat(line[:_OWN_TIME])
        except ValueError:
            return None
        if not raw or len(raw) != raw[0] + 1:
            return None
        # A time to the millisecond, and in UTC.
        if line[4] != "-" or line[7] != "-" or line[10] != " " or line[19] != "." or line[23] != "Z":
            return None
        if not at.hour and line[11] == "2":
            return None  # 24:00 of the day before, which newer Pythons understand
        behind = line[_OWN_TIME:start]
        reception = self._receptions[behind] if behind in self._receptions else self._reception(behind)
        return None if reception is None else (raw, start, at, reception)

    def _reception(self, behind: str) -> str | None:
        """What is said of a reception behind its time; None when it is not what `format_line` writes.

        None as well where the receiver told the frame format: what does not fit it has to be looked at in full.
        """
        frame = parse_own_line(f"{behind}00", self._source) if behind.startswith(";") else None
        text = None if frame is None or frame.frame_format else received_json(frame).removeprefix(_NO_TIME)
        if len(self._receptions) >= RECEPTIONS:
            self._receptions.clear()
        self._receptions[behind] = text
        return text


def received_of(glimpse: Glimpse, line: str) -> str:
    """What is said of the reception of the telegram in a line, as JSON."""
    _, _, at, reception = glimpse
    return reception if at is None else f'{{"at": "{line[:10]}T{line[11:_OWN_TIME]}"{reception}'


def digits_of(glimpse: Glimpse, line: str) -> str:
    """The digits of the frame in a line, in capitals and without blanks."""
    raw, start, _, _ = glimpse
    digits = line[start:]
    return digits if len(digits) == 2 * len(raw) and digits.isupper() else raw.hex().upper()
