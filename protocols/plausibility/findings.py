"""Findings in a telegram's verdict: the rung "plausibility" fails, the outcome stays what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from protocols.model import Finding, FindingKind, Rung, RungState, Telegram, VerdictStep

NEXT: Final[Mapping[FindingKind, str]] = {
    FindingKind.POSSIBLE_REPLAY: "do not bill this value; compare with the display, and find out who else sends here",
    FindingKind.NEGATIVE_CONSUMPTION: "compare with the display; was the meter exchanged, or does it run backwards?",
    FindingKind.JUMP: "compare with the display and with the next telegram before the value is used",
    FindingKind.CLOCK_FAR_OFF: "check the meter's clock, and that of the receiver; due dates depend on it",
    FindingKind.IMPOSSIBLE_DATE: "do not use this date; check the meter's clock",
    FindingKind.ERROR_STATE: "read the meter's error on its display before the values are used",
}
"""What to do about each kind; a kind that is absent is worth knowing, and no reason for doubt."""


def with_findings(telegram: Telegram, findings: Sequence[Finding]) -> Telegram:
    """Return the telegram with these findings, and with a verdict that says so; readings and outcome stay."""
    if not findings:
        return telegram
    verdict = tuple(
        judged_step(step, findings) if step.rung is Rung.PLAUSIBILITY else step for step in telegram.verdict
    )
    return replace(telegram, findings=tuple(findings), verdict=verdict)


def judged_step(step: VerdictStep, findings: Sequence[Finding]) -> VerdictStep:
    """Return what a passed rung "plausibility" becomes with these findings; a rung not reached stays so."""
    doubts = doubts_in(findings)
    if step.state is not RungState.PASSED or not doubts:
        return step
    return VerdictStep(step.rung, RungState.FAILED, "; ".join(f.detail for f in doubts), NEXT[doubts[0].kind])


def doubts_in(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that are a reason for doubt."""
    return tuple(finding for finding in findings if finding.kind in NEXT)
