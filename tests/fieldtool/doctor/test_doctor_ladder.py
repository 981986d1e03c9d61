"""The rungs before and after a port is opened, on machines of which every look is given."""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest

from fieldtool.doctor.air import air_step, modes_to_hear, other_mode
from fieldtool.doctor.asking import other_device
from fieldtool.doctor.ladder import Doctor
from fieldtool.doctor.machine import Access, Holder, LockFile, Machine
from fieldtool.doctor.report import AirSum, PortReport, PortRung, PortStep
from fieldtool.doctor.target import Target
from fieldtool.export.port_text import port_json
from fieldtool.sources.serial_port import PortDescription, open_port
from protocols.model import RungState
from protocols.receivers.registry import REGISTRY, receiver

PORT = "/dev/ttyUSB77"
MINE = Access(True, "kim", "root", "dialout", group_may=True, member=True, enrolled=True)
STICK = PortDescription(PORT, "CP2102 USB to UART Bridge", (0x10C4, 0xEA60))

MACHINE = Machine(
    system="linux",
    ports=lambda: [STICK],
    exists=lambda _: False,
    is_device=lambda _: True,
    usb_devices=lambda: [(0x10C4, 0xEA60)],
    surroundings=str,
    driver=lambda _: "cp210x",
    by_id=lambda _: "/dev/serial/by-id/usb-IMST",
    access=lambda _: MINE,
    holders=lambda _: [],
    lock_file=lambda _: None,
    runs=lambda _: False,
)
"""A computer with one stick and nothing in its way, but that the port cannot be opened: it is not there."""

no_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")


def steps_of(machine: Machine, port: str = PORT) -> dict[PortRung, PortStep]:
    return {step.rung: step for step in Doctor(machine).examine(Target(port)).steps}


def failure(report: PortReport) -> PortStep:
    (failed,) = [step for step in report.steps if step.state is RungState.FAILED]
    after = report.steps[report.steps.index(failed) + 1 :]
    assert all(step.state is RungState.NOT_REACHED for step in after)
    assert failed.next
    assert not report.well
    return failed


def test_a_port_is_described() -> None:
    step = steps_of(MACHINE)[PortRung.PORT]
    assert step.state is RungState.PASSED
    assert "CP2102" in step.detail
    assert "USB 10c4:ea60" in step.detail
    assert receiver("im871a").TITLE in step.detail
    assert "driver cp210x" in step.detail
    assert "/dev/serial/by-id/usb-IMST" in step.detail


@pytest.mark.parametrize(
    ("kind", "system", "words"),
    [
        ("", "linux", "plug the receiver in"),
        ("", "darwin", "plug the receiver in"),
        ("", "win32", "Device Manager"),
        ("wsl", "linux", "usbipd attach --wsl"),
        ("virtual machine", "linux", "menu of its host"),
        ("container", "linux", "--device"),
    ],
)
def test_without_any_port_the_surroundings_say_what_to_do(kind: str, system: str, words: str) -> None:
    machine = replace(MACHINE, system=system, ports=list, usb_devices=list, surroundings=lambda: kind)
    report = Doctor(machine).no_port()
    step = failure(report)
    assert step.rung is PortRung.PORT
    assert words in step.next
    assert report.port == ""


@pytest.mark.parametrize(
    ("usb_id", "module", "brltty"),
    [((0x10C4, 0xEA60), "cp210x", True), ((0x0403, 0x6001), "ftdi_sio", False), ((0x03EB, 0x204B), "cdc_acm", False)],
)
def test_a_stick_without_a_port_lacks_its_driver(usb_id: tuple[int, int], module: str, brltty: bool) -> None:
    assert any(usb_id in receiver(kind).USB_IDS for kind in REGISTRY)
    machine = replace(MACHINE, ports=list, usb_devices=lambda: [(0x1D6B, 2), usb_id])
    step = failure(Doctor(machine).no_port())
    assert f"{usb_id[0]:04x}:{usb_id[1]:04x}" in step.detail
    assert f"modprobe {module}" in step.next
    assert ("brltty" in step.next) is brltty


def test_a_port_says_of_itself_what_its_device_does() -> None:
    said = replace(STICK, description="WiMOD iM871A-usb", manufacturer="Silicon Labs", serial_number="1A2B3C4D")
    report = Doctor(replace(MACHINE, ports=lambda: [said])).examine(Target(PORT))
    step = next(step for step in report.steps if step.rung is PortRung.PORT)
    assert step.detail.startswith("WiMOD iM871A-usb by Silicon Labs, serial number 1A2B3C4D, USB 10c4:ea60, ")
    told = json.loads(port_json(report))
    assert (told["manufacturer"], told["serial_number"]) == ("Silicon Labs", "1A2B3C4D")
    named = replace(STICK, description="Silicon Labs CP210x USB to UART Bridge (COM3)", manufacturer="Silicon Labs")
    step = steps_of(replace(MACHINE, ports=lambda: [named]))[PortRung.PORT]
    assert " by " not in step.detail


