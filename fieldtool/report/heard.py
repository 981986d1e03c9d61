"""What was heard of each meter, over captures of several days and receivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

from fieldtool.pipeline.installation import asks_to_be_installed
from fieldtool.pipeline.main_reading import main_reading
from fieldtool.pipeline.reception import Sender, sender_of
from fieldtool.report.reception import Air, Log, Reception
from keystore.matching import normal_number
from protocols.learned import Sighting
from protocols.model import Finding, FindingKind, Outcome, RawFrame, Telegram
from protocols.plans import Plan
from protocols.plausibility import with_findings
from protocols.plausibility.observation import Numbers, content_of, numbers_of
from protocols.wmbus.control import DOWNLINK

_FROM_SERVERS: Final = frozenset({"JoinAccept", "UnconfirmedDataDown", "ConfirmedDataDown"})
"""Messages to LoRaWAN devices."""

_LORAWAN_COUNTERS: Final = 1 << 16

BESIDE: Final = timedelta(hours=1)
"""Telegrams of a meter for somebody else come between those that are read; an hour without the latter is a change."""

_TOTALS: Final = frozenset({"volume", "energy", "hca_units", "mass"})


class _Weight(IntEnum):
    """How much a telegram tells of how it stands with its meter; one that tells less counts while there is no other."""

    DAMAGED = 0
    NO_READINGS = 1
    DOUBTED = 2
    UNSUPPORTED = 3
    TELLS = 4


_WEIGHTS: Final = {Outcome.DAMAGED: _Weight.DAMAGED, Outcome.UNSUPPORTED: _Weight.UNSUPPORTED}


class _Worth(IntEnum):
    """Which telegrams readings are taken from, while there are such."""

    DOUBTED = 0
    READINGS = 1
    TOTAL = 2


@dataclass(frozen=True, slots=True)
class HeardMeter:
    """The telegrams of one meter; `newest` is the one that tells how it stands, `read` the last with the main reading.

    `names` are the numbers, in normal form, and EUIs that are its own, `adapters` those of who sends for it.
    `not_read` counts telegrams by what became of them, `findings` by what is not plausible.
    """

    newest: Telegram
    read: Telegram | None
    telegrams: int
    first_at: datetime | None
    last_at: datetime | None
    best_rssi_dbm: int | None
    names: frozenset[str]
    adapters: frozenset[str]
    manufacturers: frozenset[str]
    not_read: tuple[tuple[Outcome, int], ...]
    findings: tuple[tuple[FindingKind, int], ...]
    installation_request: str
    reception: Reception


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all telegrams of a plan have in common; it keeps the plan, so that its identity stays its own."""

    plan: Plan
    numbers: Numbers
    has_total: bool
    message: str

    @classmethod
    def of(cls, plan: Plan) -> _Kind:
        template = plan.template
        return cls(plan, numbers_of(template.layers), _has_total(template), template.message or "")


class _Seen(NamedTuple):
    """A telegram in full, or what a plan read of it, with what was found implausible and how much it tells."""

    what: Telegram | Sighting
    findings: tuple[Finding, ...]
    weight: _Weight
    worth: _Worth | None

    @classmethod
    def of(cls, what: Telegram | Sighting, findings: tuple[Finding, ...], *, has_total: bool) -> _Seen:
        """Weigh it; `worth` is None where it has no readings."""
        outcome = what.outcome
        # Somebody else may have sent what was sent before.
        doubted = bool(findings) and any(finding.kind is FindingKind.POSSIBLE_REPLAY for finding in findings)
        if outcome is not Outcome.OK:
            weight = _WEIGHTS.get(outcome, _Weight.TELLS)
            return cls(what, findings, min(weight, _Weight.DOUBTED) if doubted else weight, None)
        if not has_total and not _has_readings(what):
            return cls(what, findings, _Weight.NO_READINGS, None)
        if doubted:
            return cls(what, findings, _Weight.DOUBTED, _Worth.DOUBTED)
        return cls(what, findings, _Weight.TELLS, _Worth.TOTAL if has_total else _Worth.READINGS)

    @property
    def protection(self) -> str:
        """How it was protected, by name."""
        what = self.what
        security = what.plan.plan.template.security if isinstance(what, Sighting) else what.security
        return "" if security is None else security.name

    def is_later(self, than: _Seen) -> bool:
        """Whether it is the newer one; without times, the one that is read later is."""
        at, before = self.what.frame.at, than.what.frame.at
        return at is None or before is None or at >= before

    def is_worth_more(self, than: _Seen) -> bool:
        """Whether readings are rather taken from this one."""
        if self.worth is None or than.worth is None:
            return than.worth is None
        return self.worth > than.worth or (self.worth == than.worth and self.is_later(than))


