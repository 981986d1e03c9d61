"""iU891A sticks from end to end: `listen` and `probe` on pseudo terminals and TCP, pulled out, and on a bad line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.registry import open_source
from simulators.bench import Bench
from simulators.ports import PtyPort, open_port
from simulators.receivers.iu891a import Iu891aStick
from simulators.receivers.line_faults import LineFaults
from simulators.receivers.wimod import WimodModule
from simulators.scenario import Faults, Scenario
from tests.fieldtool.conftest import Run

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals on Windows")
PORTS = [pytest.param("pty", marks=needs_pty), "tcp"]
SAID = "iU891A-XL 00062DBE, firmware 1.1, listens to"


@pytest.fixture
def quick() -> Scenario:
    """The demonstration's meters, each sending often, and nothing lost on the air."""
    scenario = Scenario.load()
    meters = tuple(replace(meter, interval_s=2.5) for meter in scenario.meters)
    return replace(scenario, meters=meters, faults=Faults())


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(("mode", "at"), [pytest.param("t1", "pty", marks=needs_pty), ("c1", "tcp"), ("c1,t1", "tcp")])
def test_listening(run: Run, quick: Scenario, mode: str, at: str) -> None:
    with Bench.of(quick, "iu891a", at, starts=STARTS, speed=10) as bench:
        ran = run("listen", bench.url(mode), "--json", "--seconds", "1.3")
    assert ran.code == 0
    assert f"connected: {SAID} {mode}" in ran.err
    heard = [json.loads(line) for line in ran.lines]
    received = [one["received"] for one in heard]
    assert received
    assert {one["source"] for one in received} == {"iu891a"}
    assert {one["mode"] for one in received} <= ({None, "C1"} if mode == "c1,t1" else {mode.upper()})
    assert all(-128 <= one["rssi_dbm"] <= 0 for one in received)
    assert {one["outcome"] for one in heard} <= {"ok", "no_key"}


@pytest.mark.parametrize("at", PORTS)
def test_damage_on_the_line_is_counted_and_overcome(quick: Scenario, at: str) -> None:
    stick = Iu891aStick(faults=LineFaults(stray=0.3, split=True))
    frames = FrameQueue()
    told: list[SourceEvent] = []
    with Bench(quick, stick, open_port(at, stick.BAUD)) as bench:
        source = open_source(bench.url("c1,t1"))
        source.start(frames, told.append)
        try:
            wait_for(lambda: len(frames) >= 2)
            stick.faults = LineFaults(bad_checksum=1.0)
            wait_for(frames.take_unusable)
            stick.faults = LineFaults(slow_s=0.1)
            heard = len(frames)
            wait_for(lambda: len(frames) > heard + 1)
        finally:
            source.stop()
    assert [event.state for event in told] == [SourceState.CONNECTED]
    assert stick.counters.stored == 0


def test_a_mute_stick_ends_with_a_reason(run: Run, quick: Scenario) -> None:
    stick = Iu891aStick(faults=LineFaults(mute=True))
    with Bench(quick, stick, open_port("tcp", stick.BAUD)) as bench:
        ran = run("receivers", "probe", bench.url())
    assert ran.code == 3
    assert "no iU891A answered within 1.5 s" in ran.err


def test_a_lora_module_is_told_from_a_gateway(run: Run, quick: Scenario) -> None:
    with Bench(quick, WimodModule(), open_port("tcp", WimodModule.BAUD)) as bench:
        ran = run("receivers", "probe", bench.url().replace("wimod+", "iu891a+"))
    assert ran.code == 3
    assert "no wireless M-Bus gateway answered, but a module of type 0x98" in ran.err
    with Bench(quick, Iu891aStick(), open_port("tcp", Iu891aStick.BAUD)) as bench:
        ran = run("receivers", "probe", bench.url().replace("iu891a+", "wimod+"))
    assert ran.code == 3
    assert "iU891A-XL, a wireless M-Bus gateway" in ran.err


@needs_pty
def test_a_port_of_unknown_kind(run: Run, quick: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each kind in front of it that does not answer costs seconds.
    monkeypatch.setattr("fieldtool.doctor.target.REGISTRY", ("im871a", "iu891a", "wimod"))
    with Bench(quick, Iu891aStick(), open_port("pty", Iu891aStick.BAUD)) as bench:
        ran = run("receivers", "probe", bench.at)
    assert ran.code == 0
    assert ran.out == f"iu891a://{bench.at}: {SAID} c1,t1\n"


def test_modes_that_there_are_not_are_told_before_the_port_is_opened(run: Run) -> None:
    ran = run("listen", "iu891a:///dev/ttyS7?mode=r2", "--lines")
    assert ran.code == 2
    assert "unknown link mode 'r2'; known: c1, c1,t1, c2, s1" in ran.err
    assert "iu891a" in run("listen", "iu891:///dev/ttyS7", "--lines").err


@needs_pty
def test_a_stick_is_pulled_out_and_put_back(quick: Scenario, tmp_path: Path) -> None:
    stick = Iu891aStick()
    port = PtyPort(stick.BAUD, tmp_path / "stick")
    frames = FrameQueue()
    told: list[SourceEvent] = []
    with Bench(quick, stick, port) as bench:
        source = open_source(bench.url("c1,t1"))
        source.start(frames, told.append)
        try:
            wait_for(lambda: len(frames) >= 2)
            bench.unplug()
            wait_for(lambda: told[-1].state is SourceState.LOST)
            wait_for(lambda: frames.get(0.3) is None)
            bench.replug()
            wait_for(lambda: told[-1].state is SourceState.RECOVERED)
            wait_for(lambda: len(frames) >= 2)
        finally:
            source.stop()
    assert [event.state for event in told] == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED]


@needs_pty
def test_the_real_commands_on_a_pseudo_terminal() -> None:
    program = [sys.executable, "-m", "fieldtool"]
    simulate = [
        *program,
        "simulate",
        "receiver",
        "--kind",
        "iu891a",
        "--at",
        "pty",
        "--speed",
        "10",
        "--seconds",
        "60",
        "--json",
    ]
    with subprocess.Popen([*simulate, "--fault", "split", "--fault", "stray"], stdout=subprocess.PIPE) as simulator:
        try:
            assert simulator.stdout is not None
            at = json.loads(simulator.stdout.readline())["at"]
            listen = [*program, "listen", f"iu891a://{at}?mode=c1,t1", "--json", "--seconds", "2"]
            ran = subprocess.run(listen, capture_output=True, text=True, timeout=60, check=False)
        finally:
            simulator.terminate()
    assert ran.returncode == 0
    assert f"connected: {SAID} c1,t1" in ran.stderr
    assert ran.stdout.count("\n") >= 1


def test_a_recording_is_replayed_as_it_was_heard(run: Run, quick: Scenario, tmp_path: Path) -> None:
    recorded = tmp_path / "today.hex"
    with Bench.of(quick, "iu891a", "tcp", starts=STARTS, speed=10) as bench:
        live = run("listen", bench.url("c1,t1"), "--json", "--seconds", "1.2", "--record", recorded)
    again = run("replay", recorded, "--json")
    seen = [(one["hex"], one["received"]["mode"], one["received"]["rssi_dbm"]) for one in map(json.loads, live.lines)]
    replayed = [
        (one["hex"], one["received"]["mode"], one["received"]["rssi_dbm"]) for one in map(json.loads, again.lines)
    ]
    assert seen
    assert all(one in replayed for one in seen)
