"""Plausibility: what speaks against a telegram that decoded, by itself or by those before it of the same meter.

    history, findings = judge(history, telegram)
    telegram = with_findings(telegram, findings)

`Judge` does it for streams of telegrams of many meters. Findings change neither readings nor outcome; they fail the
rung "plausibility" of the verdict.
"""

from __future__ import annotations

from protocols.plausibility.findings import doubts_in, judged_step, with_findings
from protocols.plausibility.history import NO_HISTORY, MeterHistory, judge, judged_alone
from protocols.plausibility.judging import Judge, Watch
from protocols.plausibility.observation import Observation, observe

__all__ = [
    "NO_HISTORY",
    "Judge",
    "MeterHistory",
    "Observation",
    "Watch",
    "doubts_in",
    "judge",
    "judged_alone",
    "judged_step",
    "observe",
    "with_findings",
]
