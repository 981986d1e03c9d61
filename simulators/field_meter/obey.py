"""What each command changes in a field meter, once the lock has let it through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from protocols.actions.commands import Command
from protocols.actions.event_log import MOST_EVENTS, encode_events
from protocols.actions.results import ResultCode
from protocols.crypto import unwrap_key
from simulators.field_meter.state import MeterState, newest

MOST_CLOCK_CHANGE: Final = timedelta(hours=24)
"""Certificates are judged by the meter's clock: who may set it must not be able to bring an old one back to life.

It also stays that near to the quartz, which nobody sets (here: the world's clock), or the certificates of others could
be made to expire.
"""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """The state afterwards, and the application bytes of an answer, if any."""

    state: MeterState
    reply: bytes = b""


class Refused(Exception):
    """The meter does not do it: code and a word more.

    `is_harmless` when an honest tool may come by it, although its code counts towards the lock-out.
    """

    def __init__(self, code: ResultCode, detail: str = "") -> None:
        super().__init__(detail or code.words)
        self.code = code
        self.detail = detail
        self.is_harmless = False


def obey(state: MeterState, command: Command, now: datetime) -> Obeyed:
    """Return what the command leaves; raises `Refused`, and then nothing was changed."""
    do = _OBEY.get(command.action)
    if do is None:
        raise Refused(ResultCode.UNKNOWN_COMMAND, command.action)
    return do(state, command, now)


def _customer_number(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, customer_number=str(command.arguments[0][1])))


def _clock(state: MeterState, command: Command, now: datetime) -> Obeyed:
    wanted = command.arguments[0][1]
    if not isinstance(wanted, datetime):
        raise Refused(ResultCode.BAD_PARAMETER)
    latest = max(state.latest_seen, int(state.meter_clock(now).timestamp()))
    behind = timedelta(seconds=latest) - timedelta(seconds=wanted.timestamp())
    if max(behind, abs(wanted - state.meter_clock(now)), abs(wanted - now)) > MOST_CLOCK_CHANGE:
        hours = int(MOST_CLOCK_CHANGE.total_seconds()) // 3600
        raise Refused(ResultCode.BAD_PARAMETER, f"the clock is set by at most {hours} hours")
    return Obeyed(replace(state, clock_offset_s=int(wanted.timestamp()) - int(now.timestamp())))


def _primary_address(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, primary_address=_number(command)))


def _start_radio(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, radio_on=True, transport_mode=False))


def _confirm_installation(state: MeterState, command: Command, now: datetime) -> Obeyed:
    if not state.radio_on:
        raise Refused(ResultCode.WRONG_STATE, "the radio has not been started")
    return Obeyed(replace(state, installed=True))


def _pulse_value(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, pulse_litres=_number(command)))


def _due_date(state: MeterState, command: Command, now: datetime) -> Obeyed:
    wanted = command.arguments[0][1]
    if not isinstance(wanted, date) or wanted < state.meter_clock(now).date():
        raise Refused(ResultCode.BAD_PARAMETER, "the due date has passed")
    return Obeyed(replace(state, due_date=wanted))


def _radio_interval(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, radio_interval_s=_number(command)))


def _radio_profile(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, radio_profile=command.data[-1]))


def _lorawan_join(state: MeterState, command: Command, now: datetime) -> Obeyed:
    if state.transport_mode:
        raise Refused(ResultCode.WRONG_STATE, "in transport mode")
    return Obeyed(replace(state, joining_since=int(now.timestamp())))


def _reset_alarms(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, alarms=0))


def _reset_peaks(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(replace(state, peaks_since=int(now.timestamp())))


def _event_log(state: MeterState, command: Command, now: datetime) -> Obeyed:
    return Obeyed(state, encode_events(newest(state.events, MOST_EVENTS)))


def _change_key(state: MeterState, command: Command, now: datetime) -> Obeyed:
    wrapped = command.arguments[0][1]
    if state.key is None:
        raise Refused(ResultCode.WRONG_STATE, "this meter holds no key")
    try:
        key = unwrap_key(wrapped if isinstance(wrapped, bytes) else b"", state.key)
    except ValueError:
        raise Refused(ResultCode.WRONG_KEY) from None
    return Obeyed(replace(state, key=key, key_version=state.key_version % 255 + 1))


def _test_mode(state: MeterState, command: Command, now: datetime) -> Obeyed:
    minutes = _number(command)
    if not minutes:
        return Obeyed(replace(state, test_byte=0, test_until=0))
    return Obeyed(replace(state, test_byte=command.data[0], test_until=int(now.timestamp()) + 60 * minutes))


def _number(command: Command) -> int:
    number = command.arguments[0][1]
    if not isinstance(number, int):
        raise Refused(ResultCode.BAD_PARAMETER)
    return number


_OBEY: Final[dict[str, Callable[[MeterState, Command, datetime], Obeyed]]] = {
    "customer-number": _customer_number,
    "clock": _clock,
    "primary-address": _primary_address,
    "start-radio": _start_radio,
    "confirm-installation": _confirm_installation,
    "pulse-value": _pulse_value,
    "due-date": _due_date,
    "radio-interval": _radio_interval,
    "radio-profile": _radio_profile,
    "lorawan-join": _lorawan_join,
    "reset-alarms": _reset_alarms,
    "reset-peaks": _reset_peaks,
    "event-log": _event_log,
    "change-key": _change_key,
    "test-mode": _test_mode,
}
