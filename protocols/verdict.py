"""The verdict ladder: which checks a frame passed, where it failed, and what to do next."""

from __future__ import annotations

from protocols.model import Outcome, Rung, RungState, VerdictStep

_NOT_REACHED = {rung: VerdictStep(rung, RungState.NOT_REACHED, "") for rung in Rung}


class Ladder:
    """Collects one step for each rung while a frame is decoded; the first failure decides outcome and problem."""

    __slots__ = ("_steps", "outcome", "problem")

    def __init__(self) -> None:
        self._steps: dict[Rung, VerdictStep] = dict(_NOT_REACHED)
        self.outcome = Outcome.OK
        self.problem: str | None = None

    def passed(self, rung: Rung, detail: str) -> None:
        """Climb a rung, unless it already failed."""
        if self._steps[rung].state is not RungState.FAILED:
            self._steps[rung] = VerdictStep(rung, RungState.PASSED, detail)

    def failed(self, rung: Rung, outcome: Outcome, problem: str, next_step: str) -> None:
        """Note a failure; only the first one decides outcome and problem."""
        self._steps[rung] = VerdictStep(rung, RungState.FAILED, problem, next_step)
        if self.outcome is Outcome.OK:
            self.outcome = outcome
            self.problem = problem

    def doubted(self, rung: Rung, detail: str, next_step: str) -> None:
        """Note what is wrong with a frame that decoded: the rung fails, the outcome stays."""
        if self._steps[rung].state is not RungState.FAILED:
            self._steps[rung] = VerdictStep(rung, RungState.FAILED, detail, next_step)

    def advise(self, further: str) -> None:
        """Add what else to do to the first rung that failed, if one did."""
        for rung, step in self._steps.items():
            if step.state is RungState.FAILED:
                next_step = f"{step.next}; {further}" if step.next else further
                self._steps[rung] = VerdictStep(rung, step.state, step.detail, next_step)
                return

    def failed_at(self, rung: Rung) -> bool:
        """Whether a rung failed."""
        return self._steps[rung].state is RungState.FAILED

    @property
    def steps(self) -> tuple[VerdictStep, ...]:
        """All six rungs in order."""
        return tuple(self._steps.values())
