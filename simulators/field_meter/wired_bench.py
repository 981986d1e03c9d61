"""Wired meters on a port: one thread that reads, lets the meters answer, and writes.

Two meters that answer at once spoil each other's answer, as on a real bus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from types import TracebackType
from typing import Final, Self

from simulators.bench.bench_thread import BenchThread
from simulators.field_meter.lock import CableCut
from simulators.field_meter.wired import WiredMeter
from simulators.ports import Port

LONGEST_PAUSE_S: Final = 0.05
DEFAULT_BAUD: Final = 2400


class WiredBench:
    """Meters, a port, and the thread between them; plugs the port when it starts."""

    def __init__(
        self,
        meters: Sequence[WiredMeter],
        port: Port,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.meters = tuple(meters)
        self.port = port
        self._clock = clock
        self._monotonic = monotonic
        self._thread = BenchThread(self._turn, "simulated wired meters")

    @property
    def at(self) -> str:
        """Where a host connects: a path, or host and port."""
        return self.port.address

    @property
    def url(self) -> str:
        """The link's URL, as `fieldtool meter` takes it."""
        scheme = "optical" if any(meter.optical for meter in self.meters) else "mbus"
        return f"{scheme}{self.port.scheme_suffix}://{self.port.address}"

    def start(self) -> Self:
        """Plug the port and start; raises `PortError`."""
        self.port.plug()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, and wait for the thread to end; raises `SimulatorError` when it does not."""
        self._thread.stop()
        self.port.unplug()

    def unplug(self) -> None:
        """Take the cable away from under its host."""
        self.do(self.port.unplug)

    def replug(self) -> None:
        """Put it back; the meters have forgotten what they do not store."""
        self.do(self._power_up)

    def do(self, action: Callable[[], None]) -> None:
        """Let the meters' thread do something, and wait for it; raises `SimulatorError`."""
        self._thread.do(action)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _power_up(self) -> None:
        for meter in self.meters:
            meter.power_cycle()
        self.port.plug()

    def _turn(self) -> None:
        data = self.port.read(self._pause_s())
        try:
            if data:
                self._hand_over(data)
        except CableCut:
            self._lose_power()
        now_s = self._monotonic()
        for piece in collided([meter.due(now_s) for meter in self.meters]):
            self.port.write(piece)

    def _hand_over(self, data: bytes) -> None:
        now_s, now = self._monotonic(), self._clock()
        for meter in self.meters:
            meter.receive(data, now_s, now)

    def _lose_power(self) -> None:
        self.port.unplug()
        for meter in self.meters:
            meter.power_cycle()

    def _pause_s(self) -> float:
        due = [at_s for meter in self.meters if (at_s := meter.next_due_s) is not None]
        if not due:
            return LONGEST_PAUSE_S
        return min(max(min(due) - self._monotonic(), 0.0), LONGEST_PAUSE_S)


def collided(answers: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Return what the bus carries when meters answer at once: a 0 bit wins over a 1 (EN 13757-2, 4.2)."""
    heard: list[bytes] = []
    for pieces in zip_longest(*answers, fillvalue=b""):
        longest = max(map(len, pieces), default=0)
        mixed = bytearray(b"\xff" * longest)
        for piece in pieces:
            for position, byte in enumerate(piece):
                mixed[position] &= byte
        heard.append(bytes(mixed))
    return heard
