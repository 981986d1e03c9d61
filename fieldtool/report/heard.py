"""What was heard of each meter, over captures of several days and receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fieldtool.pipeline.reception import Sender, sender_of
from keystore.matching import normal_number
from protocols.learned import Sighting
from protocols.model import Finding, Outcome, RawFrame, Telegram
from protocols.plausibility import with_findings

_SAYS_LITTLE: Final = {Outcome.DAMAGED: 0, Outcome.UNSUPPORTED: 1}
"""Outcomes that do not tell how it stands with a meter while there are telegrams that do."""

_SAYS_MUCH: Final = 2


@dataclass(frozen=True, slots=True)
class HeardMeter:
    """The telegrams of one meter; `newest` is the one that tells how it stands, `read` the last that was read.

    `names` are all numbers, in normal form, and EUIs that its telegrams came under.
    """

    newest: Telegram
    read: Telegram | None
    telegrams: int
    first_at: datetime | None
    last_at: datetime | None
    best_rssi_dbm: int | None
    names: frozenset[str]
    manufacturers: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A telegram in full, or what a plan read of it, and what was found implausible."""

    what: Telegram | Sighting
    findings: tuple[Finding, ...]

    @property
    def weight(self) -> int:
        return _SAYS_LITTLE.get(self.what.outcome, _SAYS_MUCH)

    def is_later(self, than: _Seen | None) -> bool:
        """Whether it is the newer one; without times, the one that is read later is."""
        at, before = self.what.frame.at, None if than is None else than.what.frame.at
        return at is None or before is None or at >= before


@dataclass(slots=True)
class _Meter:
    newest: _Seen
    read: _Seen | None = None
    telegrams: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    best_rssi_dbm: int | None = None
    names: set[str] = field(default_factory=set)
    manufacturers: set[str] = field(default_factory=set)

    def add(self, seen: _Seen) -> None:
        frame = seen.what.frame
        self.telegrams += 1
        if frame.at is not None:
            self.first_at = frame.at if self.first_at is None else min(self.first_at, frame.at)
            self.last_at = frame.at if self.last_at is None else max(self.last_at, frame.at)
        if frame.rssi_dbm is not None:
            best = self.best_rssi_dbm
            self.best_rssi_dbm = frame.rssi_dbm if best is None else max(frame.rssi_dbm, best)
        if seen.what.outcome is Outcome.OK and seen.what.readings and seen.is_later(self.read):
            self.read = seen
        if seen.weight > self.newest.weight or (seen.weight == self.newest.weight and seen.is_later(self.newest)):
            self.newest = seen

    def name(self, telegram: Telegram) -> None:
        for address in (telegram.meter, telegram.identity, telegram.link_address):
            if address is not None:
                self.names.add(address.number)
                self.manufacturers.add(address.manufacturer)
        if telegram.printed_number is not None:
            self.names.add(normal_number(telegram.printed_number))


class HeardMeters:
    """All meters that were heard; `without_address` counts telegrams whose sender cannot be read."""

    def __init__(self) -> None:
        self._meters: dict[Sender, _Meter] = {}
        self.telegrams = 0
        self.without_address = 0

    def add(self, seen: Telegram | Sighting, findings: tuple[Finding, ...]) -> None:
        """Take one telegram in, in any order of time."""
        self.telegrams += 1
        sender = seen.plan.meter if isinstance(seen, Sighting) else sender_of(seen)
        if sender is None:
            self.without_address += 1
            return
        one = _Seen(seen, findings)
        meter = self._meters.get(sender)
        if meter is None:
            meter = self._meters[sender] = _Meter(one)
        if isinstance(sender, str):
            meter.names.add(sender)
        if isinstance(seen, Telegram):
            meter.name(seen)
        meter.add(one)

    def settled(self, decode: Callable[[RawFrame], Telegram]) -> Iterator[HeardMeter]:
        """Yield the meters in the order in which they were first heard, with their newest telegrams decoded in full."""

        def in_full(seen: _Seen) -> Telegram:
            what = seen.what
            telegram = decode(what.frame) if isinstance(what, Sighting) else what
            return with_findings(telegram, seen.findings)

        for meter in self._meters.values():
            newest = in_full(meter.newest)
            read = newest if meter.read is meter.newest else None if meter.read is None else in_full(meter.read)
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
                frozenset(meter.manufacturers),
            )
