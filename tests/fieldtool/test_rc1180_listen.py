"""RC1180-MBUS sticks from end to end: `listen` and `probe` on pseudo terminals and TCP, pulled out, on a bad line."""

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
from simulators.receivers.line_faults import LineFaults
from simulators.receivers.rc1180 import FramedRc1180Stick, Rc1180Stick
from simulators.scenario import Faults, Scenario
from tests.fieldtool.conftest import Run

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals on Windows")
PORTS = [pytest.param("pty", marks=needs_pty), "tcp"]


@pytest.fixture
def quick() -> Scenario:
    """The demonstration's meters, each sending often, and nothing lost on the air."""
    scenario = Scenario.load()
    meters = tuple(replace(meter, interval_s=1.5) for meter in scenario.meters)
    return replace(scenario, meters=meters, faults=Faults())


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(("kind", "at"), [pytest.param("rc1180", "pty", marks=needs_pty), ("rc1180-framed", "tcp")])
def test_listening(run: Run, quick: Scenario, kind: str, at: str) -> None:
    with Bench.of(quick, kind, at, starts=STARTS) as bench:
        assert bench.url("t1").startswith("rc1180")
        ran = run("listen", bench.url("t1"), "--json", "--seconds", "2.2")
    assert ran.code == 0
    assert "connected: RC1180-MBUS 78563412, listens to t1" in ran.err
    assert ("without a checksum (setting 36)" in ran.err) == (kind == "rc1180")
    received = [json.loads(line)["received"] for line in ran.lines]
    assert received
    assert {(one["source"], one["mode"]) for one in received} == {("rc1180", "T1")}
    assert all((one["rssi_dbm"] is None) == (kind == "rc1180") for one in received)


@pytest.mark.parametrize("at", PORTS)
def test_damage_on_the_line_is_counted_and_overcome(quick: Scenario, at: str) -> None:
    stick = FramedRc1180Stick()
    stick.faults = LineFaults(stray=0.3, split=True)
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
    assert stick.counters.flash_writes == 0


@needs_pty
def test_a_port_of_unknown_kind(run: Run, quick: Scenario) -> None:
    stick = Rc1180Stick()
    with Bench(quick, stick, open_port("pty", stick.BAUD)) as bench:
        ran = run("receivers", "probe", bench.at)
    assert ran.code == 0
    assert "RC1180-MBUS 78563412, listens to c1,t1" in ran.out


def test_modes_that_there_are_not_are_told_before_the_port_is_opened(run: Run) -> None:
    ran = run("listen", "rc1180:///dev/ttyS7?mode=n3a", "--lines")
    assert ran.code == 2
    assert "unknown link mode 'n3a'; known: c1, c1,t1, c2" in ran.err


@needs_pty
def test_a_stick_is_pulled_out_and_put_back(quick: Scenario, tmp_path: Path) -> None:
    stick = Rc1180Stick(settle_s=0.1)
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
    assert stick.mode == 0x0A


@needs_pty
def test_the_real_commands_on_a_pseudo_terminal() -> None:
    program = [sys.executable, "-m", "fieldtool"]
    simulate = [*program, "simulate", "receiver", "--kind", "rc1180-framed", "--at", "pty", "--seconds", "30", "--json"]
    with subprocess.Popen([*simulate, "--fault", "split", "--fault", "stray"], stdout=subprocess.PIPE) as simulator:
        try:
            assert simulator.stdout is not None
            at = json.loads(simulator.stdout.readline())["at"]
            listen = [*program, "listen", f"rc1180://{at}?mode=c1,t1", "--json", "--seconds", "3"]
            ran = subprocess.run(listen, capture_output=True, text=True, timeout=60, check=False)
        finally:
            simulator.terminate()
    assert ran.returncode == 0
    assert "connected: RC1180-MBUS 78563412, listens to c1,t1" in ran.stderr
    assert ran.stdout.count("\n") >= 1
