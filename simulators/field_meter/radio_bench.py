"""A field meter on the air and a simulated stick that hears it, on a port: what `im871a://...?mode=c2` connects to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from simulators.bench import Bench
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.radio import RadioMeter, RadioSettings
from simulators.field_meter.radio_lock import LockOnAir
from simulators.scenario import Faults, Scenario

STICK: Final = "im871a"


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
