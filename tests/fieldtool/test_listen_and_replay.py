"""`listen`, `replay`, `demo` and `simulate`: from bytes to lines."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from fieldtool.doctor.asking import Answer
from fieldtool.doctor.target import Target
from fieldtool.replay.capture import lines_of
from fieldtool.replay.run import paced
from fieldtool.sources.registry import OPTIONS
from fieldtool.sources.serial_port import PortDescription
from fieldtool.sources.url import parse_url
from protocols.captures.lines import parse_lines
from protocols.model import RawFrame
from protocols.receivers.im871a.settings import DeviceInfo, DeviceType
from protocols.receivers.registry import REGISTRY, Receiver, receiver
from simulators.bench import Bench
from simulators.ports import open_port
from simulators.receivers.amb8465 import Amb8465Stick
from simulators.receivers.im871a import FACTORY_INFO, Im871aStick
from simulators.receivers.line_faults import LineFaults
from simulators.scenario import Scenario
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, START, Run

KAM_63001482 = "63001482"


def test_a_replay_gives_one_object_a_telegram_and_a_summary(
    run: Run, capture: Path, frames: tuple[RawFrame, ...]
) -> None:
    ran = run("replay", capture, "--json")
    shown = [json.loads(line) for line in ran.lines]
    assert [one["hex"] for one in shown] == [frame.data.hex().upper() for frame in frames]
    assert shown[0]["received"]["source"] == capture.name
    assert shown[0]["received"]["rssi_dbm"] == frames[0].rssi_dbm
    assert ran.code == 1
    assert f"{len(frames)} telegrams: " in ran.err
    assert " no key" in ran.err


def test_a_replay_in_lines(run: Run, capture: Path, frames: tuple[RawFrame, ...]) -> None:
    ran = run("replay", capture)
    assert len(ran.lines) == len(frames)
    assert any("heat cost allocator" in line and "✓ ok" in line for line in ran.lines)


def test_all_well_is_exit_code_0(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "gas.hex"
    path.write_text(f"telegram=|{GAS_HEX}|+1\ntelegram=|{GAS_HEX}|+2\n")
    assert run("replay", path, path, "--key", GAS_KEY).code == 0
    assert run("replay", "-", "--key", GAS_KEY, stdin=path.read_bytes()).code == 0


def test_standard_input_that_is_no_text_is_refused_at_once(run: Run) -> None:
    """Bytes without a line end would be read for ever."""
    ran = run("replay", "-", stdin=bytes(100_000))
    assert ran.code == 2
    assert "standard input is no text" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("options", [(), ("--jobs", "2"), ("--speed", "1000000")])
def test_a_pipe_is_replayed_as_a_file_is(run: Run, capture: Path, options: tuple[str, ...]) -> None:
    pipe = capture.with_name("air.pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(capture.read_bytes()))
    writer.start()
    ran = run("replay", pipe, "--key", GAS_KEY, *options)
    writer.join()
    assert (ran.code, ran.lines) == (1, run("replay", capture, "--key", GAS_KEY).lines)


def test_a_folder_is_no_capture(run: Run, tmp_path: Path) -> None:
    ran = run("replay", tmp_path)
    assert ran.code == 2
    assert "is a folder" in ran.err


@pytest.mark.parametrize(
    ("content", "code", "what"),
    [
        (b"", 2, "no telegram"),
        (b"# nothing but a comment\n", 2, "no telegram"),
        (b"once upon a time\nthere was a text file\n", 2, "no telegram"),
        (b"\x7fELF\x02\x01\x00\x00\x00", 2, "is no text"),
        ("\ufeffabc".encode("utf-16"), 2, "UTF-16"),
        (GAS_HEX.encode()[:-9] + b"\n" + GAS_HEX.encode(), 1, "line 1: odd number"),
        (GAS_HEX.encode() + b"\n" + b"F" * 3_000_000 + b"\n", 1, "line 2: line of"),
        (GAS_HEX.encode() + b"\n\xff\xfe\xfd\n", 1, "line 2"),
        (GAS_HEX.encode()[:40] + b"\n", 1, "1 telegram: 1 damaged"),
    ],
)
def test_files_that_are_cut_foreign_or_broken(run: Run, tmp_path: Path, content: bytes, code: int, what: str) -> None:
    path = tmp_path / "some.hex"
    path.write_bytes(content)
    ran = run("replay", path, "--key", GAS_KEY)
    assert ran.code == code, ran.err
    assert what in ran.err
    assert "Traceback" not in ran.err


def test_many_bad_lines_are_counted_not_listed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "some.hex"
    path.write_text(GAS_HEX + "\n" + "zz\n" * 500)
    ran = run("replay", path, "--key", GAS_KEY)
    assert ran.err.count("not a hex digit") == 10
    assert "500 lines held no telegram" in ran.err
    assert ran.code == 1


def test_lines_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.hex"
    with path.open("wb") as file:
        for _ in range(20):
            file.write(b"A" * 1_000_000)
        file.write(b"\nshort\nlast")
    tracemalloc.start()
    with path.open("rb") as file:
        lines = [len(line) for line in lines_of(file, limit=1000)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines == [1001, 6, 4]
    assert peak < 1_000_000


def test_jobs_from_the_command_line(run: Run, capture: Path, frames: tuple[RawFrame, ...]) -> None:
    ran = run("replay", capture, "--json", "--jobs", "2")
    assert len(ran.lines) == len(frames)
    assert run("replay", capture, "--jobs", "2", "--speed", "real").code == 2


@pytest.mark.parametrize(
    ("lines", "factor", "pauses"),
    [
        ([f"telegram=|{GAS_HEX}|+{s}" for s in (1, 3, 3, 9)], 2.0, [1.0, 1.0, 4.0]),
        ([f"2026-01-02 03:04:{s:02};{GAS_HEX}" for s in (10, 11, 13)], 1.0, [1.0, 3.0]),
        ([GAS_HEX] * 3, 1.0, []),
        ([f"telegram=|{GAS_HEX}|+1", f"telegram=|{GAS_HEX}|", f"telegram=|{GAS_HEX}|+0"], 1.0, []),
    ],
)
def test_pace(lines: list[str], factor: float, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    slept: list[float] = []
    items = list(paced(parse_lines(lines), factor, slept.append))
    assert len(items) == len(lines)
    assert slept == pauses


def test_listening_to_a_stick_over_tcp_and_recording(run: Run, scenario: Scenario, tmp_path: Path) -> None:
    record = tmp_path / "record.hex"
    with Bench.of(scenario, at="tcp", speed=20) as bench:
        ran = run("listen", bench.url("c1,t1"), "--seconds", "3", "--json", "--record", record)
    assert ran.code == 0
    shown = [json.loads(line) for line in ran.lines]
    assert len({one["meter"]["number"] for one in shown}) >= 4
    assert all(one["received"]["source"] == "im871a" and one["received"]["at"] for one in shown)
    assert ": connected: iM871A" in ran.err
    replayed = run("replay", record, "--json")
    assert {json.loads(line)["hex"] for line in replayed.lines} == {one["hex"] for one in shown}


def test_listening_to_a_file_ends_with_it(run: Run, capture: Path, frames: tuple[RawFrame, ...]) -> None:
    ran = run("listen", f"file:{capture}", "--json")
    assert ran.code == 0
    assert len(ran.lines) == len({frame.data for frame in frames})
    assert f"{len(frames)} telegrams of " in ran.err


def test_listening_to_the_simulator(run: Run) -> None:
    ran = run("listen", "sim:demo?speed=20", "--seconds", "2")
    assert ran.code == 0
    assert any("KAM 63001468" in line for line in ran.lines)


@pytest.mark.parametrize("form", ["--json", ""])
def test_the_demonstration(run: Run, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ran = run("demo", "--seconds", "4", *([form] if form else []))
    assert ran.code == 0, ran.err
    assert "imported 3 keys from" in ran.err
    assert ".zip.kem2" in ran.err
    assert ".csv" in ran.err
    if form:
        shown = [json.loads(line) for line in ran.lines]
        outcomes = {one["meter"]["number"]: one["outcome"] for one in shown}
        assert sum(outcome == "ok" for outcome in outcomes.values()) >= 4
        assert {"no_key", "wrong_key"} <= set(outcomes.values())
        assert outcomes[KAM_63001482] == "no_key"
        lengths = {len(one["hex"]) for one in shown if one["meter"]["number"] == "63001468"}
        assert len(lengths) == 2, "the Kamstrup meter sends full and compact frames"
    else:
        assert any("○ no key" in line for line in ran.lines)
        assert any("✗ wrong key" in line for line in ran.lines)
    assert list(tmp_path.iterdir()) == []


def test_the_demonstration_hears_every_meter_in_its_time(scenario: Scenario) -> None:
    from fieldtool.demo import SPEED

    slowest = max(meter.interval_s for meter in scenario.meters)
    assert 20 * SPEED / slowest >= 3


def test_the_meters_of_a_scenario(run: Run, scenario: Scenario) -> None:
    shown = json.loads(run("simulate", "scenario", "--json").out)
    numbers = [meter.address.number for meter in scenario.meters]
    numbers += [device.address.number for device in scenario.devices]
    assert [one["number"] for one in shown] == numbers
    assert {"number", "manufacturer", "version", "medium", "key"} <= set(shown[0])
    assert len(shown[0]["key"]) == 32
    assert any(one["key"] is None for one in shown)
    listed = run("simulate", "scenario")
    assert KAM_63001482 in listed.out
    assert len({line.index("  every ") for line in listed.lines[1:]}) == 1, "a table has straight columns"
    assert len({line.index("  key ") for line in listed.lines[1:]}) == 1


def test_probing(run: Run, scenario: Scenario) -> None:
    with Bench.of(scenario, at="tcp") as bench:
        ran = run("receivers", "probe", "--json", bench.url())
        assert ran.code == 0
        assert "iM871A 00102030" in json.loads(ran.out)["answer"]


def test_a_port_alone_on_which_no_kind_answers_is_told_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(target: Target, _: object) -> list[tuple[type[Receiver], Answer]]:
        return [(receiver(kind), Answer(reason=f"no {kind} answered")) for kind in target.kinds]

    monkeypatch.setattr("fieldtool.cli.receivers.search", silent)
    ran = run("receivers", "probe", "/dev/ttyS7")
    assert ran.code == 3
    assert "no known receiver answered on /dev/ttyS7" in ran.err
    assert all(kind in ran.err for kind in REGISTRY)
    assert "fieldtool receivers doctor /dev/ttyS7" in ran.err


@pytest.mark.parametrize("words", [["listen"], ["receivers", "probe"]], ids=" ".join)
def test_a_port_that_cannot_be_used_leads_to_the_doctor(run: Run, scenario: Scenario, words: list[str]) -> None:
    gone = run(*words, "im871a:///dev/nowhere")
    assert gone.code == 3
    assert "fieldtool receivers doctor /dev/nowhere" in gone.err
    stick = Amb8465Stick(faults=LineFaults(mute=True))
    with Bench(scenario, stick, open_port("tcp", stick.BAUD)) as bench:
        mute = run(*words, bench.url())
    assert mute.code == 3
    assert f"fieldtool receivers doctor socket://{bench.at}" in mute.err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals on Windows")
@pytest.mark.parametrize(
    ("info", "says"),
    [
        (replace(FACTORY_INFO, device_type=DeviceType.IM170A), "iM170A 00102030 cannot listen to c1,t1"),
        (replace(FACTORY_INFO, firmware=0x13), "iM871A 00102030 has firmware 1.3"),
    ],
)
def test_a_receiver_that_cannot_do_what_is_asked_is_named_all_the_same(
    run: Run, scenario: Scenario, info: DeviceInfo, says: str
) -> None:
    with Bench(scenario, Im871aStick(info=info), open_port("pty", Im871aStick.BAUD)) as bench:
        ran = run("receivers", "probe", bench.at)
    assert ran.code == 3
    assert says in ran.err
    assert "no known receiver" not in ran.err


def test_ports_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [
        PortDescription("/dev/ttyUSB0", "CP2102", (0x10C4, 0xEA60), manufacturer="Silicon Labs", serial_number="0001"),
        PortDescription("/dev/ttyS0", "n/a", None),
    ]
    monkeypatch.setattr("fieldtool.cli.receivers.list_ports", lambda: ports)
    ran = run("receivers", "list")
    assert "maybe IMST iM871A-USB: im871a:///dev/ttyUSB0" in ran.lines[0]
    assert ran.lines[1] == "/dev/ttyS0            n/a"
    on_usb, other = map(json.loads, run("receivers", "list", "--json").lines)
    assert on_usb["receivers"] == ["im871a:///dev/ttyUSB0"]
    assert (on_usb["manufacturer"], on_usb["serial_number"], on_usb["usb_id"]) == ("Silicon Labs", "0001", "10c4:ea60")
    assert (other["manufacturer"], other["serial_number"], other["usb_id"]) == (None, None, None)


def test_an_address_in_the_list_can_be_taken_as_it_stands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    port = PortDescription("/dev/cu.SLAB #2?", "CP2102", (0x10C4, 0xEA60))
    monkeypatch.setattr("fieldtool.cli.receivers.list_ports", lambda: [port])
    (address,) = json.loads(run("receivers", "list", "--json").out)["receivers"]
    assert parse_url(address, tuple(REGISTRY), OPTIONS).target == port.path
    assert run("receivers", "list").lines[0].endswith(f": {address}")


def test_what_another_program_writes_is_not_probed(run: Run) -> None:
    ran = run("receivers", "probe", "rtlwmbus:-")
    assert ran.code == 2
    assert "rtlwmbus:- is what another program writes" in ran.err
    assert "fieldtool listen" in ran.err


def test_the_capture_of_these_tests_begins_when_they_say(frames: tuple[RawFrame, ...]) -> None:
    assert frames[0].at is not None
    assert 0 <= (frames[0].at - START).total_seconds() < 10


def test_what_tells_no_address_is_no_meter(run: Run, tmp_path: Path) -> None:
    """A join accept is encrypted as a whole: nobody knows whom it is for."""
    path = tmp_path / "mixed.hex"
    path.write_text(f"{GAS_HEX}\n;;SF7;20{'11' * 16}\n;;SF7;e0aabbccddee\n")
    ran = run("listen", f"file:{path}", "--lines", "--key", GAS_KEY)
    assert "3 telegrams of 1 meter: 1 ok" in ran.err
