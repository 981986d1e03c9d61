"""A simulated receiver as a source, `sim:demo` or `sim:scenario.toml`: the real driver, on a port of a simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fieldtool.errors import ConfigError, ReceiverError, UsageError
from fieldtool.sources.events import Tell
from fieldtool.sources.gateway import KIND as GATEWAY_KIND
from fieldtool.sources.gateway import GatewaySource
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.registry import OPTIONS
from fieldtool.sources.serial_receiver import DEFAULT_MODE, SerialReceiver
from fieldtool.sources.serial_receiver import open_source as open_serial
from fieldtool.sources.url import ReceiverUrl, parse_url
from simulators.bench import Bench
from simulators.errors import ScenarioError, SimulatorError
from simulators.ports import LOOPBACK, UdpPort
from simulators.receivers.device import device
from simulators.scenario import DEFAULT_NAME, Scenario

KIND = "im871a"
GATEWAY_NAME = "gateway (simulated)"
FASTEST = 1000.0


class SimulatedSource:
    """A bench with its receiver, and the source that listens to it; both start and stop together.

    Where the scenario has LoRaWAN devices, a simulated gateway on the same air sends what it hears to this computer.
    """

    def __init__(self, bench: Bench, mode: str, now: Callable[[], datetime]) -> None:
        self._bench = bench
        self._mode = mode
        self._now = now
        self._receiver: SerialReceiver | None = None
        self._gateways: GatewaySource | None = None

    @property
    def name(self) -> str:
        """Family and scenario."""
        return f"{self._bench.receiver.KIND} (simulated)"

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Start the simulator and connect the drivers to it."""
        if self._bench.scenario.devices:
            self._gateways = GatewaySource(LOOPBACK, 0, self._now, GATEWAY_NAME)
            self._gateways.start(frames, tell)
            forwarder = device(GATEWAY_KIND, self._bench.scenario.seed)
            self._bench.add(forwarder, UdpPort(self._gateways.bound_port))
        start_bench(self._bench)
        url = parse_url(self._bench.url(self._mode), (self._bench.receiver.KIND,), OPTIONS)
        self._receiver = open_serial(url, self._now, name=self.name)
        self._receiver.start(frames, tell)

    def stop(self) -> None:
        """Stop the drivers, then the simulator."""
        if self._gateways is not None:
            self._gateways.stop()
        if self._receiver is not None:
            self._receiver.stop()
        self._bench.stop()


def load_scenario(path: Path | None) -> Scenario:
    """Read a scenario, or the demonstration; `ConfigError` names the file and the key."""
    try:
        return Scenario.load(path)
    except ScenarioError as error:
        raise ConfigError(str(error), error.hint) from error


def make_bench(scenario: Scenario, kind: str, at: str, *, speed: float = 1.0) -> Bench:
    """Return a simulated receiver, not yet started; `UsageError` for an unknown kind or port."""
    try:
        return Bench.of(scenario, kind, at, speed=speed)
    except SimulatorError as error:
        raise UsageError(str(error), error.hint) from error
    except ValueError as error:
        raise UsageError(str(error), "see `fieldtool simulate receiver --help`") from error


def start_bench(bench: Bench) -> None:
    """Plug the simulated receiver in; `ReceiverError` when its port cannot be opened."""
    try:
        bench.start()
    except SimulatorError as error:
        raise ReceiverError(str(error), error.hint) from error


def open_source(url: ReceiverUrl, now: Callable[[], datetime]) -> SimulatedSource:
    """Return the source of a `sim:` URL; raises `UsageError`, `ConfigError`."""
    path = None if url.target == DEFAULT_NAME else Path(url.target)
    bench = make_bench(load_scenario(path), KIND, "", speed=_speed(url))
    return SimulatedSource(bench, url.options.get("mode", DEFAULT_MODE), now)


def _speed(url: ReceiverUrl) -> float:
    try:
        speed = float(url.options.get("speed", "1"))
    except ValueError:
        speed = 0.0
    if not 0 < speed <= FASTEST:
        raise UsageError(f"{url}: speed must be a factor above zero, at most {FASTEST:g}", "as in speed=10")
    return speed