@dataclass(slots=True)
class _Meter:
    newest: _Seen
    read: _Seen | None = None
    telegrams: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    best_rssi_dbm: int | None = None
    names: set[str] = field(default_factory=set)
    adapters: set[str] = field(default_factory=set)
    manufacturers: set[str] = field(default_factory=set)
    not_read: Counter[Outcome] = field(default_factory=Counter)
    findings: Counter[FindingKind] = field(default_factory=Counter)
    installation_request: str = ""
    log: Log = field(default_factory=Log.empty)
    read_under: set[str] = field(default_factory=set)
    first_failed: dict[str, _Seen] = field(default_factory=dict)

    def add(self, seen: _Seen) -> None:
        frame, outcome = seen.what.frame, seen.what.outcome
        self.telegrams += 1
        if frame.at is not None:
            self.first_at = frame.at if self.first_at is None else min(self.first_at, frame.at)
            self.last_at = frame.at if self.last_at is None else max(self.last_at, frame.at)
        if frame.rssi_dbm is not None:
            best = self.best_rssi_dbm
            self.best_rssi_dbm = frame.rssi_dbm if best is None else max(frame.rssi_dbm, best)
            self.log.strength(frame.rssi_dbm)
        if outcome is not Outcome.OK:
            self.not_read[outcome] += 1
            if seen.weight is _Weight.TELLS:
                self.first_failed.setdefault(seen.protection, seen)
        elif seen.worth is _Worth.TOTAL and seen.protection not in self.read_under:
            self.read_under.add(seen.protection)
        if seen.worth is not None and (self.read is None or seen.is_worth_more(self.read)):
            self.read = seen
        for finding in seen.findings:
            self.findings[finding.kind] += 1
        before, after = self.newest.weight, seen.weight
        if after > before or (after == before and seen.is_later(self.newest)):
            self.newest = seen

    @property
    def standing(self) -> _Seen:
        """The telegram that tells how it stands: the newest, but for one of a kind that was never read.

        Some meters send telegrams for others in between, under keys or in modes of their own. A meter that has changed
        to such a mode is none of them: it sends no more of what was read before.
        """
        newest, read = self.newest, self.read
        first = self.first_failed.get(newest.protection)
        if (
            first is None
            or read is None
            or newest.what.outcome is Outcome.OK
            or newest.weight is not _Weight.TELLS
            or read.worth is not _Worth.TOTAL
            or newest.protection in self.read_under
        ):
            return newest
        at, read_at, failed_at = newest.what.frame.at, read.what.frame.at, first.what.frame.at
        if at is None or read_at is None or failed_at is None:
            return newest
        return read if failed_at < read_at and at - read_at < BESIDE else newest

    def name(self, telegram: Telegram) -> None:
        for address in (telegram.meter, telegram.identity):
            if address is not None:
                self.names.add(address.number)
                self.manufacturers.add(address.manufacturer)
        if telegram.link_address is not None:
            self.adapters.add(telegram.link_address.number)
            self.manufacturers.add(telegram.link_address.manufacturer)
        if telegram.printed_number is not None:
            self.names.add(normal_number(telegram.printed_number))


