"""AMB8465 sticks from end to end: `listen` and `probe`, what is theirs alone; `test_stick_listen` has the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from simulators.bench import Bench
from simulators.ports import open_port
from simulators.receivers.amb8465 import Amb3665Stick, Amb8465Stick
from simulators.receivers.im871a import Im871aStick
from simulators.receivers.line_faults import LineFaults
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run
from tests.fieldtool.stick_bench import needs_pty

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)


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


def test_faults_are_for_sticks_that_have_them(run: Run) -> None:
    ran = run("simulate", "receiver", "--kind", "rn2483", "--at", "tcp:0", "--fault", "mute", "--seconds", "0.1")
    assert ran.code == 2
    assert "no faults are simulated on the line of rn2483" in ran.err
