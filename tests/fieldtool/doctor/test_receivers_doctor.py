"""`fieldtool receivers doctor` from end to end: simulated sticks on pseudo terminals, ports that others hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from fieldtool.doctor.machine import this_machine
from fieldtool.sources.serial_port import PortDescription
from protocols.receivers.registry import REGISTRY, receiver
from simulators.air import Transmission
from simulators.bench import Bench
from simulators.ports import open_port
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run

ROOT = Path(__file__).resolve().parents[3]
RUNGS = ["port", "permission", "free", "opens", "answers", "mode"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")


@pytest.mark.parametrize("kind", REGISTRY)
def test_every_kind_is_told_rung_by_rung(run: Run, scenario: Scenario, kind: str) -> None:
    with Bench.of(scenario, kind, "pty") as bench:
        ran = run("receivers", "doctor", f"{kind}://{bench.at}", "--json")
    assert ran.code == 0, ran.out
    told = json.loads(ran.out)
    family = receiver(kind)
    assert (told["port"], told["kind"], told["title"], told["well"]) == (bench.at, kind, family.TITLE, True)
    assert told["modes"] == list(family.MODES)
    assert told["receiver"] == f"{kind}://{bench.at}?mode={family.DEFAULT_MODE}"
    assert [(step["rung"], step["state"]) for step in told["rungs"]] == [(rung, "passed") for rung in RUNGS]
    assert told["heard"] is None
    assert ran.err == ""


@pytest.mark.parametrize(("first", "kind"), [("amb8465", "lora-e5"), ("amb8465", "im871a")])
def test_what_was_asked_of_other_kinds_spoils_no_answer(
    run: Run, scenario: Scenario, first: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two modules share a baud rate, or not; the whole round on one port would take a quarter of a minute."""
    monkeypatch.setattr("fieldtool.doctor.target.REGISTRY", {name: REGISTRY[name] for name in (first, kind)})
    with Bench.of(scenario, kind, "pty") as bench:
        ran = run("receivers", "doctor", bench.at, "--json")
    assert ran.code == 0, ran.out
    assert json.loads(ran.out)["kind"] == kind


def test_the_lines_name_what_answers_and_how_to_listen_to_it(run: Run, scenario: Scenario) -> None:
    with Bench.of(scenario, "im871a", "pty", speed=20) as bench:
        ran = run("receivers", "doctor", f"im871a://{bench.at}?mode=t1", "--seconds", "1")
    assert ran.code == 0
    assert ran.lines[0] == bench.at
    assert [line[2] for line in ran.lines[1:8]] == ["✓"] * 7
    assert "iM871A 00102030, firmware 1.4" in ran.lines[5]
    assert "listens to t1; can be asked for c1 or c1,t1" in ran.lines[6]
    assert "telegram" in ran.lines[7]
    assert "in T1" in ran.lines[7]
    assert ran.lines[8].split() == ["listen", "fieldtool", "listen", f"'im871a://{bench.at}?mode=t1'"]


