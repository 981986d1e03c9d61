"""Where the telegrams of a meter's plan keep what is observed, so that nothing else of them need be read.

What an observation made this way holds is, field for field, what `observe` finds in the telegram decoded in full.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from protocols.learned import status_of
from protocols.mbus.layouts import Slot
from protocols.mbus.values import Result
from protocols.meter_plans import MeterPlan
from protocols.model import Address, Finding, Reading, Record
from protocols.payload_layouts import Items, PayloadLayout
from protocols.plans import Body, Plan
from protocols.plausibility.limits import CLOCK_TOLERANCE
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
    total_of,
)
from protocols.plausibility.remarks import DATE_QUANTITIES, ERROR_BITS, REPEATED, is_clock
from protocols.profiles.apply import PlannedReading

_DAY = timedelta(days=1)
KNOWN_DATES = 256
"""Dates remembered a plan: most meters of a kind send the same ones on a day."""

_TYPE_F = 4
"""Length of the date type that most clocks are sent in: minute and hour stand in its first two bytes."""


Datum: TypeAlias = Any
"""What decides a reading's value in a telegram: bytes of a record, or a record."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading lies in the plain bytes of a plan's telegrams, and how it is read."""

    slot: Slot
    planned: PlannedReading
    changes: bool

    @classmethod
    def of(cls, slot: Slot, planned: PlannedReading) -> Place:
        """Find out whether the reading is what its record says."""
        return cls(slot, planned, planned.changes)

    def data(self, body: Body) -> Datum:
        """What decides its value: the bytes of its record."""
        return body[self.slot.start : self.slot.end]

    def read(self, body: Body) -> Result:
        """Value and quality."""
        return self.result(self.data(body))

    def raw(self, body: Body) -> bytes:
        """The bytes of its record."""
        raw: bytes = self.data(body)
        return raw

    def result(self, data: Datum) -> Result:
        """Value and quality, given what decides them."""
        result = self.slot.read(data)
        return self.planned.result(result, data) if self.changes else result


@dataclass(frozen=True, slots=True)
class ItemPlace:
    """The same in what a payload layout makes of the telegrams."""

    position: int
    planned: PlannedReading
    changes: bool

    def data(self, body: Body) -> Datum:
        """What decides its value: the record as decoded."""
        items: Items = body
        return items.records[self.position]

    def read(self, body: Body) -> Result:
        """Value and quality."""
        return self.result(self.data(body))

    def raw(self, body: Body) -> bytes:
        """The bytes of its record."""
        record: Record = self.data(body)
        return record.data

    def result(self, data: Datum) -> Result:
        """Value and quality, given what decides them."""
        record: Record = data
        result = record.value, record.quality
        return self.planned.result(result, record.data) if self.changes else result


def _places(plan: Plan) -> list[Place | ItemPlace]:
    """Where each reading of a plan lies."""
    layout, readings = plan.layout, plan.recipe.readings
    if isinstance(layout, PayloadLayout):
        return [ItemPlace(planned.position, planned, planned.changes) for planned in readings]
    return [Place.of(layout.slots[planned.position], planned) for planned in readings]


@dataclass(frozen=True, slots=True)
class Places:
    """What is observed of the telegrams of a plan, whichever meter sends them.

    `lane` is without the meter's key. `date_mask` covers the bytes of all dates, of a clock only the day; its minute
    and hour stand at `clock_at`. Dates that are `known` under the mask are in order in telegrams received from the one
    time to the other, whatever the time of day of the clock. Of what a payload layout read there are no such bytes: the
    records of the dates themselves are `known`. `allowance` is what a total may always rise by.
    """

    plan: Plan
    lane: Lane
    numbers: Numbers
    counted: Counted | None
    total: Place | ItemPlace | None
    dates: tuple[Place | ItemPlace, ...]
    always: tuple[Finding, ...]
    date_mask: int
    clock_at: int | None
    allowance: Decimal
    access_at: int | None
    status_at: int | None
    known: dict[Any, tuple[datetime | None, datetime | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, meter: Address) -> Places:
        """Find out where to look; `meter` is one that sends this way."""
        template, numbers = plan.template, numbers_of(plan.template.layers)
        places = _places(plan)
        index = counted_reading(template.readings)
        dates = tuple(place for place in places if place.planned.reading.quantity in DATE_QUANTITIES)
        mask, clock_at = _date_mask(plan.layout.size, dates)
        counted = None if index is None else counted_of(template.readings[index], meter)
        return cls(
            plan=plan,
            lane=lane_of(template.security),
            numbers=numbers,
            counted=counted,
            total=None if index is None else places[index],
            dates=dates,
            always=(REPEATED,) if numbers.repeated else (),
            date_mask=mask,
            clock_at=clock_at,
            allowance=Decimal(0) if counted is None else counted.counter.never_too_much(counted.medium),
            access_at=plan.access_at,
            status_at=plan.status_at,
        )

    def counter(self, data: bytes) -> int | None:
        """The message counter, or the minute of an extended link layer's session."""
        message = self.plan.message
        if message is not None:
            return message.counter_of(data)
        at = self.numbers.session_at
        if at is None:
            return None
        return int.from_bytes(data[at : at + SN_SIZE], "little") >> 4 & SESSION_TIME

    def readings(self, body: Body) -> list[tuple[Reading, Result, bytes]]:
        """All dates, with value, quality and bytes of their records."""
        return [(place.planned.reading, place.read(body), place.raw(body)) for place in self.dates]

    def remarkable(self, data: bytes, body: Body, received_at: datetime | None) -> bool:
        """Whether a telegram may show more than all others of its plan."""
        status_at = self.status_at
        if status_at is not None and data[status_at] & ERROR_BITS:
            return True
        return bool(self.dates) and not self.dates_are_known(body, received_at)

    def dates_are_known(self, body: Body, at: datetime | None) -> bool:
        """Whether these dates were in order before, or are now."""
        if not isinstance(body, bytes):
            days: object = tuple([place.data(body) for place in self.dates])
        else:
            clock_at = self.clock_at
            if clock_at is not None and not (body[clock_at] & 0x3F < 60 and body[clock_at + 1] & 0x1F < 24):
                return False
            days = int.from_bytes(body, "big") & self.date_mask
        known = self.known.get(days)
        if known is not None:
            first, last = known
            if at is None or first is None or last is None:
                if at is first:
                    return True
            elif first <= at <= last:
                return True
        return self._get_to_know(days, body, at)

    def _get_to_know(self, days: object, body: Body, at: datetime | None) -> bool:
        dates = self.readings(body)
        if all_remarks(None, dates, at, repeated=False):
            return False
        until = at
        if at is not None:
            until = at + _DAY
            for reading, (value, _), _ in dates:
                if is_clock(reading) and isinstance(value, date):
                    midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
                    # All day long the clock is no further off than this; outside of it every telegram is looked at.
                    at = max(at, midnight + _DAY - CLOCK_TOLERANCE)
                    until = min(until, midnight + CLOCK_TOLERANCE)
        if len(self.known) >= KNOWN_DATES:
            self.known.clear()
        self.known[days] = (at, until)
        return True


