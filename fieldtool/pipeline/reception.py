"""What has been heard: one row a meter, counters, and the newest telegrams; written by one thread, read by many."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias

from fieldtool.pipeline.installation import asks_to_be_installed
from fieldtool.pipeline.main_reading import alarms, main_reading
from protocols.model import Address, Outcome, Reading, Telegram

HISTORY_SIZE = 5_000
"""Telegrams kept over all meters, besides the newest of each: some 40 MB, however long the day is.

With ten times as many, Python's search for unused objects would hold the screens up for a second.
"""

METER_HISTORY_SIZE = 64
"""Telegrams kept of each meter."""

DUPLICATE_WINDOW = timedelta(seconds=10)
"""The same bytes again within this time were heard twice, unless they are read now; later, the meter repeats itself."""


Sender: TypeAlias = Address | str | None
"""Who sends: a meter by its address, a LoRaWAN device by its DevEUI or else DevAddr; None when it cannot be read."""


def sender_of(telegram: Telegram) -> Sender:
    """Return what the telegrams of one meter have in common.

    A LoRaWAN device keeps its DevEUI over joins, whatever meters' telegrams it carries.
    """
    if telegram.lorawan is not None and telegram.lorawan.device is not None:
        return telegram.lorawan.device
    return telegram.meter


LabelOf: TypeAlias = Callable[[Sequence[str], str | None], str | None]
"""Gives the label of a meter, from the numbers that it is heard under and its maker; None when it is not filed."""


def not_filed(names: Sequence[str], manufacturer: str | None) -> None:
    """Know no meter."""


@dataclass(frozen=True, slots=True)
class MeterRow:
    """What is known of one meter, or of all frames without a readable address (`sender` is None).

    `address` is None for a LoRaWAN device that carries no meter's telegrams; `medium` is then what its profile says.
    `number` is what a person finds on the meter, `version` and `medium` are the meter's own: they differ from those of
    `address` where a maker orders the address bytes in a way of its own.

    `outcome`, `problem`, `profile` and `alarms` are those of the newest telegram; `main_reading` is that of the
    newest telegram that had one, so that a damaged frame does not wipe the reading off the screen. `label` is what its
    owner calls the meter, as it was filed: empty where it has no label, None where the meter is not filed.
    `asked_at` is when it last asked to be installed.
    """

    sender: Sender
    address: Address | None
    number: str | None
    version: int | None
    link_address: Address | None
    medium: str | None
    telegrams: int
    first_at: datetime
    last_at: datetime
    rssi_dbm: int | None
    mode: str | None
    outcome: Outcome
    problem: str | None
    profile: str | None
    main_reading: Reading | None
    alarms: tuple[str, ...]
    last: Telegram
    by_outcome: Mapping[Outcome, int]
    label: str | None = None
    asked_at: datetime | None = None

    @property
    def key_check_value(self) -> str | None:
        """The check value of the key that fitted the newest telegram."""
        return self.last.security.key_check_value if self.last.security is not None else None


@dataclass(frozen=True, slots=True)
class Counters:
    """Sums since the start; `received` is `shown` + every other outcome + `duplicates`.

    `dropped` are frames that came too fast, `unusable` what receivers handed over and is no frame: not `received`.
    """

    received: int = 0
    shown: int = 0
    damaged: int = 0
    no_key: int = 0
    wrong_key: int = 0
    unsupported: int = 0
    not_permitted: int = 0
    duplicates: int = 0
    dropped: int = 0
    unusable: int = 0
    no_address: int = 0


@dataclass(slots=True)
class _Meter:
    """The state of one meter; it never leaves `Reception`.

    `among_newest` is how many of its telegrams are among the newest of all meters.
    """

    first_at: datetime
    last_at: datetime
    telegrams: int = 0
    main: Reading | None = None
    address: Address | None = None
    identity: Address | None = None
    printed_number: str | None = None
    medium: str | None = None
    by_outcome: Counter[Outcome] = field(default_factory=Counter)
    recent: deque[tuple[datetime, Telegram]] = field(default_factory=deque)
    among_newest: int = 0
    label: str | None = None
    asked_at: datetime | None = None


_COUNTER_OF_OUTCOME: dict[Outcome, str] = {
    Outcome.OK: "shown",
    Outcome.NO_KEY: "no_key",
    Outcome.WRONG_KEY: "wrong_key",
    Outcome.NOT_PERMITTED: "not_permitted",
    Outcome.UNSUPPORTED: "unsupported",
    Outcome.DAMAGED: "damaged",
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Reception:
    """Collects telegrams into rows, counters and what was heard last of each meter.

    One thread calls `accept` and `add_lost`; any thread reads. `version` grows with every change: who draws
    compares it and leaves at once when it is the one drawn last. `now` gives the time of telegrams that carry none.
    """

    def __init__(
        self,
        history_size: int = HISTORY_SIZE,
        meter_history_size: int = METER_HISTORY_SIZE,
        now: Callable[[], datetime] = _utc_now,
        label_of: LabelOf = not_filed,
    ) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._label_of = label_of
        self._meter_history_size = meter_history_size
        self._meters: dict[Sender, _Meter] = {}
        self._rows: dict[Sender, MeterRow] = {}
        self._history_size = history_size
        self._newest: deque[_Meter] = deque()
        self._counters = Counters()
        self._version = 0

    def accept(self, telegram: Telegram) -> bool:
        """Take one telegram in; False when it is a duplicate, which updates only its row's time and strength."""
        at = telegram.frame.at or self._now()
        with self._lock:
            self._version += 1
            sender = sender_of(telegram)
            meter = self._meters.get(sender)
            if meter is None:
                meter = _Meter(first_at=at, last_at=at, recent=deque(maxlen=self._meter_history_size))
                self._meters[sender] = meter
            meter.last_at = max(meter.last_at, at)
            if _is_duplicate(telegram, at, meter.recent):
                self._count("received", "duplicates")
                self._rows[sender] = replace(
                    self._rows[sender], last_at=meter.last_at, rssi_dbm=telegram.frame.rssi_dbm
                )
                return False
            self._count("received", _COUNTER_OF_OUTCOME[telegram.outcome])
            if sender is None:
                self._count("no_address")
            meter.telegrams += 1
            meter.by_outcome[telegram.outcome] += 1
            meter.main = main_reading(telegram) or meter.main
            meter.address = telegram.meter or meter.address
            meter.identity = telegram.identity or meter.identity
            meter.printed_number = telegram.printed_number or meter.printed_number
            meter.medium = _medium(telegram, meter.identity) or meter.medium
            meter.recent.append((at, telegram))
            self._forget_old(meter)
            if asks_to_be_installed(telegram.message, telegram.outcome):
                meter.asked_at = at
            if sender not in self._rows:
                meter.label = self._label_of(*_names(telegram, sender))
            self._rows[sender] = _row(telegram, sender, meter)
            return True

    def add_lost(self, dropped: int, unusable: int = 0) -> None:
        """Count frames that a full queue had to let go, and what receivers handed over that is no frame."""
        if dropped or unusable:
            with self._lock:
                self._version += 1
                before = self._counters
                self._counters = replace(before, dropped=before.dropped + dropped, unusable=before.unusable + unusable)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    @property
    def counters(self) -> Counters:
        """The sums since the start."""
        with self._lock:
            return self._counters

    def rows(self) -> list[MeterRow]:
        """Return one row a meter in the order in which they were first heard."""
        with self._lock:
            return list(self._rows.values())

    def row(self, sender: Sender) -> MeterRow | None:
        """Return the row of one meter, None when it was never heard."""
        with self._lock:
            return self._rows.get(sender)

    def telegrams(self, sender: Sender) -> tuple[Telegram, ...]:
        """Return the newest telegrams of one meter, oldest first."""
        with self._lock:
            meter = self._meters.get(sender)
            return tuple(telegram for _, telegram in meter.recent) if meter is not None else ()

    def _forget_old(self, meter: _Meter) -> None:
        """Count a telegram of a meter in; that which is now too old of all goes, unless its meter has no newer one."""
        meter.among_newest += 1
        self._newest.append(meter)
        if len(self._newest) > self._history_size:
            oldest = self._newest.popleft()
            oldest.among_newest -= 1
            while len(oldest.recent) > max(1, oldest.among_newest):
                oldest.recent.popleft()

    def _count(self, *names: str) -> None:
        self._counters = replace(self._counters, **{name: getattr(self._counters, name) + 1 for name in names})


