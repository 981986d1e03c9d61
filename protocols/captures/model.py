"""What a capture format hands over: entries, lines that are none, and what a pasted text turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from protocols.model import RawFrame

PLAIN_HEX = "hex"
"""The kind of a text that is the bytes of a frame in hex and nothing else."""

LINE = "line"
OBJECT = "object"
"""What a capture is counted in: lines, or the objects of one that is JSON."""


@dataclass(frozen=True, slots=True)
class CaptureEntry:
    """A frame out of a capture; `line` counts from 1, `offset_s` is the time since the start where the file has it.

    `kind` is the form that the line was in, as in `Pasted`.
    """

    line: int
    frame: RawFrame
    offset_s: float | None = None
    kind: str = PLAIN_HEX


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that holds no frame although it should: which one, and why; `unit` is what is counted."""

    line: int
    problem: str
    unit: str = LINE


CaptureItem: TypeAlias = CaptureEntry | BadLine


@dataclass(frozen=True, slots=True)
class SeveralLines:
    """A line that stands for several, each of which has the line's number."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pasted:
    """A frame and the form in which it was written; `notes` are oddities of that form.

    `offset_s` is the time since the start of the recording. `local_at` is a receive time whose zone is not known,
    written down as if it were UTC: only the distance between two of them means something.
    """

    frame: RawFrame
    kind: str = PLAIN_HEX
    notes: tuple[str, ...] = ()
    offset_s: float | None = None
    local_at: datetime | None = None


class NotRecognised(ValueError):
    """A text that holds no telegram in any known form: what was seen, and what to paste instead.

    Neither repeats the text, which may be a key in the wrong place.
    """

    def __init__(self, seen: str, instead: str) -> None:
        super().__init__(f"{seen}; {instead}")
        self.seen = seen
        self.instead = instead


class KeyInstead(NotRecognised):
    """A text that may be a key, or a table of keys: it is not to be shown again."""

    def __init__(self, seen: str) -> None:
        super().__init__(seen, "keys are filed with fieldtool keys import")


class SeveralFrames(NotRecognised):
    """A text that holds several frames: `texts` are to be recognised one by one, `notes` say what was left out."""

    def __init__(self, seen: str, instead: str, texts: tuple[str, ...], notes: tuple[str, ...] = ()) -> None:
        super().__init__(seen, instead)
        self.texts = texts
        self.notes = notes