@no_windows
def test_what_the_port_says_is_asked_for_first(mute_port: str) -> None:
    asked: list[str] = []
    machine = replace(on(mute_port), ports=lambda: [PortDescription(mute_port, "", (0x1A86, 0x7523))])
    Doctor(machine, asked.append, clock=Hurried()).examine(Target(mute_port))
    assert receiver("cul").TITLE in asked[0]
    assert len(asked) == len(REGISTRY)


def test_a_port_that_is_not_there_names_those_that_are() -> None:
    step = failure(Doctor(MACHINE).examine(Target("/dev/ttyUSB78")))
    assert step.rung is PortRung.PORT
    assert "/dev/ttyUSB78 does not exist" in step.detail
    assert PORT in step.detail


def test_what_is_no_serial_port_is_not_opened() -> None:
    machine = replace(MACHINE, exists=lambda _: True, is_device=lambda _: False)
    step = failure(Doctor(machine).examine(Target("/dev/null")))
    assert step.rung is PortRung.PORT
    assert "/dev/null is not a serial port" in step.detail


def test_a_dial_in_name_of_macos_is_told() -> None:
    machine = replace(MACHINE, system="darwin", exists=lambda _: True, holders=lambda _: None)
    step = steps_of(machine, "/dev/tty.usbserial-1")[PortRung.PORT]
    assert step.state is RungState.PASSED
    assert "/dev/cu.usbserial-1" in step.next


@pytest.mark.parametrize(
    ("access", "system", "detail", "follow"),
    [
        (
            replace(MINE, allowed=False, member=False, enrolled=False),
            "linux",
            "kim is not in it",
            "`sudo usermod -aG dialout kim`, and log in again",
        ),
        (replace(MINE, allowed=False, group="uucp", member=False, enrolled=False), "linux", "uucp", "-aG uucp kim"),
        (replace(MINE, allowed=False, member=False), "linux", "was not at the last login", "log out and in again"),
        (replace(MINE, allowed=False, group_may=False), "linux", "belongs to root", "udev rule"),
        (replace(MINE, allowed=False, group="root", member=False, enrolled=False), "linux", "belongs to root", "udev"),
        (replace(MINE, allowed=False), "darwin", "belongs to root", "who runs this computer"),
    ],
)
def test_who_may_not_open_a_port_is_told_why(access: Access, system: str, detail: str, follow: str) -> None:
    step = failure(Doctor(replace(MACHINE, system=system, access=lambda _: access)).examine(Target(PORT)))
    assert step.rung is PortRung.PERMISSION
    assert detail in step.detail
    assert follow in step.next


def test_what_a_system_does_not_tell_is_not_judged() -> None:
    machine = replace(MACHINE, system="win32", access=lambda _: None, holders=lambda _: None)
    steps = steps_of(machine)
    assert steps[PortRung.PERMISSION].state is RungState.NOT_REACHED
    assert steps[PortRung.FREE].state is RungState.NOT_REACHED
    assert steps[PortRung.OPENS].state is RungState.FAILED


@pytest.mark.parametrize(
    ("holder", "shown", "follow"),
    [
        (Holder(812, "ModemManager"), "ModemManager (process 812)", "ID_MM_DEVICE_IGNORE"),
        (Holder(9, "brltty"), "brltty (process 9)", "apt remove brltty"),
        (Holder(9, "agetty"), "agetty", "serial-getty@ttyUSB77"),
        (Holder(9, "minicom"), "minicom", "`kill 9`"),
        (Holder(9, "python3", is_fieldtool=True), "another fieldtool (process 9)", "several receivers"),
    ],
)
def test_a_port_that_somebody_has_is_left_alone(holder: Holder, shown: str, follow: str) -> None:
    step = failure(Doctor(replace(MACHINE, holders=lambda _: [holder])).examine(Target(PORT)))
    assert step.rung is PortRung.FREE
    assert shown in step.detail
    assert follow in step.next


def test_a_port_that_is_reserved_is_left_alone() -> None:
    lock = LockFile("/run/lock/LCK..ttyUSB77", Holder(9, "minicom"))
    step = failure(Doctor(replace(MACHINE, lock_file=lambda _: lock)).examine(Target(PORT)))
    assert step.rung is PortRung.FREE
    assert "minicom (process 9) has reserved it (/run/lock/LCK..ttyUSB77)" in step.detail


def test_a_lock_file_that_was_left_behind_does_not_stop() -> None:
    lock = LockFile("/run/lock/LCK..ttyUSB77", None)
    step = steps_of(replace(MACHINE, lock_file=lambda _: lock))[PortRung.FREE]
    assert step.state is RungState.PASSED
    assert "left behind" in step.detail
    assert lock.path in step.next


class Hurried:
    """A clock that runs a hundred times as fast: nothing is to be waited for."""

    def __call__(self) -> float:
        return time.monotonic() * 100


def on(port: str) -> Machine:
    """A machine on which a port is really there."""
    return replace(MACHINE, ports=list, exists=os.path.exists)


