"""The certificates and requests of a store, one line each, with what is known of the chosen one in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType

from fieldtool.tui.cells import Line, fit, fit_right
from fieldtool.tui.certificate_access import CertificatesSeen, Facts
from fieldtool.tui.line_list import LineList
from keystore.certificates.levels import level_table
from protocols.text import safe_text

IN_USE_GLYPH = "✓"
PROBLEM_GLYPH = "✗"
WAITING_GLYPH = "…"

_LEVEL_WIDTH, _TAG_WIDTH, _DAYS_WIDTH = 14, 20, 10
_ORGANISATION_WIDTH = 28
"""Where there is more room, the scope stands behind it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `name` is what `certs use` takes, empty for a request that waits for its answer."""

    name: str
    glyph: str
    style: str
    level: str
    tag: str = ""
    days: str = ""
    organisation: str = ""
    scope: str = ""
    explained: str = ""


class CertificateList(LineList):
    """Consumer, which everybody is, then the certificates, then the requests; enter uses what the cursor stands on."""

    HELP: ClassVar[str] = (
        "The certificates in this store: level, tag, days left, organisation. ✓ is in use, ✗ is not valid, … waits "
        "for the certificate desk's answer. Enter uses the certificate under the cursor; Consumer only reads meters."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Use", tooltip="Use the certificate under the cursor", id="certificates.use"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._entries: tuple[Entry, ...] = ()
        self._holds_cursor = False
        self._why: tuple[str, ...] = ("The keystore is locked.", "Press u to unlock it.")

    @property
    def selected(self) -> Entry | None:
        """What the cursor stands on."""
        return self._entries[self.cursor] if self._entries else None

    def show_seen(self, seen: CertificatesSeen | None, why: Sequence[str]) -> None:
        """Show what was seen, or `why` there is nothing; the cursor stays, at first on the one in use."""
        held, self._why = self.selected if self._holds_cursor else None, tuple(why)
        self._holds_cursor = True
        self._entries = () if seen is None else tuple(entries(seen))
        names = [entry.name for entry in self._entries]
        in_use = [entry.glyph == IN_USE_GLYPH for entry in self._entries]
        if held is not None and held.name in names:
            self.put_cursor(names.index(held.name))
        else:
            self.put_cursor(in_use.index(True) if True in in_use else 0)

    def go_to_the_one_in_use(self) -> None:
        """Put the cursor there when certificates are shown next: another one is in use."""
        self._holds_cursor = False

    def line_count(self) -> int:
        """How many there are."""
        return len(self._entries)

    def line_at(self, index: int, width: int) -> Line:
        """One certificate."""
        entry = self._entries[index]
        rest = max(0, width - 3 - _LEVEL_WIDTH - _TAG_WIDTH - _DAYS_WIDTH - 4)
        return (
            self.marker(index),
            (f"{entry.glyph} ", entry.style),
            (fit(entry.level, _LEVEL_WIDTH), "strong"),
            (fit(entry.tag, _TAG_WIDTH), "plain"),
            (fit_right(entry.days, _DAYS_WIDTH) + "  ", entry.style if entry.glyph != IN_USE_GLYPH else "plain"),
            (fit(entry.organisation, min(rest, _ORGANISATION_WIDTH)), "plain"),
            (fit(f" {entry.scope}", max(0, rest - _ORGANISATION_WIDTH)), "muted"),
        )

    def empty_lines(self) -> Sequence[str]:
        """Why there is nothing."""
        return self._why


def entries(seen: CertificatesSeen) -> list[Entry]:
    """Return the lines of what was seen."""
    consumer = level_table().consumer
    glyph, style = (" ", "plain") if seen.tag else (IN_USE_GLYPH, "good")
    return [
        Entry(consumer.name, glyph, style, consumer.title, explained=consumer.text),
        *(_certificate(facts) for facts in seen.certificates),
        *(_request(facts) for facts in seen.requests),
    ]


def _certificate(facts: Facts) -> Entry:
    days_left = facts["days_left"]
    days = f"{days_left} day" if days_left == 1 else f"{days_left} days"
    if facts["problem"] is not None:
        glyph, style, days = PROBLEM_GLYPH, "bad", "not valid"
    elif facts["active"]:
        glyph, style = IN_USE_GLYPH, "good"
    else:
        glyph, style = " ", "plain"
    if facts["expires_soon"] and facts["problem"] is None:
        days, style = f"▲ {days}", "warning"
    explained = (
        f"{_text(facts, 'tag')}, serial {_text(facts, 'serial')}, for {_text(facts, 'scope')}, "
        f"by {_text(facts, 'issuer')}, until {_text(facts, 'not_after')[:10]}"
    )
    if facts["problem"] is not None:
        explained = f"{_text(facts, 'problem')}. {explained}"
    return Entry(
        _text(facts, "serial"),
        glyph,
        style,
        _text(facts, "level"),
        _text(facts, "tag"),
        days,
        _text(facts, "organisation"),
        _text(facts, "scope"),
        explained,
    )


def _request(facts: Facts) -> Entry:
    return Entry(
        "",
        WAITING_GLYPH,
        "muted",
        _text(facts, "level"),
        _text(facts, "tag"),
        "waiting",
        _text(facts, "organisation"),
        explained=f"order {_text(facts, 'order')} of {_text(facts, 'made_at')[:10]}: press i to import the answer",
    )


def _text(facts: Facts, name: str) -> str:
    value = facts[name]
    return "" if value is None else safe_text(str(value))
