"""The clock guard: a certificate's dates mean nothing to whoever can set the clock back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from keystore.certificates.levels import level_table

_MINUTES: Final = "%Y-%m-%d %H:%M UTC"


class ClockState(StrEnum):
    """What is thought of the computer's clock."""

    TRUSTED = "trusted"
    SET_BACK = "set_back"
    FAR_AHEAD = "far_ahead"


@dataclass(frozen=True, slots=True)
class ClockJudgement:
    """The state, and what is wrong in words; empty when nothing is."""

    state: ClockState
    reason: str = ""

    @property
    def is_trusted(self) -> bool:
        """True when dates may be compared with this clock."""
        return self.state is ClockState.TRUSTED


def judge_clock(latest: datetime | None, now: datetime) -> ClockJudgement:
    """Compare the clock with the latest time ever seen (None: nothing was seen yet); both aware UTC."""
    policy = level_table().policy
    if latest is None:
        return ClockJudgement(ClockState.TRUSTED)
    if now < latest - policy.clock_back:
        reason = f"the clock was set back: it says {now:{_MINUTES}}, but {latest:{_MINUTES}} was seen before"
        return ClockJudgement(ClockState.SET_BACK, reason)
    if now > latest + policy.clock_ahead:
        reason = f"the clock says {now:{_MINUTES}}, {(now - latest).days} days after the latest time seen"
        return ClockJudgement(ClockState.FAR_AHEAD, reason)
    return ClockJudgement(ClockState.TRUSTED)
