"""Judging streams of telegrams of many meters, quickly where nothing is remarkable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from protocols.learned import Sighting
from protocols.meter_plans import MeterPlan
from protocols.model import Address, Finding, Telegram
from protocols.plans import Body
from protocols.plausibility.history import NO_HISTORY, RECENT, LaneState, MeterHistory, Total, weigh
from protocols.plausibility.observation import Lane, Observation, observe, total_of
from protocols.plausibility.sightings import Places, Watched

STEPS_FORWARD = 60
"""Access numbers that only went forward, by at most this, cannot meet one of the last `RECENT` telegrams again."""


_KEPT: Final = 4
"""Entries a telegram in `_Meter.waiting`."""

_ROOM: Final = RECENT * _KEPT


def _went_forward(before: int, after: int) -> bool:
    return 0 < (after - before) & 0xFF <= STEPS_FORWARD


class _Meter:
    """The history of one meter: `base`, and behind it telegrams that were found in order at a glance.

    Those are all of `lane`, and their totals of `counted_name`. `waiting` are the newest of them, a ring of four
    entries each: the `Watched`, the frame, when it was heard, the total. The next one goes to `next`, None where there
    was none yet. With thousands of meters all this has left the processor's cache before it is wanted again: so it is
    one list without objects of its own. The last total was read from the bytes `total_data` of a telegram with these
    `places`.
    """

    __slots__ = (
        "access_number",
        "at",
        "base",
        "counted_name",
        "highest",
        "lane",
        "next",
        "places",
        "total",
        "total_data",
        "waiting",
    )

    def __init__(self) -> None:
        self.base: MeterHistory = NO_HISTORY
        self.lane: Lane | None = None
        self.access_number = 0
        self.highest: int | None = None
        self.counted_name: str | None = None
        self.total: Decimal | int = 0
        self.places: Places | None = None
        self.total_data: Any = b""
        self.at: datetime | None = None
        self.waiting: list[Any] = [None] * _ROOM
        self.next = 0

    def history(self) -> MeterHistory:
        """The history with all telegrams in it."""
        newest = self._newest()
        if not newest or self.lane is None:
            return self.base
        lanes, totals = self.base.lanes, self.base.totals
        before = lanes.get(self.lane)
        recent = (*newest, *(() if before is None else before.recent))[:RECENT]
        if self.counted_name is not None:
            totals = {**totals, self.counted_name: Total(Decimal(self.total), self.at)}
        self.base = MeterHistory({**lanes, self.lane: LaneState(recent, self.highest)}, totals)
        self.waiting = [None] * _ROOM
        return self.base

    def keep(self, watched: Watched, data: bytes, at: datetime | None) -> None:
        """Keep a telegram that was found in order, in place of the oldest."""
        waiting, place = self.waiting, self.next
        waiting[place] = watched
        waiting[place + 1] = data
        waiting[place + 2] = at
        waiting[place + 3] = self.total
        self.next = (place + _KEPT) % _ROOM
        self.at = at

    def _newest(self) -> list[Observation]:
        """The telegrams that wait, newest first."""
        ring = self.waiting[self.next :] + self.waiting[: self.next]
        return [
            ring[place].usual(*ring[place + 1 : place + _KEPT])
            for place in range(_ROOM - _KEPT, -1, -_KEPT)
            if ring[place] is not None
        ]

    def begins_with(self, watched: Watched, body: Body) -> bool:
        """Take the first telegram of all at a glance, if its total can be compared."""
        places = watched.places
        if places.total is not None and places.counted is not None:
            data = places.total.data(body)
            value = total_of(*places.total.result(data))
            if value is None:
                return False
            self.counted_name = places.counted.name
            self.total, self.total_data, self.places = value, data, places
        self.lane = watched.lane
        return True

    def goes_on_with(self, places: Places, body: Body) -> bool:
        """Whether the total is there and has not risen by more than is plausible at once; takes it over."""
        if places.total is None or places.counted is None:
            return self.counted_name is None
        if places.counted.name != self.counted_name:
            return False
        data = places.total.data(body)
        if places is self.places and data == self.total_data:
            return True
        value = total_of(*places.total.result(data))
        if value is None or not 0 <= value - self.total <= places.allowance:
            return False
        self.total, self.total_data, self.places = value, data, places
        return True

    def weigh(self, seen: Observation) -> tuple[Finding, ...]:
        """Judge a telegram by all before it, and return what is found."""
        history, findings = weigh(self.history(), seen)
        self._begin(history, seen)
        return findings

    def _begin(self, history: MeterHistory, newest: Observation) -> None:
        """Go on from a history whose newest telegram is known."""
        self.base = history
        lane = history.lanes[newest.lane]
        last = lane.recent[0]
        numbers = [seen.access_number for seen in lane.recent]
        self.lane = newest.lane if _only_forward(numbers) else None
        self.access_number = last.access_number or 0
        self.highest = lane.highest
        name = None if newest.counted is None else newest.counted.name
        self.places = None
        known = None if name is None else history.totals.get(name)
        self.counted_name = None
        if known is not None:
            self.counted_name, self.total, self.at = name, known.value, known.at


def _only_forward(newest_first: Sequence[int | None]) -> bool:
    """Whether there are access numbers, and each went forward from the one before."""
    return newest_first[0] is not None and all(
        after is not None and before is not None and _went_forward(before, after)
        for after, before in pairwise(newest_first)
    )


def _counts_on(lane: Lane, highest: int, counter: int) -> bool:
    """Whether a counter is one that may come after the highest so far."""
    return counter > highest or (counter == highest and not lane.unique)


class Watch:
    """What a `Judge` knows of one plan of a meter, as `Judge.watch` gives it."""

    __slots__ = ("_lane", "_meter", "_places", "era", "watched")

    def __init__(self, watched: Watched, meter: _Meter, era: object) -> None:
        self.watched, self._meter = watched, meter
        self._places, self._lane = watched.places, watched.lane
        self.era = era

    def follow(
        self, data: bytes, body: Body, received_at: datetime | None, heard_at: datetime | None = None
    ) -> tuple[Finding, ...]:
        """Return what is found in the next telegram that the plan fits; `data` and `body` as in `Sighting`."""
        meter, places, lane = self._meter, self._places, self._lane
        access_at = places.access_at
        if access_at is None or (lane is not meter.lane and meter.base is not NO_HISTORY):
            return meter.weigh(self.watched.observation(data, body, received_at, heard_at))
        access_number, counter = data[access_at], places.counter(data)
        if meter.lane is None:
            usual = not places.remarkable(data, body, received_at) and meter.begins_with(self.watched, body)
        else:
            usual = (
                lane is meter.lane
                and _went_forward(meter.access_number, access_number)
                and (counter is None or meter.highest is None or _counts_on(lane, meter.highest, counter))
                and not places.remarkable(data, body, received_at)
                and meter.goes_on_with(places, body)
            )
        if not usual:
            return meter.weigh(self.watched.observation(data, body, received_at, heard_at))
        meter.access_number = access_number
        if counter is not None:
            meter.highest = counter
        meter.keep(self.watched, data, received_at or heard_at)
        return places.always


class Judge:
    """Judges telegrams in the order in which they were received, each by the history of its meter.

    It finds what `judge` finds. Meters are told apart by their address and that of the sender. Belongs to one thread.
    """

    METERS = 20_000
    """Meters remembered; beyond it all are forgotten."""

    PLANS = 40_000
    """Plans of meters of which it is remembered where to look."""

    KINDS = 1000
    """Plans for whole kinds of meters of which it is remembered where to look."""

    def __init__(self) -> None:
        self._meters: dict[tuple[Address, Address | None], _Meter] = {}
        self._known: dict[MeterPlan, Watch] = {}
        # Another one as soon as what was watched is forgotten.
        self.era = object()
        self._watched = 0
        self._kinds: dict[int, Places] = {}
        self._lanes: dict[Lane, Lane] = {}

    def judge(self, seen: Telegram | Sighting, heard_at: datetime | None = None) -> tuple[Finding, ...]:
        """Return what is found in a telegram; `heard_at` as for `observe`."""
        if isinstance(seen, Sighting):
            return self.matched(seen.plan, seen.data, seen.body, seen.frame.at, heard_at)
        observation = observe(seen, heard_at)
        return () if observation is None else self.weigh(observation)

    def matched(
        self, plan: MeterPlan, data: bytes, body: Body, received_at: datetime | None, heard_at: datetime | None = None
    ) -> tuple[Finding, ...]:
        """Return what is found in a telegram that a plan fits; `data` and `body` as in `Sighting`."""
        return self._watch(plan).follow(data, body, received_at, heard_at)

    def watch(self, plan: MeterPlan) -> Watch:
        """What follows the telegrams of a plan, for a caller who keeps it as long as `era` stays the same."""
        if self._watched >= self.PLANS or len(self._kinds) >= self.KINDS:
            self._forget_plans()
        self._watched += 1
        kind = plan.plan
        places = self._kinds.get(id(kind))
        if places is None:
            places = self._kinds[id(kind)] = Places.of(kind, plan.meter)
        watched = Watched.of(plan, places)
        # Full and compact frames of a meter have equal lanes: made one, they are compared at a glance.
        watched.lane = self._lanes.setdefault(watched.lane, watched.lane)
        return Watch(watched, self._meter(plan.meter, plan.link_address), self.era)

    def observe(self, seen: Telegram | Sighting, heard_at: datetime | None = None) -> Observation | None:
        """Return what `weigh` needs of a telegram: one process may observe, another one judge."""
        if not isinstance(seen, Sighting):
            return observe(seen, heard_at)
        return self._watch(seen.plan).watched.observation(seen.data, seen.body, seen.frame.at, heard_at)

    def weigh(self, seen: Observation) -> tuple[Finding, ...]:
        """Return what is found in what was observed of a telegram."""
        return self._meter(seen.meter, seen.sender).weigh(seen)

    def history(self, meter: Address, sender: Address | None = None) -> MeterHistory:
        """The history of one meter; empty when it was never heard."""
        known = self._meters.get((meter, sender))
        return NO_HISTORY if known is None else known.history()

    def _meter(self, address: Address, sender: Address | None) -> _Meter:
        meter = self._meters.get((address, sender))
        if meter is None:
            if len(self._meters) >= self.METERS:
                self._meters.clear()
                self._forget_plans()
            meter = self._meters[address, sender] = _Meter()
        return meter

    def _watch(self, plan: MeterPlan) -> Watch:
        watch = self._known.get(plan)
        if watch is None:
            watch = self.watch(plan)
            self._known[plan] = watch
        return watch

    def _forget_plans(self) -> None:
        self.era = object()
        self._watched = 0
        self._known.clear()
        self._kinds.clear()
        self._lanes.clear()
