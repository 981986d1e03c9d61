"""Wireless M-Bus sticks from end to end, all alike: on a bad line, pulled out, and by the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.registry import open_source
from simulators.bench import Bench
from simulators.ports import PtyPort, open_port
from simulators.receivers.amb8465 import Amb8465Stick
from simulators.receivers.iu891a import Iu891aStick
from simulators.receivers.line_faults import LineFaults
from simulators.receivers.rc1180 import FramedRc1180Stick
from simulators.scenario import Scenario
from tests.fieldtool.stick_bench import PORTS, needs_pty, wait_for

Stick = Amb8465Stick | Iu891aStick | FramedRc1180Stick


@dataclass(frozen=True, slots=True)
class Case:
    """A stick: its simulated kind, how it is made, what it is called, and its radio mode after `c1,t1` was set."""

    kind: str
    make: Callable[[], Stick]
    said: str
    mode: int

    @property
    def scheme(self) -> str:
        """What its addresses begin with."""
        return self.kind.partition("-")[0]


CASES = [
    Case("amb8465", Amb8465Stick, "AMB8465 53005B0E, firmware 2.1.4, listens to c1,t1", 0x09),
    Case("rc1180-framed", FramedRc1180Stick, "RC1180-MBUS 78563412, listens to c1,t1", 0x0A),
    Case("iu891a", Iu891aStick, "iU891A-XL 00062DBE, firmware 1.1, listens to c1,t1", 0x03),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.scheme)


def written(stick: Stick) -> int:
    """How often what outlasts the power was changed."""
    return stick.counters.stored if isinstance(stick, Iu891aStick) else stick.counters.flash_writes


def radio_mode(stick: Stick) -> int:
    """What it listens to, in its own numbers."""
    return stick.config.link_mode if isinstance(stick, Iu891aStick) else stick.mode


@each
@pytest.mark.parametrize("at", PORTS)
def test_damage_on_the_line_is_counted_and_overcome(quick: Scenario, case: Case, at: str) -> None:
    stick = case.make()
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
    assert written(stick) == 0


@needs_pty
@each
def test_a_stick_is_pulled_out_and_put_back(quick: Scenario, tmp_path: Path, case: Case) -> None:
    stick = case.make()
    port = PtyPort(stick.BAUD, tmp_path / "stick")
    before = radio_mode(stick)
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
            assert radio_mode(stick) == before
            wait_for(lambda: told[-1].state is SourceState.RECOVERED)
            wait_for(lambda: len(frames) >= 2)
        finally:
            source.stop()
    assert [event.state for event in told] == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED]
    assert radio_mode(stick) == case.mode != before


@needs_pty
@each
def test_the_real_commands_on_a_pseudo_terminal(case: Case) -> None:
    program = [sys.executable, "-m", "fieldtool"]
    place = ["--kind", case.kind, "--at", "pty", "--speed", "5", "--seconds", "60", "--json"]
    simulate = [*program, "simulate", "receiver", *place, "--fault", "split", "--fault", "stray"]
    with subprocess.Popen(simulate, stdout=subprocess.PIPE) as simulator:
        try:
            assert simulator.stdout is not None
            at = json.loads(simulator.stdout.readline())["at"]
            listen = [*program, "listen", f"{case.scheme}://{at}?mode=c1,t1", "--json", "--seconds", "2.5"]
            ran = subprocess.run(listen, capture_output=True, text=True, timeout=60, check=False)
        finally:
            simulator.terminate()
    assert ran.returncode == 0
    assert f"connected: {case.said}" in ran.stderr
    assert ran.stdout.count("\n") >= 1
