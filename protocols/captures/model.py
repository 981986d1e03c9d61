"""What a capture format hands over: entries, and lines that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from protocols.model import RawFrame


@dataclass(frozen=True, slots=True)
class CaptureEntry:
    """A frame out of a capture; `line` counts from 1, `offset_s` is the time since the start where the file has it."""

    line: int
    frame: RawFrame
    offset_s: float | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that holds no frame although it should: which one, and why."""

    line: int
    problem: str


CaptureItem: TypeAlias = CaptureEntry | BadLine
