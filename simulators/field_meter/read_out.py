"""What a field meter answers to a read-out: three telegrams of records, behind CI 72 and the long header."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from protocols.actions import table
from protocols.mbus.encode import Encodable, encode_header, encode_records
from protocols.mbus.tables import MANUFACTURER_DATA_MORE
from simulators.consumption import month_start, temperature
from simulators.field_meter.meter import FieldMeter
from simulators.field_meter.state import MeterState
from simulators.meters.model import scaled

CI_LONG_HEADER: Final = 0x72
TEMPORARY_ERROR: Final = 0x10
"""Status bit (EN 13757-7, status byte): alarms are set."""
JOIN_TIME: Final = timedelta(seconds=30)
MONTHS: Final = 12
PEAK_HOURS: Final = 168
"""The consumption repeats every week: more hours hold no higher one."""

_FABRICATION_NUMBER: Final = bytes.fromhex("0C78")
_VOLUME: Final = bytes.fromhex("0C13")
_VOLUME_FINE: Final = bytes.fromhex("0E10")
_FLOW: Final = bytes.fromhex("023B")
_FLOW_FINE: Final = bytes.fromhex("0438")
_TEMPERATURE: Final = bytes.fromhex("0259")
_DUE_DATE: Final = bytes.fromhex("426C")
_DUE_VOLUME: Final = bytes.fromhex("4C13")
_TEST_DIGITS: Final = {_VOLUME: -6, _FLOW: -6}
"""The test mode's resolution; ordinary records have three digits behind the point."""

Item: TypeAlias = tuple[bytes, Encodable]


def in_test_mode(state: MeterState, now: datetime) -> bool:
    """Tell whether the high-resolution test mode is on; it ends by itself."""
    return state.test_byte != 0 and now.timestamp() < state.test_until


def telegrams(meter: FieldMeter, state: MeterState, now: datetime, access_number: int) -> tuple[bytes, ...]:
    """Return the parts of a read-out, CI field first; all but the last say that more follow (DIF 1F)."""
    parts = (_current(meter, state, now), _settings(meter, state, now), _months(meter, now))
    status = TEMPORARY_ERROR if state.alarms else 0
    return tuple(
        bytes((CI_LONG_HEADER,))
        + meter.address.to_transport()
        + bytes(((access_number + index) & 0xFF, status, 0, 0))
        + encode_records(part)
        + (bytes((MANUFACTURER_DATA_MORE,)) if index + 1 < len(parts) else b"")
        for index, part in enumerate(parts)
    )


def peak_flow(meter: FieldMeter, state: MeterState, now: datetime) -> Decimal:
    """Return the highest flow (m3/h) of the whole hours since the peaks were reset; 0 within the first hour."""
    hours = max(0, int(now.timestamp()) - state.peaks_since) // 3600
    since = datetime.fromtimestamp(state.peaks_since, UTC)
    return max(
        (meter.counter.per_hour(since + timedelta(hours=hour)) for hour in range(max(0, hours - PEAK_HOURS), hours)),
        default=Decimal(0),
    )


def due_day(due: date, now: datetime) -> date:
    """Return the last time that the due date's day of the year came, today included."""
    for year in (now.year, now.year - 1):
        day = date(year, due.month, min(due.day, 28) if due.month == 2 else due.day)
        if day <= now.date():
            return day
    return due


def _current(meter: FieldMeter, state: MeterState, now: datetime) -> Sequence[Item]:
    volume, flow = meter.counter.at(now), meter.counter.per_hour(now)
    test = in_test_mode(state, now)
    fine = ((_VOLUME_FINE, scaled(volume, _TEST_DIGITS[_VOLUME])), (_FLOW_FINE, scaled(flow, _TEST_DIGITS[_FLOW])))
    plain = ((_VOLUME, scaled(volume, -3)), (_FLOW, scaled(flow, -3)))
    return (
        (_FABRICATION_NUMBER, meter.address.number),
        *(fine if test else plain),
        (table.PEAK_FLOW, scaled(peak_flow(meter, state, now), -3)),
        (_TEMPERATURE, temperature(meter.seed, now, Decimal(12), Decimal(2))),
        (table.CLOCK, state.meter_clock(now).replace(tzinfo=None)),
        (table.ERROR_FLAGS, state.alarms),
        (table.SELECTED_APPLICATION, state.test_byte if test else table.APPLICATION_ALL),
    )


def _settings(meter: FieldMeter, state: MeterState, now: datetime) -> Sequence[Item]:
    due = due_day(state.due_date, now)
    left = state.reconfigurations_left
    return (
        (table.CUSTOMER_NUMBER, state.customer_number),
        (table.PRIMARY_ADDRESS, state.primary_address),
        (table.PULSE_VALUE, Decimal(state.pulse_litres) / 1000),
        (table.DUE_DATE, state.due_date),
        (_DUE_DATE, due),
        (_DUE_VOLUME, scaled(meter.counter.at(datetime.combine(due, time(), UTC)), -3)),
        (table.RADIO_INTERVAL, state.radio_interval_s),
        (table.RADIO_ON, int(state.radio_on)),
        (table.RADIO_PROFILE, state.radio_profile),
        (table.LORAWAN_STATE, lorawan_state(state, now)),
        (table.INSTALLATION, int(state.installed)),
        *(() if left is None else ((table.RECONFIGURATIONS_LEFT, left),)),
    )


def lorawan_state(state: MeterState, now: datetime) -> int:
    """Return 0, or how far joining is: a simulated network accepts after half a minute."""
    if state.joining_since is None:
        return 0
    joined = now.timestamp() - state.joining_since >= JOIN_TIME.total_seconds()
    return table.JOINED if joined else table.JOINING


def _months(meter: FieldMeter, now: datetime) -> Sequence[Item]:
    items: list[Item] = []
    start = month_start(now)
    for storage in range(2, 2 + MONTHS):
        items.append((encode_header(0x02, b"\x6c", storage=storage), start.date()))
        items.append((encode_header(0x0C, b"\x13", storage=storage), scaled(meter.counter.at(start), -3)))
        start = month_start(start - timedelta(days=1))
    return items