class HeardMeters:
    """All meters that were heard, and the `air` that they were heard on.

    `without_address` counts telegrams whose sender cannot be read, `to_meters` those that a gateway or a server sent.
    """

    def __init__(self) -> None:
        self._meters: dict[Sender, _Meter] = {}
        self._kinds: dict[int, _Kind] = {}
        self.air = Air()
        self.telegrams = 0
        self.without_address = 0
        self.to_meters = 0

    def add(self, seen: Telegram | Sighting, findings: tuple[Finding, ...], heard_at: datetime | None = None) -> None:
        """Take one telegram in, in any order of time; `heard_at` stands in for a receive time that is not known."""
        self.telegrams += 1
        at = seen.frame.at or heard_at
        at_s = None if at is None else at.timestamp()
        if at_s is not None:
            self.air.add(at_s)
        kind = self._kind(seen.plan.plan) if isinstance(seen, Sighting) else None
        message = seen.message or "" if isinstance(seen, Telegram) else "" if kind is None else kind.message
        if message in DOWNLINK or message in _FROM_SERVERS:
            self.to_meters += 1
            return
        sender = seen.plan.meter if isinstance(seen, Sighting) else sender_of(seen)
        if sender is None:
            self.without_address += 1
            return
        one = _Seen.of(seen, findings, has_total=kind.has_total if kind is not None else _total_in(seen))
        meter = self._meters.get(sender)
        if meter is None:
            meter = self._meters[sender] = _Meter(one)
        if isinstance(sender, str):
            meter.names.add(sender)
        if isinstance(seen, Telegram):
            meter.name(seen)
        if asks_to_be_installed(message, seen.outcome):
            meter.installation_request = message
        meter.add(one)
        if seen.outcome is not Outcome.DAMAGED:
            _log(meter.log, seen, at_s, kind)

    def settled(self, decode: Callable[[RawFrame], Telegram]) -> Iterator[HeardMeter]:
        """Yield the meters in the order in which they were first heard, with their newest telegrams decoded in full."""

        def in_full(seen: _Seen) -> Telegram:
            what = seen.what
            telegram = decode(what.frame) if isinstance(what, Sighting) else what
            return with_findings(telegram, seen.findings)

        for meter in self._meters.values():
            standing = meter.standing
            newest = in_full(standing)
            read = newest if meter.read is standing else None if meter.read is None else in_full(meter.read)
            for telegram in filter(None, (newest, read)):
                meter.name(telegram)
            yield HeardMeter(
                newest,
                read,
                meter.telegrams,
                meter.first_at,
                meter.last_at,
                meter.best_rssi_dbm,
                frozenset(meter.names),
                frozenset(meter.adapters),
                frozenset(meter.manufacturers),
                tuple(meter.not_read.most_common()),
                tuple(meter.findings.most_common()),
                meter.installation_request,
                meter.log.reception(self.air),
            )

    def _kind(self, plan: Plan) -> _Kind:
        kind = self._kinds.get(id(plan))
        if kind is None:
            kind = self._kinds[id(plan)] = _Kind.of(plan)
        return kind


def _log(log: Log, seen: Telegram | Sighting, at_s: float | None, kind: _Kind | None) -> None:
    if isinstance(seen, Sighting):
        number = seen.access_number
        content = seen.data if kind is None else content_of(seen.data, kind.numbers)
    elif seen.lorawan is not None:
        log.modulus = _LORAWAN_COUNTERS
        number, content = seen.lorawan.fcnt, seen.data or seen.frame.data
    else:
        number = None if seen.security is None else seen.security.access_number
        content = content_of(seen.data, numbers_of(seen.layers))
    log.add(at_s, content, number)


def _has_readings(seen: Telegram | Sighting) -> bool:
    return bool(seen.plan.plan.recipe.readings if isinstance(seen, Sighting) else seen.readings)


def _total_in(seen: Telegram | Sighting) -> bool:
    return isinstance(seen, Telegram) and _has_total(seen)


def _has_total(telegram: Telegram) -> bool:
    """Whether the main reading of a telegram is one that is counted."""
    reading = main_reading(telegram)
    return reading is not None and reading.quantity in _TOTALS