def test_silence_on_the_air_is_no_failure(run: Run, scenario: Scenario) -> None:
    with Bench.of(replace(scenario, meters=(), devices=()), "cul", "pty") as bench:
        ran = run("receivers", "doctor", f"cul://{bench.at}?mode=t1", "--seconds", "0.5", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert told["well"]
    assert told["heard"]["telegrams"] == 0
    air = told["rungs"][-1]
    assert (air["rung"], air["state"]) == ("air", "not_reached")
    assert "no fault" in air["next"]
    assert "mode=" in air["next"]


def test_a_receiver_of_one_mode_at_a_time_listens_to_the_next_one(run: Run, scenario: Scenario) -> None:
    only_t1 = tuple(replace(meter, interval_s=1) for meter in scenario.meters if meter.mode == "T1")
    assert only_t1
    with Bench.of(replace(scenario, meters=only_t1, devices=()), "cul", "pty", speed=10) as bench:
        ran = run("receivers", "doctor", f"cul://{bench.at}", "--seconds", "1", "--json")
    told = json.loads(ran.out)
    assert ran.code == 0
    assert set(told["heard"]["by_mode"]) == {"T1"}
    assert told["receiver"] == f"cul://{bench.at}?mode=t1"


class Gps:
    """A device that sends its position again and again, whatever it is told."""

    KIND: ClassVar[str] = "im871a"
    BAUD: ClassVar[int] = 9600
    next_due_s: float | None = 0.0

    def receive(self, data: bytes, now_s: float) -> None: ...

    def hear(self, transmission: Transmission, now_s: float) -> None: ...

    def due(self, now_s: float) -> list[bytes]:
        return [b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"]

    def power_cycle(self) -> None: ...


def test_a_gps_is_told_as_what_it_is(run: Run, scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldtool.doctor.target.REGISTRY", {"lora-e5": REGISTRY["lora-e5"]})
    with Bench(scenario, Gps(), open_port("pty", Gps.BAUD)) as bench:
        ran = run("receivers", "doctor", bench.at)
    assert ran.code == 3
    (wrong,) = [line for line in ran.lines if line.startswith("  ✗")]
    assert "answers" in wrong
    assert "a satellite receiver (GPS)" in wrong


def test_another_kind_than_the_one_named_is_told(run: Run, scenario: Scenario) -> None:
    with Bench.of(scenario, "im871a", "pty") as bench:
        ran = run("receivers", "doctor", f"amb8465://{bench.at}")
    assert ran.code == 3
    (wrong,) = [line for line in ran.lines if line.startswith("  ✗")]
    assert "iM871A" in wrong
    assert f"no {receiver('amb8465').TITLE}" in wrong
    assert f"→ fieldtool listen 'im871a://{bench.at}?mode=c1,t1'" in wrong


def test_a_mode_that_the_receiver_does_not_have(run: Run, scenario: Scenario) -> None:
    with Bench.of(scenario, "wimod", "pty") as bench:
        ran = run("receivers", "doctor", f"wimod://{bench.at}?mode=900/sf7", "--json")
    told = json.loads(ran.out)
    states = {step["rung"]: step["state"] for step in told["rungs"]}
    assert states["opens"] == "passed"
    assert (ran.code, told["well"]) in ((0, True), (3, False))
    if not told["well"]:
        assert (states["answers"], states["mode"]) == ("passed", "failed")


def test_a_receiver_behind_a_serial_server(run: Run, scenario: Scenario) -> None:
    with Bench.of(scenario, "im871a", "tcp") as bench:
        ran = run("receivers", "doctor", f"socket://{bench.at}", "--json")
    told = json.loads(ran.out)
    assert ran.code == 0
    assert told["receiver"] == f"im871a+socket://{bench.at}?mode=c1,t1"
    assert [step["rung"] for step in told["rungs"]] == RUNGS[3:]


def test_a_serial_server_that_is_not_there(run: Run) -> None:
    ran = run("receivers", "doctor", "im871a+socket://127.0.0.1:9")
    assert ran.code == 3
    assert "✗ opens" in ran.out
    assert "nobody answers" in ran.out


def test_a_source_that_cannot_be_opened_spoils_no_other_report(run: Run, tmp_path: Path) -> None:
    ran = run("receivers", "doctor", f"rtlwmbus:{tmp_path / 'lines'}", "im871a+socket://127.0.0.1:9", "--json")
    assert ran.code == 3
    first, second = (json.loads(line) for line in ran.lines)
    assert "failed" in {step["state"] for step in first["rungs"]}
    assert "failed" in {step["state"] for step in second["rungs"]}


def test_what_is_on_no_serial_port(run: Run) -> None:
    ran = run("receivers", "doctor", "sim:demo", "--seconds", "1")
    assert ran.code == 0, ran.out
    assert "✓ opens" in ran.out
    assert "fieldtool listen sim:demo" in ran.out
    for url in ("gwmp://192.0.2.1:1700", "rtlwmbus+socket://127.0.0.1:9"):
        gone = run("receivers", "doctor", url)
        assert gone.code == 3, url
        assert "✗ opens" in gone.out
        assert " → " in gone.out
    assert run("receivers", "doctor", "rtlwmbus:-").code == 2
    assert run("receivers", "doctor", "file:capture.hex").code == 2


def test_a_port_that_another_program_has(run: Run, mute_port: str) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell who has a mute_port open")
    code = (
        "import sys, serial\nport = serial.Serial(sys.argv[1], exclusive=True)\nprint(flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, mute_port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ran = run("receivers", "doctor", mute_port)
        other.communicate(b"")
    assert ran.code == 3
    (wrong,) = [line for line in ran.lines if line.startswith("  ✗")]
    assert "free" in wrong
    assert f"(process {other.pid}) has it open" in wrong
    assert f"`kill {other.pid}`" in wrong
    assert "not reached" in ran.lines[-1]


UNPRIVILEGED = """
import contextlib, grp, io, os, pwd, sys
from fieldtool.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["receivers", "doctor", "/dev/nowhere"])  # nobody may not be allowed to read where Python is installed
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("mode", "cure"), [(0o000, "udev rule"), (0o060, "usermod -aG tty")])
def test_a_port_that_this_user_may_not_open(mute_port: str, mode: int, cure: str) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the cure is another one elsewhere")
    if mode and os.geteuid() != 0:
        pytest.skip("only root can stop being in a group")
    if mode:
        shutil.chown(mute_port, group="tty")
    Path(mute_port).chmod(mode)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, "receivers", "doctor", mute_port],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    (wrong,) = [line for line in done.stdout.splitlines() if line.startswith("  ✗")]
    assert "permission" in wrong
    assert cure in wrong


def test_no_port_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldtool.doctor.machine.list_ports", list)
    ran = run("receivers", "doctor")
    assert ran.code == 3
    assert ran.lines[0] == "no port"
    assert "there is no serial port on USB → " in ran.lines[1]
    told = json.loads(run("receivers", "doctor", "--json").out)
    assert told["port"] is None


def test_all_ports_on_usb_are_looked_at_and_no_other(
    run: Run, scenario: Scenario, mute_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench.of(scenario, "amb8465", "pty") as bench:
        ports = [
            PortDescription(bench.at, "FT232R", (0x0403, 0x6001)),
            PortDescription(mute_port, "n/a", None),
        ]
        monkeypatch.setattr("fieldtool.doctor.machine.list_ports", lambda: ports)
        assert [found.path for found in this_machine().ports()] == [bench.at, mute_port]
        ran = run("receivers", "doctor", "--json")
        assert ran.code == 0
        (told,) = map(json.loads, ran.lines)
        assert (told["port"], told["usb_id"], told["description"]) == (bench.at, "0403:6001", "FT232R")
        assert f"only when named: {mute_port}" in ran.err
        # One mute_port without its receiver spoils a list of ports that were named.
        both = run("receivers", "doctor", bench.at, "/dev/ttyUSB77")
    assert both.code == 3
    assert "/dev/ttyUSB77 does not exist" in both.out
