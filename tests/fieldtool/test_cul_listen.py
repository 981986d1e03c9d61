"""CUL sticks from end to end: `listen` and `receivers probe` on pseudo terminals and TCP, recorded and replayed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.exit_codes import ExitCode
from simulators.bench import Bench
from simulators.ports import open_port
from simulators.receivers.cul import CulStick
from simulators.receivers.line_faults import LineFaults
from simulators.scenario import Faults, Scenario
from tests.fieldtool.conftest import Run

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
ON_LINUX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
PORTS = [pytest.param("pty", marks=ON_LINUX), "tcp"]
SPEED = 20.0


def bench(at: str, faults: Faults | None = None, *, has_mode_c: bool = True) -> Bench:
    scenario = replace(Scenario.load(), faults=faults or Faults())
    stick = CulStick(faults=LineFaults(split=True), has_mode_c=has_mode_c)
    return Bench(scenario, stick, open_port(at, CulStick.BAUD), starts=STARTS, speed=SPEED)


@pytest.mark.parametrize(("mode", "at"), [("c1", "tcp"), pytest.param("t1", "pty", marks=ON_LINUX)])
def test_meters_of_one_mode_are_heard(run: Run, mode: str, at: str) -> None:
    with bench(at) as simulated:
        ran = run("listen", simulated.url(mode), "--json", "--seconds", "1.2")
    assert ran.code == 0
    assert f"connected: nanoCUL868, firmware 1.67, listens to {mode}" in ran.err
    heard = [json.loads(line) for line in ran.lines]
    assert heard
    assert {one["received"]["source"] for one in heard} == {"cul"}
    assert {one["received"]["mode"] for one in heard} <= ({"C1", None} if mode == "c1" else {"T1"})
    assert all(-100 <= one["received"]["rssi_dbm"] <= -8 for one in heard)
    assert {one["outcome"] for one in heard} <= {"ok", "no_key"}
    formats = {one["verdict"][0]["detail"] for one in heard}
    assert ("format B, block CRCs fit" in formats) == (mode == "c1")


@pytest.mark.parametrize("at", PORTS[:1])
def test_damage_is_told_live_and_in_the_recording(run: Run, tmp_path: Path, at: str) -> None:
    recorded = tmp_path / "today.hex"
    with bench(at, Faults(bit_errors=0.5)) as simulated:
        live = run("listen", simulated.url("c1"), "--json", "--seconds", "1.2", "--record", recorded)
    damaged = [json.loads(line) for line in live.lines if json.loads(line)["outcome"] == "damaged"]
    assert damaged
    assert "format B CRC" in live.out
    again = run("replay", recorded, "--json")
    replayed = [one for one in map(json.loads, again.lines) if one["outcome"] == "damaged"]
    assert {one["problem"] for one in damaged} <= {one["problem"] for one in replayed}
    assert {one["outcome"] for one in map(json.loads, again.lines)} == {"damaged", "no_key"}


@pytest.mark.parametrize("at", PORTS)
def test_a_stick_that_was_pulled_out_is_used_again(run: Run, at: str) -> None:
    with bench(at) as simulated:
        assert run("receivers", "probe", simulated.url("t1")).out.endswith("nanoCUL868, firmware 1.67, listens to t1\n")
        simulated.unplug()
        assert run("receivers", "probe", simulated.url("t1")).code == ExitCode.RECEIVER
        simulated.replug()
        ran = run("listen", simulated.url("t1"), "--json", "--seconds", "1")
    assert ran.lines


@ON_LINUX
def test_a_port_alone_is_found_to_have_a_cul(run: Run) -> None:
    with bench("pty") as simulated:
        ran = run("receivers", "probe", simulated.at)
    assert ran.code == 0
    assert ran.out == f"cul://{simulated.at}: nanoCUL868, firmware 1.67, listens to c1\n"


def test_what_cannot_be_done_is_said_in_one_line(run: Run) -> None:
    with bench("tcp", has_mode_c=False) as simulated:
        old = run("receivers", "probe", simulated.url("c1"))
    assert old.code == ExitCode.RECEIVER
    assert "the firmware 1.67 of this nanoCUL868 has no mode C" in old.err
    assert "choose mode=s1 or mode=t1" in old.err
    both = run("listen", "cul:///dev/ttyUSB0?mode=c1,t1", "--seconds", "1")
    assert both.code == ExitCode.USAGE
    assert "one mode at a time" in both.err
    assert "mode=c1" in run("listen", "cul:", "--seconds", "1").err
