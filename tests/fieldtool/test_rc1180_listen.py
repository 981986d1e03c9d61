"""RC1180-MBUS sticks from end to end: `listen` and `probe`, what is theirs alone; `test_stick_listen` has the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from simulators.bench import Bench
from simulators.ports import open_port
from simulators.receivers.rc1180 import Rc1180Stick
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run
from tests.fieldtool.stick_bench import needs_pty

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)


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
