"""What stands around the list of certificates: the level in use with its reasons, and whom the store trusts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from fieldtool.tui.cells import Line, wrap
from fieldtool.tui.certificate_access import CertificatesSeen
from fieldtool.tui.line_view import LineView
from fieldtool.tui.signs import ALARM_GLYPH

_INDENT = 3


class SeenView(LineView):
    """Base of the two views: lines made from what was seen, for the width there is."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._seen: CertificatesSeen | None = None
        self._lines: tuple[Line, ...] = ()
        self._made_for = -1

    def show_seen(self, seen: CertificatesSeen | None) -> None:
        """Show what was seen, None while nothing can be."""
        self._seen, self._made_for = seen, -1
        self.show_lines()

    def make_lines(self, seen: CertificatesSeen, width: int) -> Iterator[Line]:
        """The lines of what was seen."""
        raise NotImplementedError

    def line_count(self) -> int:
        """How many lines it takes at this width."""
        width = self.line_width
        if width != self._made_for:
            self._lines = () if self._seen is None else tuple(self.make_lines(self._seen, width))
            self._made_for = width
        return len(self._lines)

    def line_at(self, index: int, width: int) -> Line:
        """One line."""
        return self._lines[index]

    def empty_lines(self) -> Sequence[str]:
        """Nothing: the list says why."""
        return ("",)


class LevelView(SeenView):
    """The level in use: for whom, why it is no higher, what will lower it, and what it allows."""

    HELP: ClassVar[str] = (
        "The level in use now. It follows from the whole chain of certificates, this computer's clock and the "
        "revocation lists. ✗ says what lowers it, ▲ what soon will; below are the actions it allows."
    )

    def make_lines(self, seen: CertificatesSeen, width: int) -> Iterator[Line]:
        """Level, reasons, warnings, actions."""
        whose = f"  {seen.organisation}, {seen.scope}" if seen.organisation else ""
        for count, piece in enumerate(wrap(f"{seen.level}{whose}", width - _INDENT)):
            head = " ✓ " if seen.tag and not seen.reasons else "   "
            yield (head if not count else " " * _INDENT, "good"), (piece, "plain" if count else "strong")
        for texts, glyph, style in ((seen.reasons, "✗", "bad"), (seen.warnings, ALARM_GLYPH, "warning")):
            for text in texts:
                yield from _wrapped(glyph, text, style if seen.tag else "muted", width)
        yield from _wrapped(" ", f"may {', '.join(seen.actions)}", "muted", width)


class TrustView(SeenView):
    """Trust anchors with their fingerprints, and revocation lists with their dates."""

    HELP: ClassVar[str] = (
        "The trust anchors of this store, with the fingerprints to compare on the phone, and the revocation lists: "
        "number, date, and when the next one is due. Press r to import a revocation list."
    )

    def make_lines(self, seen: CertificatesSeen, width: int) -> Iterator[Line]:
        """Anchors, then lists."""
        if not seen.anchors:
            yield from _wrapped(
                "○", "no trust anchor: fieldtool certs trust FILE --fingerprint SHA256", "warning", width
            )
        for text in seen.anchors:
            fingerprint, _, rest = text.partition("  ")
            yield from _wrapped("●", f"{rest}  {fingerprint}", "plain", width)
        for text in seen.lists:
            yield from _wrapped("■", text, "warning" if text.endswith("overdue") else "plain", width)
        if not seen.lists:
            yield from _wrapped("○", "no revocation list", "muted", width)


def _wrapped(glyph: str, text: str, style: str, width: int) -> Iterator[Line]:
    for count, piece in enumerate(wrap(text, max(10, width - _INDENT))):
        yield ((f" {glyph} " if not count else " " * _INDENT), style), (piece, style)


class SourceInput(Input):
    """One line for a file's name or a pasted code; a text of several lines that is pasted is taken as it is."""

    HELP: ClassVar[str] = (
        "Type the name of a file (a picture, .pem, .cer, .crl or .eml), or paste the text of the code or of the file."
        " Enter imports it, escape goes back."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", tooltip="Import nothing", id="source.leave"),
    ]

    class Left(Message):
        """The user went back to the list."""

    class Pasted(Message):
        """A text of several lines was pasted."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="source", compact=True, select_on_focus=False)

    def _on_paste(self, event: events.Paste) -> None:
        """Take several lines at once; one line is for Textual to put in."""
        if "\n" in event.text.strip():
            event.prevent_default()
            event.stop()
            self.post_message(self.Pasted(event.text.strip()))

    def action_leave(self) -> None:
        """Go back to the list."""
        self.post_message(self.Left())
