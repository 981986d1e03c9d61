"""Judging a telegram by those before it of the same meter: numbers that go back, totals that fall or jump.

`judge` is pure: a meter's state in, its state and the findings out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from protocols.model import Finding, FindingKind, Telegram
from protocols.plausibility.findings import with_findings
from protocols.plausibility.limits import (
    REPEATER_DELAY,
    ROLLOVER_FROM,
    ROLLOVER_TO,
    SAME_TRANSMISSION,
    SECONDS_AN_HOUR,
    SHORTEST_INTERVAL,
    SHORTEST_TIME,
    STEPS_BACK_WITHOUT_TIME,
)
from protocols.plausibility.observation import Counted, Lane, Observation, observe
from protocols.units import unit_symbol

RECENT = 4
"""Telegrams remembered a lane: a repeater's copy comes behind at most three newer ones of a meter that sends often."""

LANES = 8
"""Lanes remembered a meter; a meter with two keys and clear telegrams has three."""

TOTALS = 8
"""Totals remembered a meter, by reading; each layout of telegrams is watched by one."""

_HALF = 128
_WRAP = 256


class LaneState(NamedTuple):
    """The newest telegrams of a lane, newest first, and the highest counter that was seen in it."""

    recent: tuple[Observation, ...]
    highest: int | None


class Total(NamedTuple):
    """The last total that was believed, and one that was not: it is believed when the next telegram bears it out."""

    value: Decimal
    at: datetime | None
    doubted: Decimal | None = None
    doubted_at: datetime | None = None


class MeterHistory(NamedTuple):
    """What is known of one meter from its telegrams so far."""

    lanes: Mapping[Lane, LaneState] = {}
    totals: Mapping[str, Total] = {}


NO_HISTORY = MeterHistory()


def judge(history: MeterHistory, telegram: Telegram) -> tuple[MeterHistory, tuple[Finding, ...]]:
    """Judge a telegram by the history of its meter; returns the history with it, and what was found.

    A telegram that may be a replay leaves counters and totals as they were. Telegrams must be handed over in the order
    in which they were received; a history must only ever see telegrams of one meter, through one sender.
    """
    observation = observe(telegram)
    return (history, ()) if observation is None else weigh(history, observation)


def judged_alone(telegram: Telegram) -> Telegram:
    """Return a telegram with what it shows of itself, no other one of its meter being known."""
    return with_findings(telegram, judge(NO_HISTORY, telegram)[1])


def weigh(history: MeterHistory, seen: Observation) -> tuple[MeterHistory, tuple[Finding, ...]]:
    """Judge what was observed of a telegram."""
    lanes = history.lanes
    lane = lanes.get(seen.lane)
    if lane is None:
        known = lanes if len(lanes) < LANES else dict(list(lanes.items())[1:])
        history = MeterHistory({**known, seen.lane: LaneState((seen,), seen.counter)}, history.totals)
    else:
        if _heard_before(lane, seen):
            return history, seen.remarks
        replay = _replay(lane, seen)
        highest = lane.highest
        if replay is None and seen.counter is not None:
            highest = seen.counter
        recent = (seen, *lane.recent[: RECENT - 1])
        history = MeterHistory({**lanes, seen.lane: LaneState(recent, highest)}, history.totals)
        if replay is not None:
            return history, (Finding(FindingKind.POSSIBLE_REPLAY, replay), *seen.remarks)
    if seen.total is None or seen.counted is None:
        return history, seen.remarks
    total, doubt = _weigh_total(history.totals.get(seen.counted.name), seen.counted, Decimal(seen.total), seen.at)
    totals = history.totals
    if len(totals) >= TOTALS and seen.counted.name not in totals:
        totals = dict(list(totals.items())[1:])
    history = MeterHistory(history.lanes, {**totals, seen.counted.name: total})
    return history, seen.remarks if doubt is None else (doubt, *seen.remarks)


