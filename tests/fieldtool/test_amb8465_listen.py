"""AMB8465 sticks from end to end: `listen` and `probe` on pseudo terminals and TCP, pulled out, and on a bad line."""

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
from simulators.receivers.amb8465 import Amb3665Stick, Amb8465Stick
from simulators.receivers.im871a import Im871aStick
from simulators.receivers.line_faults import LineFaults
from simulators.scenario import Faults, Scenario
from tests.fieldtool.conftest import Run

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals on Windows")
PORTS = [pytest.param("pty", marks=needs_pty), "tcp"]


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


@pytest.mark.parametrize(("kind", "at"), [pytest.param("amb8465", "pty", marks=needs_pty), ("amb8465-bare", "tcp")])
def test_listening(run: Run, quick: Scenario, kind: str, at: str) -> None:
    with Bench.of(quick, kind, at, starts=STARTS) as bench:
        assert bench.url("t1").startswith("amb8465")
        ran = run("listen", bench.url("t1"), "--json", "--seconds", "1.5")
    assert ran.code == 0
    assert "connected: AMB8465 53005B0E, firmware 2.1.4, listens to t1" in ran.err
    assert ("without a checksum (setting 05 is off)" in ran.err) == (kind == "amb8465-bare")
    received = [json.loads(line)["received"] for line in ran.lines]
    assert received
    assert {(one["source"], one["mode"]) for one in received} == {("amb8465", "T1")}
    assert all((one["rssi_dbm"] is None) == (kind == "amb8465-bare") for one in received)


@pytest.mark.parametrize("at", PORTS)
def test_damage_on_the_line_is_counted_and_overcome(quick: Scenario, at: str) -> None:
    stick = Amb8465Stick(faults=LineFaults(stray=0.3, split=True))
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


def test_a_mute_stick_ends_with_a_reason(run: Run, quick: Scenario) -> None:
    stick = Amb8465Stick(faults=LineFaults(mute=True))
    with Bench(quick, stick, open_port("tcp", stick.BAUD)) as bench:
        ran = run("receivers", "probe", bench.url())
    assert ran.code == 3
    assert "no AMB8465 answered within 2 s" in ran.err


@needs_pty
@pytest.mark.parametrize(
    ("stick", "said", "code"),
    [
        (Amb8465Stick, "AMB8465 53005B0E, firmware 2.1.4, listens to c1,t1", 0),
        (Im871aStick, "iM871A 00102030, firmware 1.4, listens to c1,t1", 0),
        (Amb3665Stick, "AMB3665 53005B0E cannot listen to c1,t1", 3),
    ],
    ids=["amb8465", "im871a", "amb3665"],
)
def test_a_port_of_unknown_kind(
    run: Run, quick: Scenario, stick: Callable[[], Amb8465Stick | Im871aStick], said: str, code: int
) -> None:
    device = stick()
    with Bench(quick, device, open_port("pty", device.BAUD)) as bench:
        ran = run("receivers", "probe", bench.at)
    assert ran.code == code
    assert said in ran.out + ran.err


def test_modes_that_there_are_not_are_told_before_the_port_is_opened(run: Run) -> None:
    ran = run("listen", "amb8465:///dev/ttyS7?mode=n3a", "--lines")
    assert ran.code == 2
    assert "unknown link mode 'n3a'; known: c1, c1,t1, c2, n1a" in ran.err


@needs_pty
def test_a_stick_is_pulled_out_and_put_back(quick: Scenario, tmp_path: Path) -> None:
    stick = Amb8465Stick()
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
            assert stick.mode == 3
            wait_for(lambda: told[-1].state is SourceState.RECOVERED)
            wait_for(lambda: len(frames) >= 2)
        finally:
            source.stop()
    assert [event.state for event in told] == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED]
    assert stick.mode == 9


@needs_pty
def test_the_real_commands_on_a_pseudo_terminal() -> None:
    program = [sys.executable, "-m", "fieldtool"]
    simulate = [*program, "simulate", "receiver", "--kind", "amb8465", "--at", "pty", "--seconds", "30", "--json"]
    with subprocess.Popen([*simulate, "--fault", "split", "--fault", "stray"], stdout=subprocess.PIPE) as simulator:
        try:
            assert simulator.stdout is not None
            at = json.loads(simulator.stdout.readline())["at"]
            listen = [*program, "listen", f"amb8465://{at}?mode=c1,t1", "--json", "--seconds", "3"]
            ran = subprocess.run(listen, capture_output=True, text=True, timeout=60, check=False)
        finally:
            simulator.terminate()
    assert ran.returncode == 0
    assert "connected: AMB8465 53005B0E" in ran.stderr
    assert ran.stdout.count("\n") >= 1


def test_faults_are_for_sticks_that_have_them(run: Run) -> None:
    ran = run("simulate", "receiver", "--kind", "rn2483", "--at", "tcp:0", "--fault", "mute", "--seconds", "0.1")
    assert ran.code == 2
    assert "no faults are simulated on the line of rn2483" in ran.err
