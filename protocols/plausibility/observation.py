"""What is kept of a telegram to judge the next one of the same meter by.

`Observation`, `Lane` and `Counted` are tuples: they are immutable values like all others here, and made anew for every
telegram, in a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from protocols.mbus.values import Result
from protocols.model import (
    Address,
    Finding,
    Function,
    Layer,
    Outcome,
    Quality,
    Reading,
    Security,
    Status,
    Telegram,
    Value,
)
from protocols.plausibility.limits import COUNTERS, Counter
from protocols.plausibility.remarks import (
    DATE_QUANTITIES,
    REPEATED,
    date_remark,
    error_remark,
    is_clock,
)
from protocols.wmbus.ell import ENCRYPTION_NONE, PAYLOAD_CRC_SIZE, ExtendedLinkLayer
from protocols.wmbus.link import LinkLayer
from protocols.wmbus.transport import TransportLayer

CC_HOP = 0x10
"""Bit H of the extended link layer's CC field."""

CONFIGURATION_HOP = 0x01
"""Bit H of the configuration word of modes 0 and 5."""

_MODES_WITH_HOP = frozenset({0, 5})
_CC_SIZE = 2
"""CI and CC of the extended link layer; what a repeater changes of it ends here."""

SN_SIZE = 4
_SN_BEFORE_END = SN_SIZE + PAYLOAD_CRC_SIZE
SESSION_TIME = 0x1FFFFFF
_CONFIGURATION_SIZE = 2
_GOOD = Quality.GOOD
_JUDGED = frozenset({Outcome.OK, Outcome.NO_KEY, Outcome.UNSUPPORTED})


class Lane(NamedTuple):
    """One run of numbers of a meter: those of one protection under one key.

    `unique` says that a number of `Observation.counter` belongs to one message alone, as message counters do; many
    telegrams share the minute of an extended link layer's session.
    """

    protection: str
    key_check_value: str | None
    unique: bool = False


class Counted(NamedTuple):
    """Which total a meter is watched by: its reading's name and unit, and what is plausible for it."""

    name: str
    unit: str
    medium: str
    counter: Counter


class Observation(NamedTuple):
    """One telegram: who, under which numbers, what its total was, and what it shows of itself alone.

    `sender` is the link-layer address where that is another, of a radio adapter: it has numbers of its own, and what
    it sends may be older than what the meter sends itself. `at` is when it was heard, aware, None when that is not
    known. `counter` is a message counter or the minute of a session. `content` are the bytes that a repeater does not
    change.
    """

    meter: Address
    sender: Address | None
    lane: Lane
    at: datetime | None
    access_number: int | None
    counter: int | None
    content: bytes
    repeated: bool
    counted: Counted | None
    total: Decimal | int | None
    remarks: tuple[Finding, ...] = ()


def observe(telegram: Telegram, heard_at: datetime | None = None) -> Observation | None:
    """Return what to keep of a telegram; None where nothing can be held against it: no address, damaged, a wrong key.

    `heard_at` stands in for the receive time where a capture tells only how far apart its telegrams are.
    """
    meter, security = telegram.meter, telegram.security
    if meter is None or telegram.outcome not in _JUDGED:
        return None
    numbers = numbers_of(telegram.layers)
    index = counted_reading(telegram.readings)
    reading = None if index is None else telegram.readings[index]
    return Observation(
        meter,
        telegram.link_address,
        lane_of(security),
        telegram.frame.at or heard_at,
        None if security is None else security.access_number,
        _counter(telegram, numbers),
        content_of(telegram.data, numbers),
        numbers.repeated,
        None if reading is None else counted_of(reading, meter),
        None if reading is None else total_of(reading.value, reading.quality),
        _remarks(telegram, repeated=numbers.repeated),
    )


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where a telegram's numbers lie; `session_at` only where the extended link layer encrypts."""

    content_at: int
    repeated: bool
    session_at: int | None = None
    hop_at: int | None = None