def _heard_before(lane: LaneState, seen: Observation) -> bool:
    """Whether this is a transmission that was heard already: by two receivers, through a repeater, or sent twice."""
    newest = lane.recent[0]
    if newest.content == seen.content:
        return True
    window = REPEATER_DELAY if seen.repeated else SAME_TRANSMISSION
    for earlier in lane.recent[1:]:
        if earlier.content == seen.content:
            if seen.at is None or earlier.at is None:
                return seen.repeated
            return seen.at - earlier.at <= window
    return False


def _replay(lane: LaneState, seen: Observation) -> str | None:
    """What speaks for a replay: a counter or an access number that went back, or a telegram that came before."""
    counter, highest = seen.counter, lane.highest
    if counter is not None and highest is not None:
        name = "message counter" if seen.lane.unique else "session minute"
        if counter < highest:
            return f"{name} went back from {highest} to {counter}"
        if counter > highest:
            return None
        if seen.lane.unique:
            same = any(earlier.content == seen.content for earlier in lane.recent)
            return f"{name} {counter} came before, {'and others since' if same else 'with another content'}"
    last = lane.recent[0]
    if seen.access_number is None or last.access_number is None:
        return None
    if counter is not None and any(earlier.content == seen.content for earlier in lane.recent):
        # Access numbers come round in an hour, but not within one minute of a session.
        return f"the telegram with access number {seen.access_number} came before, and others since"
    forward = (seen.access_number - last.access_number) % _WRAP
    if forward < _HALF or not _too_soon(forward, last.at, seen.at):
        return None
    span = "" if seen.at is None or last.at is None else f" within {_span(seen.at - last.at)}"
    return f"access number went back from {last.access_number} to {seen.access_number}{span}"


def _too_soon(forward: int, last_at: datetime | None, at: datetime | None) -> bool:
    """Whether too little time has passed for so many steps forward."""
    if at is None or last_at is None:
        return _WRAP - forward <= STEPS_BACK_WITHOUT_TIME
    return at - last_at < forward * SHORTEST_INTERVAL


def _weigh_total(
    last: Total | None, counted: Counted, value: Decimal, at: datetime | None
) -> tuple[Total, Finding | None]:
    """Believe a total or not; a doubted one is believed when the next telegram continues from it."""
    if last is None or last.value == value:
        return Total(value, at), None
    doubt = _doubt(last.value, last.at, counted, value, at)
    if doubt is None:
        return Total(value, at), None
    if last.doubted is not None and _doubt(last.doubted, last.doubted_at, counted, value, at) is None:
        return Total(value, at), None
    return Total(last.value, last.at, value, at), doubt


def _doubt(
    before: Decimal, before_at: datetime | None, counted: Counted, value: Decimal, at: datetime | None
) -> Finding | None:
    """What speaks against a total that follows another one."""
    counter, unit = counted.counter, unit_symbol(counted.unit)
    change = value - before
    if change < 0:
        if counter.resets or _ran_over(before, value):
            return None
        detail = f"{counted.name} fell by {-change:f} {unit}, from {before:f} to {value:f}"
        return Finding(FindingKind.NEGATIVE_CONSUMPTION, " ".join(detail.split()))
    if not change or at is None or before_at is None:
        return None
    elapsed = max(abs(at - before_at), SHORTEST_TIME)
    if change * SECONDS_AN_HOUR <= counter.most_in_an_hour(value, counted.medium) * Decimal(elapsed.total_seconds()):
        return None
    detail = f"{counted.name} rose by {change:f} {unit} within {_span(abs(at - before_at))}, to {value:f}"
    return Finding(FindingKind.JUMP, " ".join(detail.split()))


def _ran_over(before: Decimal, value: Decimal) -> bool:
    """Whether a register was nearly full, all nines at its front, and is nearly empty now."""
    size = Decimal(10) ** (before.adjusted() + 1)
    return before >= size * ROLLOVER_FROM and 0 <= value <= size * ROLLOVER_TO


def _span(elapsed: timedelta) -> str:
    seconds = round(elapsed.total_seconds())
    if abs(seconds) < 120:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if abs(seconds) < 7200 else f"{seconds / 3600:.1f} h"
