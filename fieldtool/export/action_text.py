"""Actions with a meter as lines and as JSON: what there is, what is planned, what became of it; never a key."""

from __future__ import annotations

from fieldtool.actions.plan import CHANGE_KEY, ActionOutcome, ActionPlan
from fieldtool.actions.read_out import ReadOut
from fieldtool.export.lines import reading_text, telegram_line
from keystore.certificates.levels import Action, Capability, level_table
from keystore.certificates.standing import Standing
from protocols.actions.table import FORMS
from protocols.plural import counted
from protocols.text import safe_text


def actions_help() -> str:
    """Return the table of actions for the help of the command."""
    lines = ["actions:"]
    for action in level_table().actions.values():
        lines.append(f"  {action.name:22}{needs_text(action):14}{action.text}")
        lines += [f"  {'':36}--set VALUE is the {text}" for text in parameter_texts(action)]
    lines.append(f"  {'recover':22}{'Consumer':14}settle a key change that was cut off, by asking the meter")
    lines.append(f"  {'actions':22}{'Consumer':14}list the actions, and which of them the level in use allows")
    return "\n".join(lines)


def needs_text(action: Action) -> str:
    """Return the lowest level that allows an action."""
    return level_table().levels_allowing(action)[0].title


def parameter_texts(action: Action) -> list[str]:
    """Return what may be set, a line each: `customer number: 1 to 20 printable ASCII characters`."""
    form = FORMS.get(action.name)
    if form is None or action.name == CHANGE_KEY:
        return []
    return [f"{one.text}: {one.range_text}" for one in form.parameters]


def action_line(action: Action, standing: Standing) -> str:
    """Return an action in one line: whether it is allowed now, the level that it needs, and what may be set."""
    may = "may" if _allowed(action, standing) else "may not"
    parameters = "; ".join(parameter_texts(action))
    return f"{may:8} {action.name:22}{needs_text(action):14}{action.text}{f' ({parameters})' if parameters else ''}"


def action_facts(action: Action, standing: Standing) -> dict[str, object]:
    """Return the same as a JSON object."""
    form = FORMS.get(action.name)
    parameters = () if form is None or action.name == CHANGE_KEY else form.parameters
    return {
        "action": action.name,
        "text": action.text,
        "needs": [level.name for level in level_table().levels_allowing(action)],
        "allowed": _allowed(action, standing),
        "writes": action.writes,
        "parameters": [
            {"name": one.name, "text": one.text, "kind": str(one.kind), "unit": one.unit, "range": one.range_text}
            for one in parameters
        ],
    }


def plan_lines(plan: ActionPlan, *, with_refusal: bool) -> list[str]:
    """Return what is going to be done, a line each; `with_refusal` adds why the level in use does not allow it."""
    left = plan.reconfigurations_left
    facts = {
        "meter": str(plan.meter),
        "family": plan.family or "",
        "action": plan.action.text,
        "new": plan.parameter,
        "now": plan.before,
        "sent": plan.written,
        "needs": plan.needs,
        "in use": plan.standing.title,
        "left": "" if left is None else counted(left, "reconfiguration"),
        "not allowed": plan.why_not if with_refusal else "",
    }
    lines = [f"{name:12}{safe_text(text, 600)}" for name, text in facts.items() if text]
    if plan.unsettled:
        lines.append("a key change of this meter is not settled: the meter is asked which key it holds first")
    return [*lines, *plan.notes, *plan.standing.warnings]


def plan_facts(plan: ActionPlan) -> dict[str, object]:
    """Return the same as a JSON object."""
    return {
        "meter": {"manufacturer": plan.meter.manufacturer, "number": plan.meter.number},
        "family": plan.family,
        "action": plan.action.name,
        "new": plan.parameter,
        "now": plan.before or None,
        "sent": plan.written,
        "needs": [level.name for level in level_table().levels_allowing(plan.action)],
        "level": plan.standing.title,
        "why_not": plan.why_not or None,
        "reconfigurations_left": plan.reconfigurations_left,
        "key_change_open": plan.unsettled,
        "notes": list(plan.notes),
    }


def outcome_lines(outcome: ActionOutcome) -> list[str]:
    """Return what became of an action, a line each."""
    plan = outcome.plan
    parameter = f": {plan.parameter}" if plan.parameter else ""
    shown = {
        True: "confirmed by the read-out",
        False: "NOT confirmed: the read-out differs",
        None: "not shown by the read-out",
    }
    how = "" if plan.action.name == CHANGE_KEY or not plan.action.writes else f", {shown[outcome.matches]}"
    lines = [safe_text(f"done: {plan.action.text}{parameter}{how}", 600)]
    if outcome.after:
        lines.append(f"{'now':12}{safe_text(outcome.after)}")
    if outcome.reconfigurations_left is not None:
        lines.append(f"{'left':12}{counted(outcome.reconfigurations_left, 'reconfiguration')}")
    return [*lines, *event_lines(outcome), *outcome.notes]


def event_lines(outcome: ActionOutcome) -> list[str]:
    """Return the meter's own log, a line an event."""
    return [f"{event.at:%Y-%m-%d %H:%M:%S}  {event.kind.name.lower():16}{event.words}" for event in outcome.events]


def outcome_facts(outcome: ActionOutcome) -> dict[str, object]:
    """Return the same as a JSON object."""
    return plan_facts(outcome.plan) | {
        "ok": outcome.ok,
        "after": outcome.after or None,
        "matches": outcome.matches,
        "authentic": outcome.authentic,
        "reconfigurations_left": outcome.reconfigurations_left,
        "problem": outcome.problem or None,
        "notes": [*outcome.plan.notes, *outcome.notes],
        "events": [
            {"at": f"{event.at:%Y-%m-%dT%H:%M:%SZ}", "kind": event.kind.name.lower(), "words": event.words}
            for event in outcome.events
        ],
    }


def read_out_lines(read_out: ReadOut) -> list[str]:
    """Return a read-out for people: each part in one line, and its readings a line each."""
    lines = []
    for telegram in read_out.telegrams:
        lines.append(telegram_line(telegram))
        lines += [f"  {reading_text(reading)}" for reading in telegram.readings]
    return lines


def _allowed(action: Action, standing: Standing) -> bool:
    return action.needs is Capability.READ or action.needs in standing.grant.capabilities
