"""A text that somebody pasted on the screens: the telegrams in it, or what it looks like instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from fieldtool.pipeline.pipeline import PASTED
from protocols.captures.hex_lines import MIN_FRAME
from protocols.captures.model import PLAIN_HEX, KeyInstead, NotRecognised, Pasted
from protocols.captures.paste import MAX_LINES, recognise_all
from protocols.captures.plausible import is_whole
from protocols.model import RawFrame
from protocols.plural import counted

TEXT_LIMIT: Final = 1 << 18
"""Characters of one pasted text; what is longer is a file that was copied by mistake."""

FRAME_LIMIT: Final = 1024
"""Bytes that are shown as a damaged telegram when nothing proves them; the longest whole one has fewer than 300."""

_KEY_SIZES: Final = frozenset({16, 32})
_HEX_EXPECTED: Final = re.compile(r" is not a hex digit|odd number of hex digits")
_LONG_HEX: Final = re.compile(r"[0-9A-Fa-f]{10}")
_KEY_AMONG_WORDS: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32}(?![0-9A-Za-z])")
_UNPROVED: Final = "hex that neither a length nor a checksum makes a telegram"
_TO_REPLAY: Final = "paste one telegram, or give the file to fieldtool replay"


@dataclass(frozen=True, slots=True)
class PastedText:
    """The telegrams of a text, one at least, and in a few words what form they were in; empty for plain hex."""

    frames: tuple[RawFrame, ...]
    said: str = ""


def read_pasted(text: str) -> PastedText:
    """Return the telegrams of a text as the pipeline takes them; raises `NotRecognised`, and nothing else."""
    if len(text) > TEXT_LIMIT:
        raise NotRecognised(f"{len(text)} characters are no telegram", _TO_REPLAY)
    try:
        found = recognise_all(text)
    except NotRecognised as error:
        return _of_lines(text, _in_plain_words(text, error))
    for pasted in found:
        _refuse_what_is_none(pasted)
    first = found[0]
    is_news = first.kind != PLAIN_HEX or first.notes
    said = "; ".join((f"recognised: {first.kind}", *first.notes)) if is_news else ""
    return PastedText(_as_pasted(found), said)


def _in_plain_words(text: str, error: NotRecognised) -> NotRecognised:
    """Say of what people write to each other that it is a text: which of its letters is no hex digit is of no use."""
    if not _HEX_EXPECTED.search(error.seen):
        return error
    if _KEY_AMONG_WORDS.search(text):
        return KeyInstead("16 bytes in hex among words may be a key")
    words = text.split()
    if any(_LONG_HEX.search(word) for word in words):
        return error
    return NotRecognised(f"a text of {counted(len(words), 'word')}, with no telegram in it", error.instead)


def _refuse_what_is_none(pasted: Pasted) -> None:
    """Raise `NotRecognised` for hex that nothing proves and that can be no telegram, not even a damaged one."""
    data = pasted.frame.data
    if pasted.kind != PLAIN_HEX or is_whole(data):
        return
    size = counted(len(data), "byte")
    if len(data) in _KEY_SIZES:
        raise KeyInstead(f"{size} in hex may be a key")
    if len(data) < MIN_FRAME:
        raise NotRecognised(f"{size} in hex are too few for a telegram", "paste all of it; / finds a meter's number")
    if len(data) > FRAME_LIMIT:
        raise NotRecognised(f"{size} in hex are too many for a telegram", _TO_REPLAY)


def _of_lines(text: str, error: NotRecognised) -> PastedText:
    """Return the telegrams of a text line by line; raises what is wrong with all of it where no line proves to be one.

    Beside lines that do, those of nothing but hex are telegrams too: they came damaged. Where there are more of these
    than of those, what proves a line may be chance, and all this something else.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise error
    if len(lines) > MAX_LINES:
        raise NotRecognised(f"{len(lines)} lines", _TO_REPLAY)
    found = list(_each(lines))
    telegrams = [pasted for pasted in found if isinstance(pasted, Pasted)]
    proved = [pasted for pasted in telegrams if pasted.kind != PLAIN_HEX or is_whole(pasted.frame.data)]
    if not proved:
        raise error
    reasons = [problem.seen for problem in found if isinstance(problem, NotRecognised)]
    if 2 * len(proved) < len(telegrams):
        reasons += [_UNPROVED] * (len(telegrams) - len(proved))
        telegrams = proved
    said = f"{counted(len(reasons), 'line')} left out: {reasons[0]}" if reasons else ""
    return PastedText(_as_pasted(telegrams), said)


def _each(lines: list[str]) -> Iterator[Pasted | NotRecognised]:
    for line in lines:
        try:
            found = recognise_all(line)
            for pasted in found:
                _refuse_what_is_none(pasted)
        except NotRecognised as error:
            yield error
        else:
            yield from found


def _as_pasted(found: list[Pasted] | tuple[Pasted, ...]) -> tuple[RawFrame, ...]:
    return tuple(replace(pasted.frame, source=PASTED) for pasted in found)
