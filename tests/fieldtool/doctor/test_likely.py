"""Which receivers are asked for first on a port, by what its USB device says of itself; ports are made up."""

from __future__ import annotations

import sys

import pytest

from fieldtool.doctor.likely import described, likely_kinds
from fieldtool.doctor.target import Target, target_of
from fieldtool.sources.serial_port import PortDescription, list_ports
from protocols.receivers.registry import REGISTRY, receiver
from simulators.bench import Bench
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run

PATH = "/dev/ttyUSB0"
CP210X, FTDI, CH340 = (0x10C4, 0xEA60), (0x0403, 0x6001), (0x1A86, 0x7523)


@pytest.mark.parametrize(
    ("port", "kinds"),
    [
        (PortDescription(PATH, "CP2102 USB to UART Bridge Controller", CP210X), ("im871a",)),
        (PortDescription(PATH, "Silicon Labs CP210x USB to UART Bridge (COM3)", CP210X), ("im871a",)),
        (PortDescription(PATH, "FT232R USB UART", FTDI), ("amb8465", "rc1180", "cul")),
        (PortDescription(PATH, "USB2.0-Serial", CH340), ("cul",)),
        (PortDescription("/dev/ttyACM0", "ttyACM0", (0x03EB, 0x204B)), ("cul",)),
        (PortDescription("/dev/ttyACM0", "iU891A", (0x04B4, 0x0003), product="iU891A"), ("iu891a",)),
        (PortDescription("/dev/ttyACM0", "ttyACM0", (0x04D8, 0x000A)), ("rn2483",)),
        (PortDescription(PATH, "TTL232RG-VREG3V3", FTDI), ("rc1180", "amb8465", "cul")),
        (PortDescription(PATH, "n/a", FTDI, interface="TTL232RG-VREG3V3"), ("rc1180", "amb8465", "cul")),
        (PortDescription(PATH, "n/a", (0x1209, 0x0001), product="WiMOD iM871A-usb"), ("im871a",)),
        (PortDescription("/dev/ttyS0", "n/a", None), ()),
        (PortDescription(PATH, "USB-Serial Controller D", (0x067B, 0x2303)), ()),
        (None, ()),
    ],
)
def test_what_a_port_says_is_a_guess(port: PortDescription | None, kinds: tuple[str, ...]) -> None:
    assert likely_kinds(port) == kinds


def test_a_guess_leaves_nothing_out_and_yields_to_what_is_named() -> None:
    assert Target(PATH).kinds == tuple(REGISTRY)
    guessed = Target(PATH, likely=("im871a",)).kinds
    assert guessed[:2] == ("im871a", "amb8465")
    assert sorted(guessed) == sorted(REGISTRY)
    named = Target(PATH, "cul", likely=("im871a", "cul")).kinds
    assert named[:3] == ("cul", "im871a", "amb8465")
    assert sorted(named) == sorted(REGISTRY)


def test_a_port_is_known_by_any_letter_case_and_one_over_the_network_is_not() -> None:
    ports = [PortDescription("COM3", "", CP210X)]
    assert described("com3", ports) is ports[0]
    assert described(r"\\.\COM3", ports) is ports[0]
    on_a_mac = [PortDescription("/dev/cu.usbserial-1", "", CP210X)]
    assert described("/dev/tty.usbserial-1", on_a_mac) is on_a_mac[0]
    assert described("socket://127.0.0.1:4001", ports) is None


def test_the_system_is_asked_for_all_that_a_port_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from serial.tools.list_ports_common import ListPortInfo

    told = ListPortInfo(PATH)
    told.vid, told.pid = CP210X
    told.description = told.product = "WiMOD iM871A-usb"
    told.manufacturer, told.serial_number = "Silicon Labs", "12345678"
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [told])
    said = PortDescription(PATH, "WiMOD iM871A-usb", CP210X, "WiMOD iM871A-usb", "Silicon Labs", "12345678")
    assert list_ports() == [said]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
@pytest.mark.parametrize(("kind", "usb_id"), [("im871a", CP210X), ("cul", CH340), ("iu891a", (0x04B4, 0x0003))])
def test_the_usual_stick_answers_when_it_is_asked_first(
    run: Run, scenario: Scenario, kind: str, usb_id: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench.of(scenario, kind, "pty") as bench:
        monkeypatch.setattr("fieldtool.cli.receivers.list_ports", lambda: [PortDescription(bench.at, "", usb_id)])
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        ran = run("receivers", "probe", bench.at)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"{kind}://{bench.at}: ")
    assert ran.err.splitlines() == [f"{bench.at}: asks for {receiver(kind).TITLE} at {receiver(kind).BAUD} baud"]
    assert target_of(bench.at).kinds == tuple(REGISTRY)
