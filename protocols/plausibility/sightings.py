"""Where the telegrams of a meter's plan keep what is observed, so that nothing else of them need be read.

What an observation made this way holds is, field for field, what `observe` finds in the telegram decoded in full.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from protocols.crypto import key_check_value
from protocols.learned import status_of
from protocols.mbus.layouts import Slot
from protocols.mbus.values import Result
from protocols.meter_plans import MeterPlan
from protocols.model import Address, Finding, Reading
from protocols.plans import Plan
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

    def data(self, plain: bytes) -> bytes:
        """The bytes of its record."""
        return plain[self.slot.start : self.slot.end]

    def read(self, plain: bytes) -> Result:
        """Value and quality."""
        return self.result(self.data(plain))

    def result(self, data: bytes) -> Result:
        """Value and quality, given the bytes of its record."""
        result = self.slot.read(data)
        return self.planned.result(result, data) if self.changes else result


@dataclass(frozen=True, slots=True)
class Places:
    """What is observed of the telegrams of a plan, whichever meter sends them.

    `lane` is without the meter's key. `date_mask` covers the bytes of all dates, of a clock only the day; its minute
    and hour stand at `clock_at`. Dates that are `known` under the mask are in order in telegrams received from the one
    time to the other, whatever the time of day of the clock. `allowance` is what a total may always rise by.
    """

    plan: Plan
    lane: Lane
    numbers: Numbers
    counted: Counted | None
    total: Place | None
    dates: tuple[Place, ...]
    always: tuple[Finding, ...]
    date_mask: int
    clock_at: int | None
    allowance: Decimal
    access_at: int | None
    status_at: int | None
    known: dict[int, tuple[datetime | None, datetime | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, meter: Address) -> Places:
        """Find out where to look; `meter` is one that sends this way."""
        template, slots = plan.template, plan.layout.slots
        numbers = numbers_of(template.layers)
        places = [Place.of(slots[planned.position], planned) for planned in plan.recipe.readings]
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

    def readings(self, plain: bytes) -> list[tuple[Reading, Result, bytes]]:
        """All dates, with value, quality and bytes of their records."""
        return [(place.planned.reading, place.read(plain), place.data(plain)) for place in self.dates]

    def remarkable(self, data: bytes, plain: bytes, received_at: datetime | None) -> bool:
        """Whether a telegram may show more than all others of its plan."""
        status_at = self.status_at
        if status_at is not None and data[status_at] & ERROR_BITS:
            return True
        return bool(self.dates) and not self.dates_are_known(plain, received_at)

    def dates_are_known(self, plain: bytes, at: datetime | None) -> bool:
        """Whether these dates were in order before, or are now."""
        clock_at = self.clock_at
        if clock_at is not None and not (plain[clock_at] & 0x3F < 60 and plain[clock_at + 1] & 0x1F < 24):
            return False
        days = int.from_bytes(plain, "big") & self.date_mask
        known = self.known.get(days)
        if known is not None:
            first, last = known
            if at is None or first is None or last is None:
                if at is first:
                    return True
            elif first <= at <= last:
                return True
        return self._get_to_know(days, plain, at)

    def _get_to_know(self, days: int, plain: bytes, at: datetime | None) -> bool:
        dates = self.readings(plain)
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
    def of(cls, plan: MeterPlan, meter: Address, places: Places) -> Watched:
        """Watch the telegrams of one meter."""
        lane = places.lane
        if plan.key is not None:
            lane = Lane(lane.protection, key_check_value(plan.key.value), lane.unique)
        return cls(places, meter, plan.link_address, lane)

    def observation(
        self, data: bytes, plain: bytes, received_at: datetime | None, heard_at: datetime | None = None
    ) -> Observation:
        """What is kept of a telegram; `data` is the frame without CRCs, `plain` the bytes behind its clear part."""
        total = self.places.total
        value = None if total is None else total_of(*total.read(plain))
        return self._observation(data, received_at or heard_at, value, self.remarks(data, plain, received_at))

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

    def remarks(self, data: bytes, plain: bytes, received_at: datetime | None) -> tuple[Finding, ...]:
        """What a telegram shows of itself alone."""
        places = self.places
        if not places.remarkable(data, plain, received_at):
            return places.always
        status = status_of(places.plan, data, plain)
        return all_remarks(status, places.readings(plain), received_at, repeated=places.numbers.repeated)


def _date_mask(size: int, dates: tuple[Place, ...]) -> tuple[int, int | None]:
    """The bytes in which dates must be the same to be known, and where a clock's minute and hour stand."""
    mask, clock_at = bytearray(size), None
    for place in dates:
        start, end = place.slot.start, place.slot.end
        mask[start:end] = b"\xff" * (end - start)
        if clock_at is None and is_clock(place.planned.reading) and end - start == _TYPE_F:
            clock_at = start
            mask[start : start + 2] = b"\x80\x60"
    return int.from_bytes(mask, "big"), clock_at