def _names(telegram: Telegram, sender: Sender) -> tuple[list[str], str | None]:
    """What a meter may be filed under, the most telling first, and its maker."""
    addresses = [one for one in (telegram.identity, telegram.meter, telegram.link_address) if one is not None]
    device = sender if isinstance(sender, str) else None
    names = (device, telegram.printed_number, *(one.number for one in addresses))
    return [name for name in names if name], addresses[0].manufacturer if addresses else None


def _medium(telegram: Telegram, identity: Address | None) -> str | None:
    if telegram.meter is not None:
        return (identity or telegram.meter).medium
    return None if telegram.lorawan is None else telegram.lorawan.medium


def _row(telegram: Telegram, sender: Sender, meter: _Meter) -> MeterRow:
    own = meter.identity or meter.address
    return MeterRow(
        sender=sender,
        address=meter.address,
        number=meter.printed_number or (own.number if own is not None else None),
        version=own.version if own is not None else None,
        link_address=telegram.link_address,
        medium=meter.medium,
        telegrams=meter.telegrams,
        first_at=meter.first_at,
        last_at=meter.last_at,
        rssi_dbm=telegram.frame.rssi_dbm,
        mode=telegram.frame.mode,
        outcome=telegram.outcome,
        problem=telegram.problem,
        profile=telegram.profile,
        main_reading=meter.main,
        alarms=alarms(telegram),
        last=telegram,
        by_outcome=MappingProxyType(dict(meter.by_outcome)),
        label=meter.label,
        asked_at=meter.asked_at,
    )


def _is_duplicate(telegram: Telegram, at: datetime, recent: Iterable[tuple[datetime, Telegram]]) -> bool:
    return any(
        earlier.data == telegram.data and (earlier.ok or not telegram.ok) and abs(at - earlier_at) <= DUPLICATE_WINDOW
        for earlier_at, earlier in recent
    )
