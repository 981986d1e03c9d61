"""iU891A sticks from end to end: `listen` and `probe`, what is theirs alone; `test_stick_listen` has the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.bench import Bench
from simulators.ports import open_port
from simulators.receivers.iu891a import Iu891aStick
from simulators.receivers.line_faults import LineFaults
from simulators.receivers.wimod import WimodModule
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run
from tests.fieldtool.stick_bench import needs_pty

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
SAID = "iU891A-XL 00062DBE, firmware 1.1, listens to"


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