def numbers_of(layers: Sequence[Layer]) -> Numbers:
    """Where the numbers of a telegram with these layers lie."""
    ell = next((layer for layer in layers if isinstance(layer, ExtendedLinkLayer)), None)
    if ell is not None:
        encrypts = ell.encryption != ENCRYPTION_NONE
        return Numbers(ell.start + _CC_SIZE, bool(ell.cc & CC_HOP), ell.end - _SN_BEFORE_END if encrypts else None)
    content_at = next((layer.start for layer in layers if not isinstance(layer, LinkLayer)), 0)
    transport = next((layer for layer in layers if isinstance(layer, TransportLayer)), None)
    if transport is None or transport.configuration is None or transport.security_mode not in _MODES_WITH_HOP:
        return Numbers(content_at, repeated=False)
    # In these modes nothing stands behind the configuration word.
    repeated = bool(transport.configuration & CONFIGURATION_HOP)
    return Numbers(content_at, repeated, hop_at=transport.end - _CONFIGURATION_SIZE)


def content_of(data: bytes, numbers: Numbers) -> bytes:
    """The bytes that a repeater does not change."""
    if not numbers.repeated or numbers.hop_at is None:
        return data[numbers.content_at :]
    cleared = bytes((data[numbers.hop_at] & ~CONFIGURATION_HOP & 0xFF,))
    return data[numbers.content_at : numbers.hop_at] + cleared + data[numbers.hop_at + 1 :]


def lane_of(security: Security | None) -> Lane:
    """The run of numbers that a telegram belongs to."""
    if security is None:
        return Lane("none", None)
    return Lane(security.name, security.key_check_value, security.message_counter is not None)


def _counter(telegram: Telegram, numbers: Numbers) -> int | None:
    if telegram.security is not None and telegram.security.message_counter is not None:
        return telegram.security.message_counter
    if numbers.session_at is None:
        return None
    number = int.from_bytes(telegram.data[numbers.session_at : numbers.session_at + SN_SIZE], "little")
    return number >> 4 & SESSION_TIME


def counted_reading(readings: Sequence[Reading]) -> int | None:
    """The first reading that is a total; its value does not matter, so that all telegrams of a layout agree."""
    for index, reading in enumerate(readings):
        if (
            (reading.quantity, reading.unit) in COUNTERS
            and not (reading.storage or reading.tariff or reading.subunit)
            and reading.function is Function.INSTANTANEOUS
            and (reading.name == reading.quantity or (reading.name.startswith("total_") and "_net" not in reading.name))
        ):
            return index
    return None


def counted_of(reading: Reading, meter: Address) -> Counted:
    """What a reading that is a total is watched by."""
    return Counted(reading.name, reading.unit, meter.medium, COUNTERS[reading.quantity, reading.unit])


def total_of(value: Value, quality: Quality) -> Decimal | int | None:
    """A total that can be compared, None where the meter gives none."""
    return value if quality is _GOOD and isinstance(value, Decimal | int) else None


def _remarks(telegram: Telegram, *, repeated: bool) -> tuple[Finding, ...]:
    data = {record.index: record.data for record in telegram.records}
    dates = [
        (
            reading,
            (reading.value, reading.quality),
            data.get(reading.record, b"") if reading.record is not None else b"",
        )
        for reading in telegram.readings
        if reading.quantity in DATE_QUANTITIES
    ]
    return all_remarks(telegram.status if telegram.ok else None, dates, telegram.frame.at, repeated=repeated)


def all_remarks(
    status: Status | None,
    dates: Iterable[tuple[Reading, Result, bytes]],
    received_at: datetime | None,
    *,
    repeated: bool,
) -> tuple[Finding, ...]:
    """Everything that one telegram shows alone; `dates` are readings with value, quality and bytes of their records."""
    found = [REPEATED] if repeated else []
    error = None if status is None else error_remark(status)
    if error is not None:
        found.append(error)
    for reading, (value, quality), data in dates:
        remark = date_remark(reading.name, value, quality, data, received_at, clock=is_clock(reading))
        if remark is not None:
            found.append(remark)
    return tuple(found)
