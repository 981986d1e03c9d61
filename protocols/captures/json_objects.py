"""Captures that are one JSON array, or JSON objects over several lines, cut into their objects as the bytes come in.

Only brackets and strings are looked at; what an object holds is for those that read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from protocols.captures.hex_lines import LINE_LIMIT
from protocols.captures.model import OBJECT, BadLine
from protocols.text import safe_text

OBJECT_LIMIT: Final = LINE_LIMIT
"""Longest object that is kept, in bytes."""

_BOM: Final = b"\xef\xbb\xbf"
_ARRAY: Final = re.compile(rb"\s*\[\s*(?:\{|\]\s*\Z|\Z)")
_OVER_LINES: Final = re.compile(rb"\s*\{(?:(?:[^\r\n]*[\[{,:])?[ \t]*\r?\n(?!\{)|[^\r\n]*\},[ \t]*\r?\n)")
"""An object whose first line ends within it, or with a comma behind it; other lines are those of a capture of lines."""

_BETWEEN: Final = re.compile(rb"[^\s,]")
_AT_FIRST: Final = re.compile(rb"[^\s\xef\xbb\xbf]")
_STRUCTURE: Final = re.compile(rb'["{}\[\]]')
_IN_STRING: Final = re.compile(rb'(?:[^"\\]+|\\.)*', re.DOTALL)


def begins_as_json(start: bytes) -> bool:
    """Say by its first bytes whether a capture is to be read object by object; one object a line is not."""
    bare = start.removeprefix(_BOM)
    return _ARRAY.match(bare) is not None or _OVER_LINES.match(bare) is not None


class ObjectSplitter:
    """Cuts bytes into JSON objects, each as one line, in memory bounded by `OBJECT_LIMIT`.

    An object that is too long is told and passed over. What stands between objects and is none ends the reading, told
    once: where the next one begins could only be guessed. `count` is the number of objects begun so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self.has_ended = False
        self._before: re.Pattern[bytes] = _AT_FIRST
        self._in_array = self._in_string = self._after_backslash = False
        self._depth = 0
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes | BadLine]:
        """Take the next bytes; yield what was completed: objects without line feeds, or what is wrong."""
        place = 0
        while place < len(data) and not self.has_ended:
            if self._depth:
                end = self._within(data, place)
                self._keep(data[place:end])
                place = end
                if not self._depth:
                    yield self._completed()
                continue
            found = self._before.search(data, place)
            if found is None:
                return
            self._before = _BETWEEN
            place = found.end()
            problem = self._between(found.group())
            if problem is not None:
                yield problem

    def end(self) -> BadLine | None:
        """Say what is missing at the end of the bytes; None when nothing is."""
        if self.has_ended:
            return None
        if self._depth:
            return BadLine(self.count, "the file ends in the middle of it; what comes before was read", OBJECT)
        if self._in_array:
            return BadLine(self.count + 1, "the file ends before its array does; what comes before was read", OBJECT)
        return None

    def _between(self, byte: bytes) -> BadLine | None:
        """Take what follows an object or begins one."""
        if byte == b"{":
            self.count += 1
            self._depth = 1
            self._keep(byte)
        elif byte == (b"]" if self._in_array else b"["):
            self._in_array = not self._in_array
        else:
            self.has_ended = True
            seen = repr(safe_text(byte.decode())) if byte.isascii() else "a character"
            problem = f"{seen} stands where an object should begin; nothing after it is read"
            return BadLine(self.count + 1, problem, OBJECT)
        return None

    def _within(self, data: bytes, place: int) -> int:
        """Return the place behind the object's end, or that of the bytes."""
        if self._after_backslash:
            self._after_backslash = False
            place += 1
        while place < len(data):
            if self._in_string:
                place = self._string_end(data, place)
                continue
            found = _STRUCTURE.search(data, place)
            if found is None:
                break
            place, byte = found.end(), found.group()
            if byte == b'"':
                self._in_string = True
            elif byte in b"{[":
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    return place
        return len(data)

    def _string_end(self, data: bytes, place: int) -> int:
        """Return the place behind the string's end, or that of the bytes."""
        found = _IN_STRING.match(data, place)
        end = place if found is None else found.end()
        if end < len(data):
            self._in_string = data[end : end + 1] != b'"'
            # A backslash is met only as the last byte.
            self._after_backslash = self._in_string
            end += 1
        return end

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= OBJECT_LIMIT:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _completed(self) -> bytes | BadLine:
        size, text = self._size, b"".join(self._parts)
        self._size = 0
        self._parts.clear()
        if size > OBJECT_LIMIT:
            problem = f"{size} bytes are too many for one uplink; give its uplinks as an array, or one a line"
            return BadLine(self.count, problem, OBJECT)
        return b" ".join(line.strip() for line in text.splitlines())
