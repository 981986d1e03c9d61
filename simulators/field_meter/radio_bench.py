"""A field meter on the air and a simulated stick that hears it, on a port: what `im871a://...?mode=c2` connects to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from keystore.certificates.certificate import FieldCertificate
from simulators.bench import Bench
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import FieldMeter
from simulators.field_meter.radio import RadioMeter, RadioSettings
from simulators.field_meter.radio_lock import RADIO_LIFETIME_S, LockOnAir
from simulators.field_meter.state import MeterState
from simulators.field_meter.state_file import StateFile
from simulators.scenario import Faults, Scenario

STICK: Final = "im871a"


class SharedLock(MeterLock):
    """A lock that is used by the threads of two links at once: on a wire and on the air."""

    def __init__(
        self,
        meter: FieldMeter,
        state: MeterState,
        anchors: Sequence[FieldCertificate],
        random_bytes: Callable[[int], bytes],
        *,
        state_file: StateFile | None = None,
        lifetime_s: int = RADIO_LIFETIME_S,
    ) -> None:
        super().__init__(meter, state, anchors, random_bytes, state_file=state_file, lifetime_s=lifetime_s)
        self._guard = threading.RLock()

    def receive(self, message: bytes, now: datetime) -> bytes:
        """As `MeterLock.receive`, one message at a time."""
        with self._guard:
            return super().receive(message, now)

    def read_out(self, now: datetime) -> tuple[bytes, ...]:
        """As `MeterLock.read_out`."""
        with self._guard:
            return super().read_out(now)

    def tick(self, now: datetime) -> None:
        """As `MeterLock.tick`."""
        with self._guard:
            super().tick(now)


def radio_bench(
    lock: MeterLock,
    at: str,
    *,
    settings: RadioSettings | None = None,
    scenario: Scenario | None = None,
    faults: Faults | None = None,
    starts: datetime | None = None,
    speed: float = 1.0,
    seed: int = 0,
) -> Bench:
    """Return a bench, not yet started, with the meter of `lock` on its air, and the meters of `scenario` around it.

    `at` is `pty`, `tcp` or `tcp:NUMBER`. Raises `PortError`.
    """
    starts = starts or datetime.now(UTC)
    scenario = scenario or Scenario("a field meter", "field meter", seed, starts, faults or Faults(), ())
    bench = Bench.of(scenario, STICK, at, starts=starts, speed=speed)
    bench.air.join(RadioMeter(LockOnAir(lock), starts, settings, seed=seed))
    return bench
