"""Where the telegrams of a meter's plan keep what is observed, so that nothing else of them need be read.

What an observation made this way holds is, field for field, what `observe` finds in the telegram decoded in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from protocols.crypto import key_check_value
from protocols.learned import status_of
from protocols.mbus.layouts import Slot
from protocols.mbus.values import Result
from protocols.model import Address, Finding, Reading
from protocols.plans import MeterPlan
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


@dataclass(slots=True)
class Places:
    """What is observed of a plan's telegrams, and the dates that were found in order last.

    `date_mask` covers the bytes of all dates, of a clock only the day. Dates that are `known` under it are in order in
    telegrams received from `known_from` to `known_until`, whatever the time of day in `clock_at`. `allowance` is what a
    total may always rise by.
    """

    plan: MeterPlan
    meter: Address
    lane: Lane
    numbers: Numbers
    access_at: int | None
    status_at: int | None
    counted: Counted | None
    total: Place | None
    dates: tuple[Place, ...]
    always: tuple[Finding, ...]
    date_mask: int
    clock_at: int | None
    allowance: Decimal
    known: int | None = None
    known_from: datetime | None = None
    known_until: datetime | None = None

    @classmethod
    def of(cls, plan: MeterPlan) -> Places:
        """Find out where to look."""
        kind, meter = plan.plan, plan.meter
        template, slots = kind.template, kind.layout.slots
        if meter is None:
            raise ValueError("a plan of a telegram without an address")
        numbers, lane = numbers_of(template.layers), lane_of(template.security)
        places = [Place.of(slots[planned.position], planned) for planned in kind.recipe.readings]
        index = counted_reading(template.readings)
        dates = tuple(place for place in places if place.planned.reading.quantity in DATE_QUANTITIES)
        mask, clock_at = _date_mask(kind.layout.size, dates)
        counted = None if index is None else counted_of(template.readings[index], meter)
        return cls(
            plan=plan,
            meter=meter,
            lane=lane if plan.key is None else lane._replace(key_check_value=key_check_value(plan.key.value)),
            numbers=numbers,
            access_at=kind.access_at,
            status_at=kind.status_at,
            counted=counted,
            total=None if index is None else places[index],
            dates=dates,
            always=(REPEATED,) if numbers.repeated else (),
            date_mask=mask,
            clock_at=clock_at,
            allowance=Decimal(0) if counted is None else counted.counter.never_too_much(counted.medium),
        )

    def counter(self, data: bytes) -> int | None:
        """The minute of an extended link layer's session."""
        at = self.numbers.session_at
        if at is None:
            return None
        return int.from_bytes(data[at : at + SN_SIZE], "little") >> 4 & SESSION_TIME

    def observation(
        self, data: bytes, plain: bytes, received_at: datetime | None, heard_at: datetime | None = None
    ) -> Observation:
        """What is kept of a telegram; `data` is the frame without CRCs, `plain` the bytes behind its clear part."""
        return Observation(
            self.meter,
            self.plan.link_address,
            self.lane,
            received_at or heard_at,
            None if self.access_at is None else data[self.access_at],
            self.counter(data),
            content_of(data, self.numbers),
            self.numbers.repeated,
            self.counted,
            None if self.total is None else total_of(*self.total.read(plain)),
            self.remarks(data, plain, received_at),
        )

    def remarkable(self, data: bytes, plain: bytes, received_at: datetime | None) -> bool:
        """Whether a telegram may show more than all others of its plan."""
        if self.status_at is not None and data[self.status_at] & ERROR_BITS:
            return True
        return bool(self.dates) and not self._dates_are_known(plain, received_at)

    def remarks(self, data: bytes, plain: bytes, received_at: datetime | None) -> tuple[Finding, ...]:
        """What a telegram shows of itself alone."""
        if not self.remarkable(data, plain, received_at):
            return self.always
        status = status_of(self.plan.plan, data, plain)
        return all_remarks(status, self._dates(plain), received_at, repeated=self.numbers.repeated)

    def _dates_are_known(self, plain: bytes, at: datetime | None) -> bool:
        """Whether these dates were in order before, or are now."""
        clock_at = self.clock_at
        if clock_at is not None and not (plain[clock_at] & 0x3F < 60 and plain[clock_at + 1] & 0x1F < 24):
            return False
        days = int.from_bytes(plain, "big") & self.date_mask
        if days == self.known:
            first, last = self.known_from, self.known_until
            if at is None or first is None or last is None:
                if at is first:
                    return True
            elif first <= at <= last:
                return True
        return self._get_to_know(days, plain, at)

    def _get_to_know(self, days: int, plain: bytes, at: datetime | None) -> bool:
        dates = self._dates(plain)
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
        self.known, self.known_from, self.known_until = days, at, until
        return True

    def _dates(self, plain: bytes) -> list[tuple[Reading, Result, bytes]]:
        return [(place.planned.reading, place.read(plain), place.data(plain)) for place in self.dates]


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
