"""Observations of telegrams that a plan read, without decoding them in full.

What they hold is, field for field, what `observe` finds in the telegram that `decode` would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from protocols.crypto import key_check_value
from protocols.learned import Sighting, status_of
from protocols.mbus.layouts import Slot
from protocols.mbus.values import Result
from protocols.model import Address, Finding, Reading, Telegram
from protocols.plans import MeterPlan
from protocols.plausibility.observation import (
    SESSION_TIME,
    SN_SIZE,
    Counted,
    Lane,
    Numbers,
    Observation,
    all_remarks,
    content_of,
    counted_of,
    counted_reading,
    lane_of,
    numbers_of,
    observe,
    total_of,
)
from protocols.plausibility.remarks import DATE_QUANTITIES, ERROR_BITS, REPEATED
from protocols.profiles.apply import PlannedReading

_KNOWN_FOR = timedelta(hours=1)
"""How long dates that were in order need not be looked at again."""


class Observer:
    """Observes telegrams and sightings; remembers of each meter's plan where to look. Belongs to one thread."""

    LIMIT = 20_000
    """Plans remembered."""

    def __init__(self) -> None:
        self._places: dict[int, _Places] = {}

    def observe(self, seen: Telegram | Sighting, heard_at: datetime | None = None) -> Observation | None:
        """Return, for a sighting, what `observe` gives for its telegram decoded in full."""
        if isinstance(seen, Telegram):
            return observe(seen, heard_at)
        return self.matched(seen.plan, seen.data, seen.plain, seen.frame.at, heard_at)

    def matched(
        self, plan: MeterPlan, data: bytes, plain: bytes, received_at: datetime | None, heard_at: datetime | None = None
    ) -> Observation:
        """Observe a telegram that a plan fits; `data` is the frame without CRCs, `plain` as in `Sighting`."""
        places = self._places.get(id(plan)) or self._learn(plan)
        numbers = places.numbers
        counter = None
        if numbers.session_at is not None:
            number = int.from_bytes(data[numbers.session_at : numbers.session_at + SN_SIZE], "little")
            counter = number >> 4 & SESSION_TIME
        remarkable = places.status_at is not None and data[places.status_at] & ERROR_BITS
        if places.dates and not remarkable:
            remarkable = not places.dates_are_known(plain, received_at)
        return Observation(
            places.meter,
            places.lane,
            received_at or heard_at,
            None if places.access_at is None else data[places.access_at],
            counter,
            content_of(data, numbers) if numbers.repeated else data[numbers.content_at :],
            numbers.repeated,
            places.counted,
            None if places.total is None else total_of(*places.total.read(plain)),
            places.remarks(data, plain, received_at) if remarkable else places.always,
        )

    def _learn(self, plan: MeterPlan) -> _Places:
        if len(self._places) >= self.LIMIT:
            self._places.clear()
        places = self._places[id(plan)] = _places(plan)
        return places


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reading lies in the plain bytes of a plan's telegrams, and how it is read."""

    slot: Slot
    planned: PlannedReading

    def data(self, plain: bytes) -> bytes:
        """The bytes of its record."""
        return plain[self.slot.start : self.slot.end]

    def read(self, plain: bytes) -> Result:
        """Value and quality."""
        data = self.data(plain)
        result = self.slot.read(data)
        return self.planned.result(result, data) if self.planned.rule is not None else result


@dataclass(slots=True)
class _Places:
    """Where the telegrams of a meter's plan keep what is observed, and the dates that were found in order last.

    Dates with the bytes `known` are in order for telegrams received from `known_from` to `known_until`.
    """

    plan: MeterPlan
    meter: Address
    lane: Lane
    numbers: Numbers
    access_at: int | None
    status_at: int | None
    counted: Counted | None
    total: _Place | None
    dates: tuple[_Place, ...]
    always: tuple[Finding, ...]
    known: list[bytes] | None = None
    known_from: datetime | None = None
    known_until: datetime | None = None

    def dates_are_known(self, plain: bytes, at: datetime | None) -> bool:
        """Whether these dates were in order before, or are now."""
        data = [place.data(plain) for place in self.dates]
        if data == self.known:
            if self.known_from is None or self.known_until is None or at is None:
                if at is self.known_from:
                    return True
            elif self.known_from <= at <= self.known_until:
                return True
        until = None if at is None else at + _KNOWN_FOR
        dates = self._dates(plain)
        if all_remarks(None, dates, at, repeated=False) or all_remarks(None, dates, until, repeated=False):
            return False
        self.known, self.known_from, self.known_until = data, at, until
        return True

    def _dates(self, plain: bytes) -> list[tuple[Reading, Result, bytes]]:
        return [(place.planned.reading, place.read(plain), place.data(plain)) for place in self.dates]

    def remarks(self, data: bytes, plain: bytes, at: datetime | None) -> tuple[Finding, ...]:
        """All remarks of one telegram."""
        status = status_of(self.plan.plan, data, plain)
        return all_remarks(status, self._dates(plain), at, repeated=self.numbers.repeated)


def _places(plan: MeterPlan) -> _Places:
    kind = plan.plan
    template, readings, slots = kind.template, kind.recipe.readings, kind.layout.slots
    if plan.meter is None:
        raise ValueError("a plan of a telegram without an address")
    numbers, lane = numbers_of(template.layers), lane_of(template.security)
    places = [_Place(slots[planned.position], planned) for planned in readings]
    index = counted_reading(template.readings)
    return _Places(
        plan,
        plan.meter,
        lane if plan.key is None else lane._replace(key_check_value=key_check_value(plan.key.value)),
        numbers,
        kind.access_at,
        kind.status_at,
        None if index is None else counted_of(template.readings[index], plan.meter),
        None if index is None else places[index],
        tuple(place for place in places if place.planned.reading.quantity in DATE_QUANTITIES),
        (REPEATED,) if numbers.repeated else (),
    )
