"""What became of the meters of a list, as lines and as JSON; never a key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from fieldtool.actions.batch import FINE, BatchRow, RowResult, RowState
from fieldtool.actions.plan import ActionOutcome, ActionPlan
from fieldtool.export.action_text import event_lines, outcome_facts
from keystore.certificates.levels import level_table
from keystore.certificates.standing import Standing
from protocols.plural import counted
from protocols.text import safe_text

_QUIET: Final = frozenset({RowState.DONE_BEFORE, RowState.PLANNED, RowState.NOT_DONE})
_READ_BACK: Final = {True: "read back", False: "read back, and different", None: "not shown by the read-out"}
_EVENT_INDENT: Final = "    "
LABEL_WIDTH: Final = 24
FEW_LEFT: Final = 5
"""Reconfigurations from which on it is told how many a meter has left."""


def row_lines(result: RowResult, now: datetime, *, label_width: int) -> list[str]:
    """Return what became of a row: one line, and behind it the meter's own log where that was asked for."""
    row, outcome, width = result.row, result.outcome, min(label_width, LABEL_WIDTH)
    name = str(row.meter) if outcome is None else f"{outcome.plan.meter.manufacturer} {outcome.plan.meter.number}"
    sign = "·" if result.state in _QUIET else "✓" if result.state in FINE else "✗"
    cells = (
        f"{sign} {_words(result.state):11}",
        f"{safe_text(name):12}",
        f"{safe_text(row.label, width):{width}}" if width else "",
        safe_text(_told(result, now), 600),
    )
    lines = ["  ".join(cell for cell in cells if cell).rstrip()]
    return lines if outcome is None else [*lines, *(f"{_EVENT_INDENT}{line}" for line in event_lines(outcome))]


def row_facts(result: RowResult, standing: Standing, now: datetime) -> str:
    """Return the same as a JSON object: what the action with one meter prints, and what the list adds."""
    row, action = result.row, result.row.wish.action
    alone = None if result.outcome is None else outcome_facts(result.outcome)
    facts = alone or {
        "meter": {"manufacturer": row.meter.manufacturer, "number": row.meter.number},
        "action": action.name,
        "new": row.wish.shown(now),
        "sent": row.wish.written(now),
        "needs": [level.name for level in level_table().levels_allowing(action)],
        "level": standing.title,
        "ok": result.state in FINE,
        "problem": None if result.state in FINE else result.why,
    }
    more = {"label": row.label or None, "line": row.line, "state": str(result.state), "hint": result.hint or None}
    if result.at is not None:
        more["done_at"] = f"{result.at:%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps(facts | more)


def states_text(results: Iterable[RowResult]) -> str:
    """Return how many meters there are of each state: `20 meters: 17 done, 2 done before, 1 no answer`."""
    states = Counter(one.state for one in results)
    parts = [f"{states[state]} {_words(state)}" for state in RowState if states[state]]
    return f"{counted(states.total(), 'meter')}: {', '.join(parts)}"


def what_is_set(rows: Iterable[BatchRow], now: datetime) -> str:
    """Return what is to be set: the value when it is the same for all, else that each meter has its own."""
    values = dict.fromkeys(row.wish.shown(now) for row in rows)
    return next(iter(values), "") if len(values) < 2 else f"{len(values)} different values, as listed"


def _told(result: RowResult, now: datetime) -> str:
    row = result.row
    if result.outcome is not None:
        return "; ".join(part for part in (_outcome_text(result.outcome), result.why, result.hint) if part)
    when = "" if result.at is None else f"{result.at:%Y-%m-%d %H:%M} UTC"
    what = f"{row.wish.action.name} {row.wish.shown(now)}".strip()
    parts = (what, when) if result.state in _QUIET - {RowState.NOT_DONE} else (result.why, result.hint)
    return "; ".join(part for part in parts if part)


def _outcome_text(outcome: ActionOutcome) -> str:
    plan, left = outcome.plan, outcome.reconfigurations_left
    done = (f"{plan.action.name} {plan.parameter}".strip(), _READ_BACK[outcome.matches] if plan.action.writes else "")
    parts = (
        *((outcome.after.removeprefix(_meter_words(plan)),) if plan.wish.changes_key else done),
        "" if left is None or left > FEW_LEFT else f"{counted(left, 'reconfiguration')} left",
        *outcome.notes,
        *plan.notes,
    )
    return "; ".join(part for part in parts if part)


def _meter_words(plan: ActionPlan) -> str:
    """What a settled key change begins with; the line names the meter already."""
    return f"meter {plan.meter.manufacturer} {plan.meter.number} "


def _words(state: RowState) -> str:
    return state.replace("_", " ")
