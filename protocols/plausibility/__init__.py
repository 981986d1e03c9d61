"""Plausibility: what speaks against a telegram that decoded, by itself or by those before it of the same meter.

    history, findings = judge(history, telegram)
    telegram = with_findings(telegram, findings)

Findings change neither readings nor outcome; they fail the rung "plausibility" of the verdict.
"""

from __future__ import annotations

from protocols.plausibility.findings import doubts_in, judged_step, with_findings
from protocols.plausibility.history import NO_HISTORY, Histories, MeterHistory, judge
from protocols.plausibility.observation import Observation, observe
from protocols.plausibility.sightings import Observer

__all__ = [
    "NO_HISTORY",
    "Histories",
    "MeterHistory",
    "Observation",
    "Observer",
    "doubts_in",
    "judge",
    "judged_step",
    "observe",
    "with_findings",
]
