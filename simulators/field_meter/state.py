"""What a field meter keeps over a power failure, and the same as JSON.

The key stands in the JSON in clear: it is made up, and protects nothing but a simulated meter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from keystore.certificates.errors import CertificateRejected
from keystore.certificates.revocation import read_list
from protocols.actions.event_log import MOST_EVENTS, EventKind, LoggedEvent, encode_events
from simulators.errors import SimulatorError

STATE_VERSION: Final = 1
MOST_KEPT_EVENTS: Final = 64
KEY_LENGTH: Final = 16
LONGEST_CUSTOMER: Final = 20
_REFUSALS: Final = frozenset({EventKind.REFUSED, EventKind.LOCKED})
LEAK: Final = 0x0001
BURST: Final = 0x0002
REVERSE_FLOW: Final = 0x0004
TAMPER: Final = 0x0008
"""Bits of the error flags, the simulated meter's own."""


def newest(events: Sequence[LoggedEvent], most: int) -> tuple[LoggedEvent, ...]:
    """Return the newest of events that stand newest first; half of the places are for refusals, and half for the rest.

    Anybody on the line can cause refusals: they must not push out what was done.
    """
    kept = list(events)
    while len(kept) > most:
        refused = [one.kind in _REFUSALS for one in kept]
        drops = sum(refused) > most // 2
        kept.pop(max(place for place, is_refusal in enumerate(refused) if is_refusal is drops))
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class MeterState:
    """Everything that a command can change, and what the lock remembers.

    Times are seconds since 1970: `peaks_since`, `test_until` and `joining_since` by the world's clock, `latest_seen` by
    the meter's own, which is the world's plus `clock_offset_s`. `reconfigurations_left` is None in a meter without such
    a counter, `key` None in one without a key. `test_byte` is the application that was selected, 0 for none. `lists`
    are the newest revocation lists (DER), one an issuer; `events` the log, the newest first.
    """

    customer_number: str = ""
    clock_offset_s: int = 0
    latest_seen: int = 0
    primary_address: int = 0
    transport_mode: bool = True
    radio_on: bool = False
    installed: bool = False
    pulse_litres: int = 1
    due_date: date = date(2026, 12, 31)
    radio_interval_s: int = 16
    radio_profile: int = 1
    joining_since: int | None = None
    alarms: int = 0
    peaks_since: int = 0
    key: bytes | None = field(default=None, repr=False)
    key_version: int = 1
    reconfigurations_left: int | None = 20
    test_byte: int = 0
    test_until: int = 0
    failures: int = 0
    locked_until: int = 0
    lists: tuple[bytes, ...] = field(default=(), repr=False)
    events: tuple[LoggedEvent, ...] = field(default=(), repr=False)

    def meter_clock(self, now: datetime) -> datetime:
        """Return what the meter's own clock shows (aware UTC, whole seconds)."""
        return datetime.fromtimestamp(int(now.timestamp()) + self.clock_offset_s, UTC)

    def logged(self, now: datetime, kind: EventKind, words: str) -> MeterState:
        """Return the state with one more event; the oldest are forgotten."""
        event = LoggedEvent(self.meter_clock(now), kind, words[:80])
        return replace(self, events=newest((event, *self.events), MOST_KEPT_EVENTS))

    def to_document(self) -> dict[str, Any]:
        """Return the state for JSON."""
        plain: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        plain["due_date"] = self.due_date.isoformat()
        plain["key"] = None if self.key is None else self.key.hex()
        plain["lists"] = [one.hex() for one in self.lists]
        plain["events"] = [[one.at.isoformat(), int(one.kind), one.words] for one in self.events]
        return {"version": STATE_VERSION, **plain}


_MOMENT: Final = range(1 << 32)
_MOST_OFFSET_S: Final = 366 * 86400
"""Of a meter's clock: beyond the years of its records it could not be told."""
_NUMBERS: Final[dict[str, range]] = {
    "clock_offset_s": range(-_MOST_OFFSET_S, _MOST_OFFSET_S + 1),
    "latest_seen": _MOMENT,
    "primary_address": range(251),
    "pulse_litres": range(1, 10_001),
    "radio_interval_s": range(2, 86_401),
    "radio_profile": range(1, 4),
    "joining_since": _MOMENT,
    "alarms": range(1 << 15),
    "peaks_since": _MOMENT,
    "key_version": range(256),
    "reconfigurations_left": range(128),
    "test_byte": range(256),
    "test_until": _MOMENT,
    "failures": range(256),
    "locked_until": _MOMENT,
}
"""What fits the records and messages that they are told in."""
_OR_NONE: Final = frozenset({"joining_since", "reconfigurations_left"})
_FLAGS: Final = frozenset({"transport_mode", "radio_on", "installed"})


def state_of(document: object) -> MeterState:
    """Return the state that `to_document` wrote; `SimulatorError` names the entry that is not right."""
    if not isinstance(document, dict) or document.get("version") != STATE_VERSION:
        raise _bad("version")
    given = {name: value for name, value in document.items() if name != "version"}
    odd = given.keys() ^ {one.name for one in fields(MeterState)}
    if odd:
        raise _bad(min(map(str, odd)))
    values: dict[str, Any] = {}
    for name, value in given.items():
        try:
            values[name] = _read(name, value)
        except (ValueError, TypeError, AttributeError, OverflowError, CertificateRejected):
            raise _bad(name) from None
    return MeterState(**values)


def _read(name: str, value: Any) -> object:  # noqa: ANN401 - whatever JSON holds
    if value is None and name in _OR_NONE:
        return None
    if name in _NUMBERS:
        if type(value) is not int or value not in _NUMBERS[name]:
            raise ValueError(name)
        return value
    if name in _FLAGS:
        if type(value) is not bool:
            raise TypeError(name)
        return value
    return _READERS[name](value)


def _read_customer(value: str) -> str:
    if len(value) > LONGEST_CUSTOMER or not (value.isascii() and value.isprintable()):
        raise ValueError("no customer number")
    return value


def _read_key(value: str | None) -> bytes | None:
    key = None if value is None else bytes.fromhex(value)
    if key is not None and len(key) != KEY_LENGTH:
        raise ValueError("no key")
    return key


def _read_lists(value: list[str]) -> tuple[bytes, ...]:
    return tuple(read_list(bytes.fromhex(one)).data for one in value)


def _read_events(value: list[tuple[str, int, str]]) -> tuple[LoggedEvent, ...]:
    events = tuple(LoggedEvent(datetime.fromisoformat(at), EventKind(kind), words) for at, kind, words in value)
    for at in range(0, len(events), MOST_EVENTS):
        # What cannot be told in an answer has no place in the log.
        encode_events(events[at : at + MOST_EVENTS])
    return events[:MOST_KEPT_EVENTS]


_READERS: Final[dict[str, Callable[[Any], object]]] = {
    "customer_number": _read_customer,
    "due_date": date.fromisoformat,
    "key": _read_key,
    "lists": _read_lists,
    "events": _read_events,
}


def _bad(name: str) -> SimulatorError:
    return SimulatorError(f"the meter's state cannot be read: {name} is not right", "delete the file to start again")
