"""A host session and a simulated stick, joined on the air of a scenario, in made-up time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from protocols.receivers.events import HostEvent, Send
from simulators.air import Air, Transmission
from simulators.receivers.device import Device
from simulators.scenario import Faults, Scenario

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
STEP_S = 0.01

Wire = Callable[[bytes], list[bytes]]
"""What becomes of bytes that are written at once."""


class Session(Protocol):
    """The host side of any receiver."""

    def start(self) -> bytes: ...
    def receive(self, data: bytes) -> list[HostEvent]: ...
    def tick(self, now_s: float) -> list[HostEvent]: ...


@dataclass(frozen=True, slots=True)
class OnAir:
    """A transmission, and the frame in it as the meter built it; empty for LoRaWAN."""

    transmission: Transmission
    frame: bytes


def immediate(data: bytes) -> list[bytes]:
    """Leave bytes as they are."""
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    """Hand each byte over by itself."""
    return [data[i : i + 1] for i in range(len(data))]


def noisy(data: bytes) -> list[bytes]:
    """Put noise before and after."""
    return [b"\x00\xff", data, b"\xa5"]


WIRES: dict[str, Wire] = {"immediate": immediate, "byte by byte": byte_by_byte, "noisy": noisy}


def joined(
    session: Session,
    stick: Device,
    seconds: float,
    *,
    scenario: Scenario | None = None,
    faults: Faults | None = None,
    speed: float = 1.0,
    wire: Wire = immediate,
    begins_s: float = 0.0,
) -> tuple[list[HostEvent], list[OnAir]]:
    """Let both talk; return the host's events, and all that was on the air, sent `speed` times as often.

    The meters are those of the demonstration, unless `scenario` has others.
    """
    air = Air(replace(scenario or Scenario.load(), faults=faults or Faults()), STARTS)
    meters = {meter.meter.name: meter for meter in air.meters}
    events: list[HostEvent] = []
    on_air: list[OnAir] = []
    to_stick = [session.start()]
    for step in range(int(seconds / STEP_S)):
        passed_s = step * STEP_S
        now_s = begins_s + passed_s
        fresh: list[HostEvent] = []
        for data in to_stick:
            for piece in wire(data):
                stick.receive(piece, now_s)
        for transmission in air.advance(STARTS + timedelta(seconds=passed_s * speed)):
            meter = None if transmission.lora is not None else meters[transmission.meter]
            frame = b"" if meter is None else meter.frame(meter.sent - 1, transmission.at)
            on_air.append(OnAir(transmission, frame))
            stick.hear(transmission, now_s)
        for data in stick.due(now_s):
            for piece in wire(data):
                fresh += session.receive(piece)
        fresh += session.tick(now_s)
        to_stick = [event.data for event in fresh if isinstance(event, Send)]
        events += fresh
    return events, on_air
