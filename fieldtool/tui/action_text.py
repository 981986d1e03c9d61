"""A plan, an outcome and a read-out as lines for the screen: no key is in any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fieldtool.actions.plan import ActionOutcome, ActionPlan
from fieldtool.actions.read_out import ReadOut
from fieldtool.tui.cells import place_text, reading_text, words
from protocols.plural import counted
from protocols.text import safe_text

_LABEL_WIDTH = 10


def plan_lines(plan: ActionPlan) -> list[str]:
    """Return everything to know before an action is done, a line each."""
    credential = plan.standing.credential
    whose = f", certificate {safe_text(credential.tag)}" if credential is not None else ""
    facts = [
        ("meter", str(plan.meter)),
        ("does", plan.action.text),
        ("shows now", plan.before),
        ("becomes", plan.parameter),
        ("bytes", plan.written),
        ("needs", f"{plan.needs}; in use is {plan.standing.title}{whose}"),
        ("left", _left(plan.reconfigurations_left)),
        ("first", "an open change of its key is settled, by asking the meter" if plan.unsettled else ""),
        *(("note", note) for note in plan.notes),
    ]
    return list(_told(facts))


def outcome_lines(outcome: ActionOutcome) -> list[str]:
    """Return what became of an action, a line each."""
    same = {True: "as it was written", False: "not what was written", None: ""}[outcome.matches]
    authentic = {True: "proved with the meter's key", False: "not proved with a key that is filed", None: ""}
    facts = [
        ("meter", str(outcome.plan.meter)),
        ("done", outcome.plan.summary.partition(": ")[2]),
        ("before", outcome.plan.before),
        ("now", outcome.after),
        ("read back", same if outcome.after else ""),
        ("answer", authentic[outcome.authentic]),
        ("left", _left(outcome.reconfigurations_left)),
        *(("note", note) for note in outcome.notes),
    ]
    events = [f"{event.at:%Y-%m-%d %H:%M:%S}  {event.words}" for event in outcome.events]
    return [*_told(facts), *(safe_text(event) for event in events)]


def read_out_lines(read_out: ReadOut) -> list[str]:
    """Return the readings of a read-out, a line each."""
    lines = [f"meter {read_out.meter}" if read_out.meter is not None else "a meter that does not say which it is"]
    for telegram in read_out.telegrams:
        lines += [
            f"{words(reading.name):32}{reading_text(reading):20}{place_text(reading)}".rstrip()
            for reading in telegram.readings
        ]
    if read_out.problem:
        lines.append(f"! {safe_text(read_out.problem)}")
    return lines


def _left(count: int | None) -> str:
    return "" if count is None else counted(count, "reconfiguration")


def _told(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    return (f"{label:{_LABEL_WIDTH}}{safe_text(text)}" for label, text in facts if text)
