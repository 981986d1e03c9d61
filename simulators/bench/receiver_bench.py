"""A simulated receiver at work: scenario, air and device on a port, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from simulators.air import Air
from simulators.air.two_way import Transmitter
from simulators.bench.bench_thread import BenchThread
from simulators.errors import PortError
from simulators.ports import Port, StandardOutput, best_port, open_port
from simulators.receivers.device import (
    OF_PROGRAMS,
    SCHEMES,
    STAND_AS,
    STANDS_ALSO_AT,
    STANDS_AT,
    Device,
    KnowsDevices,
    device,
)
from simulators.scenario import Scenario

POLL_S: Final = 0.02
"""Longest sleep of the thread; the next byte to write may shorten it."""


class Bench:
    """Runs one simulated receiver until stopped; `start` returns once a host can connect.

    The meters' time starts at `starts` (default: now) and runs `speed` times as fast as the clock. All methods may be
    called from any thread; air, device and port belong to the bench's own.
    """

    def __init__(
        self,
        scenario: Scenario,
        receiver: Device,
        port: Port,
        *,
        starts: datetime | None = None,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scenario = scenario
        self.receiver = receiver
        self.port = port
        self._starts = starts or datetime.now(UTC)
        self._speed = speed
        self._clock = clock
        self.air = Air(scenario, self._starts)
        self._others: list[tuple[Device, Port]] = []
        self._began_s = 0.0
        self._thread = BenchThread(self._turn, f"simulated {receiver.KIND}")

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        kind: str = "im871a",
        at: str = "",
        *,
        starts: datetime | None = None,
        speed: float = 1.0,
    ) -> Bench:
        """Build from words: a receiver kind and a port as `open_port` takes it; where none is named, what fits.

        Raises `PortError`, and `ValueError` for an unknown kind.
        """
        receiver = device(kind, scenario.seed)
        if isinstance(receiver, KnowsDevices):
            receiver.register(scenario.devices)
        stands_at = STANDS_AT.get(kind)
        fitting = () if stands_at is None else (stands_at, *STANDS_ALSO_AT.get(stands_at, ()))
        if stands_at is not None and at and at.partition(":")[0] not in fitting:
            raise PortError(f"{kind} does not stand at {at!r}", f"as in {STAND_AS[stands_at]}, or leave it out")
        if stands_at is None and at.partition(":")[0] in OF_PROGRAMS:
            raise PortError(f"{kind} does not stand at {at!r}, where nobody answers", "as in pty or tcp:4001")
        port = open_port(at or stands_at or best_port(), receiver.BAUD)
        return cls(scenario, receiver, port, starts=starts, speed=speed)

    @property
    def at(self) -> str:
        """Where a host connects: a path, or host and port."""
        return self.port.address

    def url(self, mode: str = "") -> str:
        """Return the receiver's URL, as `listen` takes it."""
        query = f"?mode={mode}" if mode else ""
        kind = self.receiver.KIND
        slashes = "" if isinstance(self.port, StandardOutput) else "//"
        return f"{SCHEMES.get(kind, kind)}{self.port.scheme_suffix}:{slashes}{self.port.address}{query}"

    def add(self, receiver: Device, port: Port) -> None:
        """Let another receiver listen to the same air, on a port of its own; before `start`."""
        self._others.append((receiver, port))

    def start(self) -> Self:
        """Plug the ports and start; raises `PortError`."""
        self.port.plug()
        for _, port in self._others:
            port.plug()
        self._began_s = self._clock()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, and wait for the thread to end; raises `SimulatorError` when it does not."""
        self._thread.stop()
        self.port.unplug()
        for _, port in self._others:
            port.unplug()

    def unplug(self) -> None:
        """Take the receiver away from under its host."""
        self._thread.do(self.port.unplug)

    def replug(self) -> None:
        """Put it back; like a real one, it has forgotten what was not stored."""
        self._thread.do(self._power_up)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _power_up(self) -> None:
        self.receiver.power_cycle()
        self.port.plug()

    def _turn(self) -> None:
        data = self.port.read(self._pause_s())
        now_s = self._clock()
        if data:
            self.receiver.receive(data, now_s)
        now = self._starts + timedelta(seconds=(now_s - self._began_s) * self._speed)
        self._put_on_air(self.receiver, now)
        for transmission in self.air.advance(now):
            self.receiver.hear(transmission, now_s)
            for other, _ in self._others:
                other.hear(transmission, now_s)
        for piece in self.receiver.due(now_s):
            self.port.write(piece)
        self._serve_others(now_s, now)

    def _put_on_air(self, receiver: Device, now: datetime) -> None:
        if isinstance(receiver, Transmitter):
            for downlink in receiver.downlinks(now):
                self.air.send(downlink)

    def _serve_others(self, now_s: float, now: datetime) -> None:
        for receiver, port in self._others:
            answer = port.read(0.0)
            if answer:
                receiver.receive(answer, now_s)
            self._put_on_air(receiver, now)
            for piece in receiver.due(now_s):
                port.write(piece)

    def _pause_s(self) -> float:
        next_due_s = self.receiver.next_due_s
        if self.air.stations:
            # A host that is to answer within a meter's window must not lose time here.
            heard_s = self._began_s + (self.air.next_at - self._starts).total_seconds() / self._speed
            next_due_s = heard_s if next_due_s is None else min(next_due_s, heard_s)
        if next_due_s is None:
            return POLL_S
        return min(max(next_due_s - self._clock(), 0.0), POLL_S)
