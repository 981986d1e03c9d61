"""One stick for listening and for acting: who listens lets go of the port, and has it back afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.actions.links import open_link
from fieldtool.pipeline.listening import Listening
from fieldtool.sources.events import SourceState
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.registry import open_source
from fieldtool.sources.serial_port import open_port
from fieldtool.sources.serial_receiver import SerialReceiver
from fieldtool.tui.action_run import ActionRun
from protocols.learned import LearnedDecoder
from protocols.model import Outcome
from protocols.receivers.im871a import Im871a
from simulators.bench import Bench as StickBench
from simulators.field_meter.radio_bench import radio_bench
from simulators.field_meter.shared_lock import SharedLock
from tests.fieldtool.actions.action_bench import Bench, RunningClock, open_bench, share_lock
from tests.fieldtool.test_sources import Told, wait_for


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "vault", RunningClock()) as opened:
        share_lock(opened, 1)
        yield opened


@pytest.fixture
def stick(bench: Bench) -> Iterator[StickBench]:
    assert isinstance(bench.lock, SharedLock)
    with radio_bench(bench.lock, "tcp", starts=bench.clock()) as started:
        yield started


def listening_to(stick: StickBench, bench: Bench) -> Listening:
    source = open_source(stick.url("c1,t1"), lambda: datetime.now(UTC))
    return Listening([source], LearnedDecoder(bench.vault.keys_for), news_size=0)


def test_a_port_is_lent_and_comes_back(bench: Bench, stick: StickBench) -> None:
    listening = listening_to(stick, bench)
    listening.start()
    try:
        wait_for(lambda: listening.reception.counters.received, 15)
        target = f"socket://{stick.at}"
        with listening.lent("socket://127.0.0.1:1"):
            assert listening.newest()[0].state is SourceState.CONNECTED
        with listening.lent(target):
            assert listening.newest()[0].state is SourceState.LENT
            with closing(open_port(target, Im871a.BAUD)) as port:
                port.write(b"")
        wait_for(lambda: listening.newest()[0].state is SourceState.RECOVERED, 15)
        before = listening.reception.counters.received
        wait_for(lambda: listening.reception.counters.received > before, 15)
    finally:
        listening.stop()


def test_who_ends_meanwhile_begins_nothing_anew(bench: Bench, stick: StickBench) -> None:
    source = open_source(stick.url("c1,t1"))
    assert isinstance(source, SerialReceiver)
    with source.lent():
        """Nothing was begun yet, and nothing is told."""
    told = Told()
    source.start(FrameQueue(), told)
    wait_for(lambda: told.states, 15)
    with source.lent():
        source.stop()
    assert told.states == [SourceState.CONNECTED, SourceState.LENT]
    assert not any(thread.name.startswith("reader-") for thread in threading.enumerate())


def test_a_meter_is_read_out_with_the_stick_that_hears_it(bench: Bench, stick: StickBench) -> None:
    listening = listening_to(stick, bench)
    listening.start()
    try:
        wait_for(lambda: any(row.outcome is Outcome.OK for row in listening.reception.rows()), 15)
        run = ActionRun(bench.vault, stick.url("c2"), bench.choice, open_link, listening.lent)
        with closing(run):
            read_out = run.read_out()
            assert listening.newest()[0].state is SourceState.LENT
        assert read_out.meter == bench.meter.address
        assert any(reading.name == "volume" for telegram in read_out.telegrams for reading in telegram.readings)
        wait_for(lambda: listening.newest()[0].state is SourceState.RECOVERED, 15)
        before = listening.reception.counters.received
        wait_for(lambda: listening.reception.counters.received > before, 15)
    finally:
        listening.stop()
