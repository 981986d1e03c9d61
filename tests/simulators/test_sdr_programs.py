"""Simulated rtl_wmbus and rtl_433: what they write is what the reader of their lines reads, and so is the damage."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from protocols.receivers.sdr_lines import PROGRAMS, Heard, LineEvent, LineStream, Useless
from simulators.air import Air
from simulators.bench import Bench
from simulators.errors import PortError
from simulators.ports import NamedPipe, open_port
from simulators.receivers.device import device
from simulators.scenario import Faults, Scenario

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KINDS = pytest.mark.parametrize("kind", PROGRAMS)
NO_PIPES = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in its file system")


def written(kind: str, faults: Faults) -> tuple[list[LineEvent], set[str]]:
    """What a reader reads in two minutes, and what the meters sent, in hex."""
    air = Air(replace(Scenario.load(), faults=faults), STARTS)
    program = device(kind, seed=5)
    stream = LineStream(PROGRAMS[kind])
    meters = {meter.meter.name: meter for meter in air.meters}
    sent: set[str] = set()
    events: list[LineEvent] = []
    for step in range(1200):
        for transmission in air.advance(STARTS + step * timedelta(seconds=0.1)):
            program.hear(transmission, 0.0)
            if transmission.lora is None:
                meter = meters[transmission.meter]
                sent.add(meter.frame(meter.sent - 1, transmission.at).hex())
            for piece in program.due(0.0):
                events += stream.feed(piece)
    return events, sent


@KINDS
def test_what_is_written_can_be_read(kind: str) -> None:
    events, sent = written(kind, Faults())
    frames = [event.frame for event in events if isinstance(event, Heard)]
    assert len(frames) == len(events) > 50
    assert {frame.mode for frame in frames} >= {"T1", "C1"}
    heard = {frame.data.hex() for frame in frames}
    assert heard <= sent
    assert len(heard) > 50


@KINDS
def test_damaged_telegrams_are_told_or_left_out(kind: str) -> None:
    events, _ = written(kind, Faults(bit_errors=1.0))
    damaged = [event for event in events if isinstance(event, Useless) and event.damaged]
    assert len(damaged) == len(events)
    assert bool(damaged) == (kind == "rtlwmbus")


def test_some_telegrams_are_written_twice_within_moments() -> None:
    events, _ = written("rtlwmbus", Faults())
    heard = [event for event in events if isinstance(event, Heard)]
    twice = [
        later.local_at - first.local_at
        for first, later in pairwise(heard)
        if first.frame.data == later.frame.data and first.local_at and later.local_at
    ]
    assert len(twice) > 5
    assert max(twice) < timedelta(milliseconds=100)


def test_ports_that_fit() -> None:
    scenario = Scenario.load()
    assert Bench.of(scenario, "rtlwmbus").url() == "rtlwmbus:-"
    assert Bench.of(scenario, "rtl433", "fifo:/run/lines").url() == "rtl433:///run/lines"
    assert Bench.of(scenario, "rtl433", "tcp:5000").url() == "rtl433+socket://127.0.0.1:5000"
    with pytest.raises(PortError, match="does not stand at 'pty'"):
        Bench.of(scenario, "rtlwmbus", "pty")
    with pytest.raises(PortError, match="im871a does not stand at 'stdout', where nobody answers"):
        Bench.of(scenario, "im871a", "stdout")
    with pytest.raises(PortError, match="no port 'fifo:'"):
        open_port("fifo:", 9600)


@NO_PIPES
def test_a_named_pipe_whose_readers_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    port = NamedPipe(path)
    port.plug()
    port.write(b"nobody reads\n")
    assert port.dropped == len(b"nobody reads\n")
    for line in (b"one\n", b"two\n"):
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        port.write(line)
        assert os.read(reader, 100) == line
        os.close(reader)
        port.write(b"lost\n")
    port.unplug()
    assert not path.exists(), "what was made is removed"
    path.write_text("kept")
    with pytest.raises(PortError, match="is no named pipe"):
        port.plug()
    assert path.read_text() == "kept"
