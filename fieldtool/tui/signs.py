"""Outcomes and rungs as glyph, word and colour: never the colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from fieldtool.sources.events import SourceState
from protocols.model import Outcome, RungState


@dataclass(frozen=True, slots=True)
class Sign:
    """How one state is shown: `style` is a name of `line_view.STYLES`."""

    glyph: str
    word: str
    style: str

    @property
    def text(self) -> str:
        """Glyph and word."""
        return f"{self.glyph} {self.word}"


OUTCOME_SIGNS: dict[Outcome, Sign] = {
    Outcome.OK: Sign("✓", "ok", "good"),
    Outcome.NO_KEY: Sign("○", "no key", "warning"),
    Outcome.WRONG_KEY: Sign("✗", "wrong key", "bad"),
    Outcome.NOT_PERMITTED: Sign("⊘", "not permitted", "warning"),
    Outcome.UNSUPPORTED: Sign("◇", "unsupported", "warning"),
    Outcome.DAMAGED: Sign("≈", "damaged", "bad"),
}

RUNG_SIGNS: dict[RungState, Sign] = {
    RungState.PASSED: Sign("✓", "passed", "good"),
    RungState.FAILED: Sign("✗", "failed", "bad"),
    RungState.NOT_REACHED: Sign("·", "not reached", "muted"),
}

SOURCE_SIGNS: dict[SourceState, Sign] = {
    SourceState.CONNECTED: Sign("●", "connected", "good"),
    SourceState.RECOVERED: Sign("●", "connected", "good"),
    SourceState.LOST: Sign("○", "lost", "bad"),
    SourceState.LENT: Sign("◌", "in use by an action", "muted"),
    SourceState.FAILED: Sign("✗", "failed", "bad"),
    SourceState.ENDED: Sign("■", "ended", "muted"),
    SourceState.RECORDING: Sign("●", "recording", "good"),
}

ALARM_GLYPH = "▲"
