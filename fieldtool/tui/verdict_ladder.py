"""The verdict of one telegram in words: each rung, the next thing to do, and what else is to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from fieldtool.tui.cells import Line, words, wrap
from fieldtool.tui.made_view import MadeView
from fieldtool.tui.signs import ALARM_GLYPH, RUNG_SIGNS
from protocols.model import RungState, Telegram, VerdictStep
from protocols.text import safe_text

_WORD_WIDTH = 14
_NEXT_GLYPH = "→"


class VerdictLadder(MadeView):
    """Rung by rung: how far the telegram came, why not further, and what to do about it."""

    HELP: ClassVar[str] = (
        "The checks that every telegram goes through, in order. ✓ passed, ✗ failed, · not reached. After the arrow: "
        "what to do next. A key is shown by its check value, which can be compared over the phone."
    )

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._telegram: Telegram | None = None

    def show_telegram(self, telegram: Telegram) -> None:
        """Show the verdict of another telegram."""
        self._telegram = telegram
        self.make_anew()

    def make_lines(self, width: int) -> Iterable[Line]:
        """The verdict, when there is a telegram."""
        return () if self._telegram is None else verdict_lines(self._telegram, width)

    def empty_lines(self) -> Sequence[str]:
        """What is said before there is a telegram."""
        return "No telegram yet.", "It appears here as soon as the meter is heard."


def verdict_lines(telegram: Telegram, width: int) -> Iterator[Line]:
    """Give the verdict as lines of `width` cells."""
    for step in telegram.verdict:
        yield from _step_lines(step, width)
    if telegram.status is not None and telegram.status.flags:
        raw = "" if telegram.status.raw is None else f" (0x{telegram.status.raw:02X})"
        flags = ", ".join(words(flag) for flag in telegram.status.flags)
        yield from _entry(ALARM_GLYPH, "status", f"{flags}{raw}", "warning", width)
    if telegram.security is not None:
        yield from _entry(" ", "security", _security_text(telegram), "plain", width)
    if telegram.profile:
        yield from _entry(" ", "profile", safe_text(telegram.profile), "plain", width)
    for note in telegram.notes:
        yield from _entry("!", "note", safe_text(note), "warning", width)


def _step_lines(step: VerdictStep, width: int) -> Iterator[Line]:
    sign = RUNG_SIGNS[step.state]
    detail = safe_text(step.detail) or sign.word
    text_style = "muted" if step.state is RungState.NOT_REACHED else "plain"
    yield from _entry(sign.glyph, step.rung.value, detail, sign.style, width, text_style)
    if step.next is not None:
        yield from _entry(_NEXT_GLYPH, "", safe_text(step.next), "warning", width, "strong", shift=2)


def _entry(
    glyph: str, word: str, text: str, style: str, width: int, text_style: str = "plain", *, shift: int = 0
) -> Iterator[Line]:
    """Glyph, word and a text that is wrapped below itself."""
    head = f" {glyph} {word:<{_WORD_WIDTH}}" if word else f" {' ' * shift}{glyph} "
    pieces = wrap(text, max(10, width - len(head) - 1))
    yield (head, style), (pieces[0], text_style)
    for piece in pieces[1:]:
        yield (" " * len(head), "plain"), (piece, text_style)


def _security_text(telegram: Telegram) -> str:
    security = telegram.security
    if security is None:
        return ""
    mode = f"mode {security.mode}, " if security.mode is not None else ""
    parts = [f"{mode}{safe_text(security.name)}"]
    if security.key_check_value:
        parts.append(f"key {safe_text(security.key_check_value)}")
    if security.authenticated:
        parts.append("authenticated")
    if security.access_number is not None:
        parts.append(f"access number {security.access_number}")
    if security.message_counter is not None:
        parts.append(f"message counter {security.message_counter}")
    return ", ".join(parts)
