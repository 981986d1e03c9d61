"""What stands around the list of certificates: the level in use with its reasons, and whom the store trusts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from fieldtool.tui.cells import Line, wrap
from fieldtool.tui.certificate_access import CertificatesSeen
from fieldtool.tui.made_view import MadeView
from fieldtool.tui.signs import ALARM_GLYPH

_INDENT = 3


class SeenView(MadeView):
    """Base of the two views: lines made from what was seen."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._seen: CertificatesSeen | None = None

    def show_seen(self, seen: CertificatesSeen | None) -> None:
        """Show what was seen, None while nothing can be."""
        self._seen = seen
        self.make_anew()

    def lines_of(self, seen: CertificatesSeen, width: int) -> Iterator[Line]:
        """The lines of what was seen."""
        raise NotImplementedError

    def make_lines(self, width: int) -> Iterable[Line]:
        """The lines, when something was seen."""
        return () if self._seen is None else self.lines_of(self._seen, width)

    def empty_lines(self) -> Sequence[str]:
        """Nothing: the list says why."""
        return ("",)


class LevelView(SeenView):
    """The level in use: for whom, why it is no higher, what will lower it, and what it allows."""

    HELP: ClassVar[str] = (
        "The level in use now. It follows from the whole chain of certificates, this computer's clock and the "
        "revocation lists. ✗ says what lowers it, ▲ what soon will; below are the actions it allows."
    )

    def lines_of(self, seen: CertificatesSeen, width: int) -> Iterator[Line]:
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

    def lines_of(self, seen: CertificatesSeen, width: int) -> Iterator[Line]:
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
