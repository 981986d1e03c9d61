"""The air between meters and receivers, in virtual time: who sends when, what is lost, doubled or damaged.

Not simulated: collisions, the time that a telegram takes, fading that differs from receiver to receiver, and
anything that a receiver sends.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import FrameFormat
from simulators.meters.model import Meter, build_meter
from simulators.scenario import STRONGEST_DBM, WEAKEST_DBM, Scenario

DUPLICATE_AFTER: Final = timedelta(milliseconds=200)
"""When a doubled telegram is heard for the second time."""

MAX_FLIPPED_BITS: Final = 3


@dataclass(frozen=True, slots=True)
class Transmission:
    """A frame as it arrives: coded with the CRCs of its format, possibly with flipped bits.

    `meter` is the sender's name in the scenario, `at` the virtual time, `number` counts the transmissions of an air.
    """

    number: int
    at: datetime
    meter: str
    mode: str
    frame_format: FrameFormat
    coded: bytes
    rssi_dbm: int
    damaged: bool = False


@dataclass(slots=True)
class AirCounters:
    """What has happened so far."""

    sent: int = 0
    lost: int = 0
    duplicated: int = 0
    damaged: int = 0


class Air:
    """All meters of a scenario at work from `starts` on; the same scenario and start give the same transmissions.

    Time moves only in `advance`. Not safe to share between threads.
    """

    def __init__(self, scenario: Scenario, starts: datetime) -> None:
        self.scenario = scenario
        self.counters = AirCounters()
        self._meters: dict[str, Meter] = {meter.name: build_meter(meter) for meter in scenario.meters}
        self._faults = random.Random(f"{scenario.seed}/air")
        self._timing = {meter.name: meter.random("timing") for meter in scenario.meters}
        self._number = 0
        self._subscribers: list[Callable[[Transmission], None]] = []
        self._due: list[tuple[datetime, str]] = [
            (starts + timedelta(seconds=meter.interval_s * self._timing[meter.name].random()), meter.name)
            for meter in scenario.meters
        ]
        heapq.heapify(self._due)
        self._echoes: list[tuple[datetime, int, Transmission]] = []

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The meters at work, in the order of the scenario."""
        return tuple(self._meters.values())

    @property
    def next_at(self) -> datetime:
        """When something is heard next."""
        first = self._due[0][0]
        return min(first, self._echoes[0][0]) if self._echoes else first

    def subscribe(self, hear: Callable[[Transmission], None]) -> None:
        """Have `hear` called with every transmission that is not lost."""
        self._subscribers.append(hear)

    def unsubscribe(self, hear: Callable[[Transmission], None]) -> None:
        """Undo `subscribe`."""
        self._subscribers.remove(hear)

    def advance(self, to: datetime) -> list[Transmission]:
        """Move the time on, and return and deliver what is heard up to and including `to`, in order."""
        heard = []
        while self.next_at <= to:
            transmission = self._next()
            if transmission is None:
                continue
            heard.append(transmission)
            for hear in self._subscribers:
                hear(transmission)
        return heard

    def _next(self) -> Transmission | None:
        if self._echoes and self._echoes[0][0] <= self._due[0][0]:
            return heapq.heappop(self._echoes)[2]
        at, name = self._due[0]
        meter = self._meters[name].meter
        swing = self._timing[name].uniform(-meter.jitter, meter.jitter)
        heapq.heapreplace(self._due, (at + timedelta(seconds=meter.interval_s * (1 + swing)), name))
        return self._transmit(self._meters[name], at)

    def _transmit(self, meter: Meter, at: datetime) -> Transmission | None:
        self._number += 1
        self.counters.sent += 1
        faults, rng = self.scenario.faults, self._faults
        transmission = Transmission(
            number=self._number,
            at=at,
            meter=meter.meter.name,
            mode=meter.meter.mode,
            frame_format=meter.meter.frame_format,
            coded=with_crcs(meter.telegram(at), meter.meter.frame_format),
            rssi_dbm=self._rssi_dbm(meter.meter.rssi_dbm),
        )
        # All four draws are made every time, so that one share can be changed without changing the others' outcome.
        lost, doubled, damaged, pattern = (rng.random(), rng.random(), rng.random(), rng.getrandbits(64))
        if lost < faults.loss:
            self.counters.lost += 1
            return None
        if damaged < faults.bit_errors:
            self.counters.damaged += 1
            transmission = replace(transmission, coded=flip_bits(transmission.coded, pattern), damaged=True)
        if doubled < faults.duplicates:
            self.counters.duplicated += 1
            echo = replace(transmission, at=at + DUPLICATE_AFTER)
            heapq.heappush(self._echoes, (echo.at, echo.number, echo))
        return transmission

    def _rssi_dbm(self, mean_dbm: int) -> int:
        jitter = self.scenario.faults.rssi_jitter_db
        return min(max(mean_dbm + self._faults.randint(-jitter, jitter), WEAKEST_DBM), STRONGEST_DBM)


def flip_bits(coded: bytes, pattern: int) -> bytes:
    """Return `coded` with one to three bits flipped, chosen by `pattern`."""
    rng = random.Random(pattern)
    damaged = bytearray(coded)
    for position in rng.sample(range(8 * len(coded)), rng.randint(1, MAX_FLIPPED_BITS)):
        damaged[position // 8] ^= 1 << position % 8
    return bytes(damaged)
