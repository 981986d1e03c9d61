"""`fieldtool simulate`: receivers and meters that are not there."""

from __future__ import annotations

import json
import signal
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.options import seconds
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.sources.simulated import KIND, load_scenario, make_bench, start_bench
from protocols.plural import counted
from protocols.receivers.registry import REGISTRY, receiver
from protocols.text import safe_text
from simulators.devices.model import SimulatedDevice
from simulators.meters.model import SimulatedMeter
from simulators.ports import StandardOutput
from simulators.receivers.device import SCHEMES, Device
from simulators.receivers.line_faults import FAULTS, HasFaultyLine, faults_named

POLL_S = 0.5


def _configure_receiver(parser: ArgumentParser) -> None:
    parser.add_argument("--kind", default=KIND, help=f"receiver family (default: {KIND})")
    parser.add_argument(
        "--at",
        default="",
        metavar="pty|tcp:PORT|udp:HOST:PORT|mqtt:PORT|stdout|fifo:PATH",
        help="where to connect to it",
    )
    parser.add_argument(
        "--scenario", type=Path, metavar="FILE", help="scenario of meters and devices (default: the demo's)"
    )
    parser.add_argument(
        "--fault", action="append", choices=tuple(FAULTS), default=[], help="what goes wrong on its line; repeatable"
    )
    parser.add_argument("--speed", type=seconds, default=1.0, metavar="FACTOR", help="how fast the meters' time runs")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after N seconds (default: never)")
    parser.add_argument("--json", action="store_true", help="print where to connect, as JSON")


def _receiver(arguments: Namespace) -> ExitCode:
    bench = make_bench(load_scenario(arguments.scenario), arguments.kind, arguments.at, speed=arguments.speed)
    _let_fail(bench.receiver, arguments)
    stop = threading.Event()
    stop_on_terminate(stop)
    start_bench(bench)
    try:
        if isinstance(bench.port, StandardOutput):
            output.talk(f"simulated {arguments.kind}; read it with: | fieldtool listen {bench.url()}")
        elif arguments.json:
            output.data(json.dumps({"kind": arguments.kind, "at": bench.at}), flush=True)
        else:
            output.data(f"simulated {arguments.kind} at {bench.at}", flush=True)
            output.talk(f"listen to it with: fieldtool listen '{bench.url(_mode(arguments.kind))}'; end with Ctrl-C")
        wait(stop, arguments.seconds, lambda: bench.port.plugged)
    finally:
        bench.stop()
    return ExitCode.OK


def _let_fail(device: Device, arguments: Namespace) -> None:
    """Put the faults that are asked for on the line of a simulated stick."""
    if not arguments.fault:
        return
    if not isinstance(device, HasFaultyLine):
        kind = safe_text(arguments.kind)
        raise UsageError(
            f"no faults are simulated on the line of {kind}",
            "leave out --fault, or use --kind amb8465, cul, iu891a or rc1180",
        )
    device.faults = faults_named(arguments.fault)


def _mode(kind: str) -> str:
    """The mode to listen in; gateways have none."""
    family = SCHEMES.get(kind, kind)
    return receiver(family).DEFAULT_MODE if family in REGISTRY else ""


def wait(stop: threading.Event, limit_s: float | None, is_used: Callable[[], bool] = lambda: True) -> None:
    """Wait in short steps, so that Ctrl-C is heard on every system; until nobody can use what runs any more."""
    waited_s = 0.0
    while not stop.is_set() and is_used() and (limit_s is None or waited_s < limit_s):
        step_s = POLL_S if limit_s is None else min(POLL_S, limit_s - waited_s)
        stop.wait(step_s)
        waited_s += step_s


def stop_on_terminate(stop: threading.Event) -> None:
    """Let the program that started this one end it in order; only the main thread may say so."""

    def terminate(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def _configure_scenario(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="?", type=Path, metavar="FILE", help="scenario (default: the demo's)")
    parser.add_argument("--json", action="store_true", help="print one JSON array, with the made-up keys")


def _scenario(arguments: Namespace) -> ExitCode:
    scenario = load_scenario(arguments.scenario)
    if arguments.json:
        meters = [*map(_meter, scenario.meters), *map(_device, scenario.devices)]
        output.data(json.dumps(meters, indent=1))
        return ExitCode.OK
    output.data(f"{safe_text(scenario.title)}: {counted(len(scenario.meters) + len(scenario.devices), 'meter')}")
    for meter in scenario.meters:
        address = meter.address
        output.data(
            f"  {address.manufacturer} {address.number}  {address.medium:20} {meter.mode:4}"
            f"  every {meter.interval_s:>3g} s  key {meter.key_state:8} {safe_text(meter.name)}"
        )
    for device in scenario.devices:
        output.data(
            f"  {device.dev_eui}  LoRaWAN {'1.1' if device.is_1_1 else '1.0'}      SF{device.spreading_factor:<2}"
            f"  every {device.interval_s:>3g} s  key {device.key_state:8} {safe_text(device.name)}"
        )
    return ExitCode.OK


def _device(device: SimulatedDevice) -> dict[str, object]:
    """Return a LoRaWAN device for other programs, with its made-up root keys."""
    return {
        "name": device.name,
        "kind": device.kind,
        "dev_eui": device.dev_eui,
        "join_eui": device.join_eui,
        "number": device.address.number,
        "manufacturer": device.address.manufacturer,
        "key": device.app_key.value.hex().upper(),
        "nwk_key": None if device.nwk_key is None else device.nwk_key.value.hex().upper(),
        "key_state": str(device.key_state),
    }


def _meter(meter: SimulatedMeter) -> dict[str, object]:
    """Return a meter for other programs. Its key is shown: it is made up, and they need it."""
    address = meter.address
    return {
        "name": meter.name,
        "kind": meter.kind,
        "number": address.number,
        "manufacturer": address.manufacturer,
        "version": address.version,
        "medium": address.medium,
        "medium_code": address.medium_code,
        "mode": meter.mode,
        "key": None if meter.key is None else meter.key.value.hex().upper(),
        "key_state": str(meter.key_state),
        "link_number": meter.sender.number,
    }


RECEIVER = Command(_configure_receiver, _receiver)
SCENARIO = Command(_configure_scenario, _scenario)