@no_windows
def test_a_mute_port_is_told_with_what_was_tried(mute_port: str) -> None:
    asked: list[str] = []
    doctor = Doctor(on(mute_port), asked.append, clock=Hurried())
    report = doctor.examine(Target(mute_port))
    step = failure(report)
    assert step.rung is PortRung.ANSWERS
    assert report.unknown
    assert f"none of the {len(REGISTRY)} known kinds" in step.detail
    assert "not a single byte came" in step.detail
    opens = next(step for step in report.steps if step.rung is PortRung.OPENS)
    for kind in REGISTRY:
        assert str(receiver(kind).BAUD) in opens.detail
        assert any(receiver(kind).TITLE in line for line in asked)


@no_windows
def test_a_mute_usb_port_beside_modem_manager(mute_port: str) -> None:
    machine = replace(
        on(mute_port),
        ports=lambda: [PortDescription(mute_port, "", (0x10C4, 0xEA60))],
        runs=lambda name: name == "ModemManager",
    )
    step = failure(Doctor(machine, clock=Hurried()).examine(Target(mute_port)))
    assert "plug it in again" in step.next
    assert "ModemManager" in step.next


def test_programs_of_this_computer_do_not_make_a_server_silent() -> None:
    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(64):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        machine = replace(MACHINE, runs=lambda name: name == "ModemManager")
        target = Target(f"socket://127.0.0.1:{server.server_address[1]}")
        step = failure(Doctor(machine, clock=Hurried()).examine(target))
        server.shutdown()
    assert "not a single byte came" in step.detail
    assert "ModemManager" not in step.next


@no_windows
def test_a_port_that_an_unseen_program_has(mute_port: str) -> None:
    with closing(open_port(mute_port, 9600)):
        for system, words in [("linux", "sudo fuser -v"), ("darwin", "sudo lsof"), ("win32", "close the other")]:
            machine = replace(on(mute_port), system=system)
            step = failure(Doctor(machine).examine(Target(mute_port)))
            assert step.rung is PortRung.OPENS
            assert "in use" in step.detail
            assert words in step.next
        machine = replace(on(mute_port), runs=lambda name: name == "ModemManager")
        assert "half a minute" in failure(Doctor(machine).examine(Target(mute_port))).next


@pytest.mark.parametrize(
    ("heard", "what"),
    [
        (b"\xfe\x12$GPGGA,123519,4807.038,N", "GPS"),
        (b"$GNRMC,1", "GPS"),
        (b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76", "SML"),
        (b"\r\n/LGZ4ZMF100AC.M23\r\n", "62056-21"),
        (b"raspberrypi login: ", "console"),
        (b"ATI\r\r\nERROR\r\n", "modem"),
        (b"\x00\xff\x13", ""),
        (b"", ""),
    ],
)
def test_other_devices_are_known_by_what_they_send(heard: bytes, what: str) -> None:
    told = other_device(heard)
    assert what in told
    assert bool(told) is bool(what)


def test_silence_is_not_called_a_fault() -> None:
    step = air_step(AirSum(20, {}), ["c1", "t1"], "mode=s1")
    assert step.state is RungState.NOT_REACHED
    assert step.detail == "nothing was heard in 20 s of c1, nor of t1"
    assert "no fault" in step.next
    assert "mode=s1" in step.next


def test_what_was_heard_is_summed_up() -> None:
    step = air_step(AirSum(20, {"C1": 3, "": 2}, damaged=1, unusable=2, meters=4), ["c1,t1"])
    assert step.state is RungState.PASSED
    assert step.detail == (
        "5 telegrams of 4 meters in 20 s of c1,t1 (3 in C1), 1 damaged; 2 pieces of its line could not be used"
    )
    assert step.next == ""
    assert "nearer" in air_step(AirSum(20, {"": 2}, damaged=2)).next
    assert air_step(AirSum(3, {}, lost=("it is gone", "plug it in"))).state is RungState.FAILED


@pytest.mark.parametrize(
    ("kind", "modes", "left"),
    [
        ("im871a", ["c1,t1", "s1"], True),
        ("cul", ["c1", "t1", "s1"], False),
        ("rn2483", ["868.1/sf7"], True),
    ],
)
def test_the_modes_in_which_meters_send_are_listened_to(kind: str, modes: list[str], left: bool) -> None:
    assert modes_to_hear(receiver(kind)) == modes
    other = other_mode(receiver(kind), modes)
    assert bool(other) is left
    assert all(other != f"mode={mode}" for mode in modes)


def test_a_connection_that_is_lost_while_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("fieldtool.doctor.ladder.search", lost)
    step = failure(Doctor(MACHINE).examine(Target(PORT)))
    assert step.rung is PortRung.OPENS
    assert "the connection was lost" in step.detail


class Undecided:
    """A source that neither connects nor fails."""

    name = "undecided"

    def start(self, *_: object) -> None: ...

    def stop(self) -> None: ...


def test_a_source_that_never_connects_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldtool.doctor.hearing.CONNECT_S", 0.1)
    monkeypatch.setattr("fieldtool.doctor.hearing.open_source", lambda *_, **__: Undecided())
    step = failure(Doctor(MACHINE).examine(Target(url="mqtt://broker.example")))
    assert step.rung is PortRung.OPENS
    assert "no answer within 0.1 s" in step.detail
