"""What a field meter keeps over a power failure, and the same as JSON.

The key stands in the JSON in clear: it is made up, and protects nothing but a simulated meter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from protocols.actions.event_log import EventKind, LoggedEvent
from protocols.actions.parameters import Argument
from simulators.errors import SimulatorError

STATE_VERSION: Final = 1
MOST_KEPT_EVENTS: Final = 64
KEY_LENGTH: Final = 16
LEAK: Final = 0x0001
BURST: Final = 0x0002
REVERSE_FLOW: Final = 0x0004
TAMPER: Final = 0x0008
"""Bits of the error flags, the simulated meter's own."""


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
        return replace(self, events=(event, *self.events)[:MOST_KEPT_EVENTS])

    def to_document(self) -> dict[str, Any]:
        """Return the state for JSON."""
        plain: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        plain["due_date"] = self.due_date.isoformat()
        plain["key"] = None if self.key is None else self.key.hex()
        plain["lists"] = [one.hex() for one in self.lists]
        plain["events"] = [[one.at.isoformat(), int(one.kind), one.words] for one in self.events]
        return {"version": STATE_VERSION, **plain}


_NUMBERS: Final = frozenset(
    {
        *("clock_offset_s", "latest_seen", "primary_address", "pulse_litres", "radio_interval_s", "radio_profile"),
        *("alarms", "peaks_since", "key_version", "test_byte", "test_until", "failures", "locked_until"),
    }
)
_NUMBERS_OR_NONE: Final = frozenset({"joining_since", "reconfigurations_left"})
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
        except (ValueError, TypeError, IndexError, OverflowError):
            raise _bad(name) from None
    return MeterState(**values)


def _read(name: str, value: Any) -> Argument | tuple[bytes, ...] | tuple[LoggedEvent, ...] | None:  # noqa: ANN401 - JSON
    if name in _FLAGS or name in _NUMBERS or name in _NUMBERS_OR_NONE:
        wanted = bool if name in _FLAGS else int
        if type(value) is not wanted and not (value is None and name in _NUMBERS_OR_NONE):
            raise TypeError(name)
        return value
    match name:
        case "customer_number":
            return str(value)
        case "due_date":
            return date.fromisoformat(value)
        case "key":
            key = None if value is None else bytes.fromhex(value)
            if key is not None and len(key) != KEY_LENGTH:
                raise ValueError(name)
            return key
        case "lists":
            return tuple(bytes.fromhex(one) for one in value)
        case _:
            return tuple(
                LoggedEvent(datetime.fromisoformat(at).astimezone(UTC), EventKind(kind), words)
                for at, kind, words in value
            )


def _bad(name: str) -> SimulatorError:
    return SimulatorError(f"the meter's state cannot be read: {name} is not right", "delete the file to start anew")
