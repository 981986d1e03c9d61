"""The air between meters and receivers, in virtual time: who sends when, what is lost, doubled or damaged.

Two-way meters and what a stick sends to them take the time that their mode needs; a telegram of any other meter is
heard whole at the moment when it is sent.

Not simulated: collisions, a stick that cannot hear while it sends, fading that differs from receiver to receiver, and
receivers that hear what another receiver sends.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from protocols.lorawan.facts import LoraReception
from protocols.model import FrameFormat
from protocols.receivers.lora_radio import mode_text, reception
from protocols.wmbus.encode import with_crcs
from simulators.air.two_way import Downlink, Station, time_on_air
from simulators.devices.model import JOIN_ACCEPT_DELAY, EndDevice, SimulatedDevice, build_device
from simulators.identity import STRONGEST_DBM, WEAKEST_DBM
from simulators.meters.model import Meter, SimulatedMeter, build_meter
from simulators.scenario import Scenario

NEVER: Final = datetime.max.replace(tzinfo=UTC)

DUPLICATE_AFTER: Final = timedelta(milliseconds=200)
"""When a doubled telegram is heard for the second time."""

MAX_FLIPPED_BITS: Final = 3
BANDWIDTH_HZ: Final = 125_000


@dataclass(frozen=True, slots=True)
class Transmission:
    """A frame as it arrives: coded with the CRCs of its format, possibly with flipped bits.

    `meter` is the sender's name in the scenario, `at` the virtual time, `number` counts the transmissions of an air.
    Of LoRaWAN, `lora` says how it was sent, `coded` is the PHYPayload, and `downlink` what the network answers to a
    device: with inverted signal and without CRC.
    """

    number: int
    at: datetime
    meter: str
    mode: str
    frame_format: FrameFormat
    coded: bytes
    rssi_dbm: int
    damaged: bool = False
    lora: LoraReception | None = None
    downlink: bool = False


@dataclass(slots=True)
class AirCounters:
    """What has happened so far."""

    sent: int = 0
    lost: int = 0
    duplicated: int = 0
    damaged: int = 0
    downlinks: int = 0


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
        self._devices: dict[str, EndDevice] = {device.name: build_device(device) for device in scenario.devices}
        self._lora_faults = random.Random(f"{scenario.seed}/air/lora")
        self._timing |= {device.name: device.random("timing") for device in scenario.devices}
        self._number = 0
        self._subscribers: list[Callable[[Transmission], None]] = []
        everybody: tuple[SimulatedMeter | SimulatedDevice, ...] = (*scenario.meters, *scenario.devices)
        self._due: list[tuple[datetime, str]] = [
            (starts + timedelta(seconds=meter.interval_s * self._timing[meter.name].random()), meter.name)
            for meter in everybody
        ]
        heapq.heapify(self._due)
        self._later: list[tuple[datetime, int, Transmission, bool]] = []
        """What was heard once and will be again, and, marked, what a network has yet to send."""
        self._stations: list[Station] = []
        self._two_way_faults = random.Random(f"{scenario.seed}/air/two-way")
        self._on_air: list[tuple[datetime, int, Transmission | Downlink]] = []
        """What a two-way meter or a stick is sending, by when it ends."""

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The meters at work, in the order of the scenario."""
        return tuple(self._meters.values())

    @property
    def devices(self) -> tuple[EndDevice, ...]:
        """The LoRaWAN devices at work, in the order of the scenario."""
        return tuple(self._devices.values())

    @property
    def next_at(self) -> datetime:
        """When something is heard next."""
        return min(self._next_one_way, self._next_two_way)

    @property
    def stations(self) -> tuple[Station, ...]:
        """The two-way meters at work."""
        return tuple(self._stations)

    def join(self, station: Station) -> None:
        """Let a two-way meter take part."""
        self._stations.append(station)

    def send(self, downlink: Downlink) -> None:
        """Put on the air what a stick sends; it begins at its time, which is not before the air's."""
        self._number += 1
        heapq.heappush(self._on_air, (downlink.ends, self._number, downlink))

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

    @property
    def _next_one_way(self) -> datetime:
        first = self._due[0][0] if self._due else NEVER
        return min(first, self._later[0][0]) if self._later else first

    @property
    def _next_two_way(self) -> datetime:
        ends = self._on_air[0][0] if self._on_air else NEVER
        return min([ends, *(at for station in self._stations if (at := station.next_at) is not None)])

    def _next(self) -> Transmission | None:
        if self._next_two_way <= self._next_one_way:
            return self._two_way()
        if self._later and (not self._due or self._later[0][0] <= self._due[0][0]):
            _, _, later, new = heapq.heappop(self._later)
            return self._through_air(later, self._lora_faults) if new else later
        at, name = self._due[0]
        device = self._devices.get(name)
        sender = self._meters[name].meter if device is None else device.device
        swing = self._timing[name].uniform(-sender.jitter, sender.jitter)
        heapq.heapreplace(self._due, (at + timedelta(seconds=sender.interval_s * (1 + swing)), name))
        return self._transmit(self._meters[name], at) if device is None else self._transmit_lora(device, at)

    def _transmit(self, meter: Meter, at: datetime) -> Transmission | None:
        self._number += 1
        transmission = Transmission(
            number=self._number,
            at=at,
            meter=meter.meter.name,
            mode=meter.meter.mode,
            frame_format=meter.meter.frame_format,
            coded=with_crcs(meter.telegram(at), meter.meter.frame_format),
            rssi_dbm=self._rssi_dbm(meter.meter.rssi_dbm, self._faults),
        )
        return self._through_air(transmission, self._faults)

    def _transmit_lora(self, device: EndDevice, at: datetime) -> Transmission | None:
        """Put an uplink on the air, and the answer of the network to a join request behind it."""
        self._number += 1
        sent, rng = device.send(at), self._lora_faults
        by = device.device
        radio = reception(sent.frequency_hz, by.spreading_factor, BANDWIDTH_HZ, by.snr_db)
        uplink = Transmission(
            number=self._number,
            at=at,
            meter=by.name,
            mode=mode_text(radio) or "",
            frame_format=FrameFormat.STRIPPED,
            coded=sent.data,
            rssi_dbm=self._rssi_dbm(by.rssi_dbm, rng),
            lora=radio,
        )
        if sent.answer is not None:
            self._number += 1
            answer = replace(uplink, number=self._number, at=at + JOIN_ACCEPT_DELAY, coded=sent.answer, downlink=True)
            heapq.heappush(self._later, (answer.at, answer.number, answer, True))
        return self._through_air(uplink, rng)

    def _two_way(self) -> Transmission | None:
        """What ends next is heard, or the next two-way meter begins to send."""
        at = self._next_two_way
        if self._on_air and self._on_air[0][0] <= at:
            _, _, sent = heapq.heappop(self._on_air)
            if isinstance(sent, Transmission):
                return self._through_air(sent, self._two_way_faults)
            self._to_stations(sent)
            return None
        station = next(station for station in self._stations if station.next_at == at)
        uplink = station.send(at)
        if uplink is None:
            return None
        self._number += 1
        coded = with_crcs(uplink.frame, uplink.frame_format)
        transmission = Transmission(
            number=self._number,
            at=at + time_on_air(uplink.mode, len(coded)),
            meter=station.name,
            mode=uplink.mode,
            frame_format=uplink.frame_format,
            coded=coded,
            rssi_dbm=self._rssi_dbm(uplink.rssi_dbm, self._two_way_faults),
        )
        heapq.heappush(self._on_air, (transmission.at, transmission.number, transmission))
        return None

    def _to_stations(self, downlink: Downlink) -> None:
        """Let the two-way meters hear a frame, lost or damaged on the way as a telegram would be."""
        self.counters.downlinks += 1
        faults, rng = self.scenario.faults, self._two_way_faults
        lost, damaged, pattern = rng.random(), rng.random(), rng.getrandbits(64)
        if lost < faults.loss:
            self.counters.lost += 1
            return
        if damaged < faults.bit_errors:
            self.counters.damaged += 1
            downlink = replace(downlink, coded=flip_bits(downlink.coded, pattern))
        for station in self._stations:
            station.hear(downlink)

    def _through_air(self, transmission: Transmission, rng: random.Random) -> Transmission | None:
        """Lose, damage or double a transmission, as the scenario says."""
        self.counters.sent += 1
        at, faults = transmission.at, self.scenario.faults
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
            heapq.heappush(self._later, (echo.at, echo.number, echo, False))
        return transmission

    def _rssi_dbm(self, mean_dbm: int, rng: random.Random) -> int:
        jitter = self.scenario.faults.rssi_jitter_db
        return min(max(mean_dbm + rng.randint(-jitter, jitter), WEAKEST_DBM), STRONGEST_DBM)


def flip_bits(coded: bytes, pattern: int) -> bytes:
    """Return `coded` with one to three bits flipped, chosen by `pattern`."""
    rng = random.Random(pattern)
    damaged = bytearray(coded)
    for position in rng.sample(range(8 * len(coded)), rng.randint(1, MAX_FLIPPED_BITS)):
        damaged[position // 8] ^= 1 << position % 8
    return bytes(damaged)