@dataclass(slots=True)
class Watched:
    """A plan of one meter."""

    places: Places
    meter: Address
    sender: Address | None
    lane: Lane

    @classmethod
    def of(cls, plan: MeterPlan, places: Places) -> Watched:
        """Watch the telegrams of one meter."""
        lane = places.lane
        if plan.key is not None:
            lane = Lane(lane.protection, plan.key_check_value, lane.unique)
        return cls(places, plan.meter, plan.link_address, lane)

    def observation(
        self, data: bytes, body: Body, received_at: datetime | None, heard_at: datetime | None = None
    ) -> Observation:
        """What is kept of a telegram; `data` is the frame without CRCs, `body` what the layout read of it."""
        total = self.places.total
        value = None if total is None else total_of(*total.read(body))
        return self._observation(data, received_at or heard_at, value, self.remarks(data, body, received_at))

    def usual(self, data: bytes, at: datetime | None, total: Decimal | int) -> Observation:
        """What is kept of a telegram that was not remarkable, and whose total is known where it has one."""
        places = self.places
        return self._observation(data, at, None if places.total is None else total, places.always)

    def _observation(
        self, data: bytes, at: datetime | None, total: Decimal | int | None, remarks: tuple[Finding, ...]
    ) -> Observation:
        places = self.places
        return Observation(
            self.meter,
            self.sender,
            self.lane,
            at,
            None if places.access_at is None else data[places.access_at],
            places.counter(data),
            content_of(data, places.numbers),
            places.numbers.repeated,
            places.counted,
            total,
            remarks,
        )

    def remarks(self, data: bytes, body: Body, received_at: datetime | None) -> tuple[Finding, ...]:
        """What a telegram shows of itself alone."""
        places = self.places
        if not places.remarkable(data, body, received_at):
            return places.always
        status = status_of(places.plan, data, body)
        return all_remarks(status, places.readings(body), received_at, repeated=places.numbers.repeated)


def _date_mask(size: int, dates: tuple[Place | ItemPlace, ...]) -> tuple[int, int | None]:
    """The bytes in which dates must be the same to be known, and where a clock's minute and hour stand."""
    mask, clock_at = bytearray(size), None
    for place in dates:
        if isinstance(place, ItemPlace):
            continue
        start, end = place.slot.start, place.slot.end
        mask[start:end] = b"\xff" * (end - start)
        if clock_at is None and is_clock(place.planned.reading) and end - start == _TYPE_F:
            clock_at = start
            mask[start : start + 2] = b"\x80\x60"
    return int.from_bytes(mask, "big"), clock_at
