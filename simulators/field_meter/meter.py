"""What a field meter is: its identity, what it counts, and the state it leaves the factory with."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from protocols.model import Address
from simulators.consumption import Consumption
from simulators.field_meter.state import KEY_LENGTH, TAMPER, MeterState

MANUFACTURER: Final = "SIM"
"""No vendor's letters: the meter is nobody's product."""
NUMBER: Final = "10002345"
VERSION: Final = 0x01
WATER: Final = 0x07
_RUNNING_FOR: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class FieldMeter:
    """One meter: address, family (the name of its profile, where it has one), and its counter in m3.

    Not simulated: a display with buttons, and a metrological seal that a test mode would break.
    """

    address: Address
    family: str | None
    counter: Consumption
    seed: str


def make_meter(
    number: str = NUMBER,
    *,
    now: datetime,
    seed: int = 0,
    manufacturer: str = MANUFACTURER,
    medium_code: int = WATER,
    family: str | None = None,
) -> FieldMeter:
    """Return a made-up meter that has counted for a year; `ValueError` when number or letters do not fit."""
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"not an identification number: {number!r} (eight digits)")
    address = Address.of(manufacturer, number, VERSION, medium_code)
    rng = random.Random(f"{seed}/{number}")
    since = datetime(now.year, now.month, 1, tzinfo=now.tzinfo) - _RUNNING_FOR
    start, per_day = Decimal(rng.randint(1, 900)), Decimal(rng.randint(200, 600)) / 1000
    counter = Consumption.seeded(rng, since, start, per_day, "household")
    return FieldMeter(address, family, counter, f"{seed}/{number}")


def factory_key(meter: FieldMeter) -> bytes:
    """Return the made-up key that the meter leaves the factory with."""
    return hashlib.sha256(f"field meter key/{meter.seed}".encode()).digest()[:KEY_LENGTH]


def factory_state(meter: FieldMeter, now: datetime) -> MeterState:
    """Return the state of a meter out of its box: in transport mode, its clock a little off, opened once."""
    rng = random.Random(f"factory/{meter.seed}")
    # Ahead, not behind: to a clock behind, a certificate of this minute is not valid yet.
    offset_s = rng.randint(30, 240)
    return MeterState(
        clock_offset_s=offset_s,
        latest_seen=int(now.timestamp()) + offset_s,
        due_date=date(now.year, 12, 31),
        alarms=TAMPER,
        peaks_since=int((now - timedelta(days=30)).timestamp()),
        key=factory_key(meter),
    )
