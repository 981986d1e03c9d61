"""Lines of programs that decode what an SDR stick receives: rtl_wmbus, and rtl_433's JSON or CSV, as they come in.

Sans-IO: bytes in any pieces, out come frames, and reasons for lines that hold none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from protocols.captures import rtl_433, rtl_wmbus
from protocols.captures.hex_lines import MIN_FRAME
from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import is_whole
from protocols.model import RawFrame
from protocols.plural import counted

LINE_LIMIT: Final = 1 << 16
"""Longest line that is kept, in bytes; rtl_433's longest has some thousand."""

LARGEST_FRAME: Final = 512
"""Bytes of the longest frame with its CRCs, and to spare."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame, and the time on its line where that names no zone, written down as if it were UTC."""

    frame: RawFrame
    local_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Useless:
    """A line without a usable frame: why, and what to do (may be empty).

    `damaged` says that the program itself calls its telegram damaged.
    """

    reason: str
    hint: str = ""
    damaged: bool = False


LineEvent: TypeAlias = Heard | Useless
_Read: TypeAlias = Callable[[str], Pasted | None]


class _NotForUs(Exception):
    """A line that is in order, and no telegram."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that writes lines: its kind in receivers' addresses, its name, how to start it, how a line is read."""

    kind: str
    name: str
    pipeline: str
    read: _Read


def _wmbus(text: str) -> Pasted | None:
    return rtl_wmbus.read(text)


def _rtl_433(text: str) -> Pasted | None:
    """Read a line of JSON or CSV; `_NotForUs` for headings and for other devices, which rtl_433 hears too."""
    if rtl_433.is_heading(text):
        raise _NotForUs
    if not text.startswith("{"):
        return rtl_433.read_csv(text)
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        raise NotRecognised("JSON that is not whole", "") from None
    if not isinstance(members.get("model"), str) or members["model"] != rtl_433.MODEL:
        raise _NotForUs
    return rtl_433.read_object(members)


RTL_WMBUS: Final = Program(
    "rtlwmbus", "rtl_wmbus", "rtl_sdr -f 868.95M -s 1600000 - | rtl_wmbus | fieldtool listen rtlwmbus:-", _wmbus
)
RTL_433: Final = Program(
    "rtl433", "rtl_433", "rtl_433 -f 868.95M -s 1200k -R 104 -F json | fieldtool listen rtl433:-", _rtl_433
)
PROGRAMS: Final = {program.kind: program for program in (RTL_WMBUS, RTL_433)}


class LineStream:
    """Cuts what a program writes into lines and reads them, in memory bounded by `LINE_LIMIT`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def kept(self) -> int:
        """Bytes of a line that is not complete yet and is kept."""
        return sum(map(len, self._pieces))

    def feed(self, data: bytes) -> Iterator[LineEvent]:
        """Take the next bytes; yield what the lines that they complete hold, in order."""
        first, *others = data.split(b"\n")
        self._keep(first)
        for piece in others:
            yield from self._line()
            self._keep(piece)

    def end(self) -> Iterator[LineEvent]:
        """Yield what the last line holds, if it has no end: a cut telegram is none."""
        for event in self._line():
            if isinstance(event, Heard) and not is_whole(event.frame.data):
                yield Useless("the last line is cut off")
            else:
                yield event

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > LINE_LIMIT:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def _line(self) -> Iterator[LineEvent]:
        size, line = self._size, b"".join(self._pieces)
        self._size = 0
        self._pieces.clear()
        if size > LINE_LIMIT:
            yield Useless(f"a line of {size} bytes", self._hint)
            return
        event = self._read(line)
        if event is not None:
            yield event

    def _read(self, line: bytes) -> LineEvent | None:
        try:
            text = line.decode("utf-8").lstrip("\ufeff").strip()
        except UnicodeDecodeError:
            return Useless("bytes that are no text", self._hint)
        if not text:
            return None
        try:
            pasted = self._program.read(text)
        except _NotForUs:
            return None
        except NotRecognised as error:
            return Useless(error.seen)
        return self._other(text) if pasted is None else _event(pasted)

    def _other(self, text: str) -> Useless:
        """Say what a line is that this program did not write; of another program's, how it is read."""
        for program in PROGRAMS.values():
            if program is not self._program and _is_of(program, text):
                return Useless(
                    f"a line of {program.name}, not of {self._program.name}", f"write {program.kind}: in the address"
                )
        return Useless("a text that is no telegram", self._hint)

    @property
    def _hint(self) -> str:
        return f"what comes should be lines of {self._program.name}, as in: {self._program.pipeline}"


def _is_of(program: Program, text: str) -> bool:
    try:
        return program.read(text) is not None
    except (NotRecognised, _NotForUs):
        return False


def _event(pasted: Pasted) -> LineEvent:
    size = len(pasted.frame.data)
    if rtl_wmbus.CRC_WRONG in pasted.notes:
        return Useless("a telegram whose CRC is wrong, as the program says", damaged=True)
    if size < MIN_FRAME or size > LARGEST_FRAME:
        return Useless(f"{counted(size, 'byte')}, which no telegram has")
    return Heard(pasted.frame, pasted.local_at)
