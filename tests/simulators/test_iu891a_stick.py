"""The simulated iU891A: its answers byte for byte, what it hands over, and what a host makes of faults."""

from __future__ import annotations

import random

import pytest

from protocols.model import FrameFormat
from protocols.receivers.events import Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.events import HostSession as AnySession
from protocols.receivers.iu891a import Config, HostSession
from protocols.receivers.iu891a.codes import Device, Gateway, Service, Status, response
from protocols.receivers.registry import REGISTRY, receiver
from protocols.receivers.slip import WAKE_UP, Message, SlipStream
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import strip_crcs
from simulators.air import Transmission
from simulators.receivers.device import Device as AnyDevice
from simulators.receivers.device import device
from simulators.receivers.iu891a import Iu891aStick
from simulators.receivers.line_faults import FAULTS, LineFaults
from simulators.scenario import Faults
from tests.simulators.stick_session import STARTS, STEP_S, joined

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
SET_C_T = bytes.fromhex("C009030306000000000000000000A176C0")


def asked(stick: Iu891aStick, data: bytes, at_s: float = 0.0) -> bytes:
    stick.receive(data, at_s)
    return b"".join(stick.due(at_s + 1.0))


def sent(mode: str, frame_format: FrameFormat = FrameFormat.A, rssi_dbm: int = -41) -> Transmission:
    return Transmission(1, STARTS, "meter", mode, frame_format, with_crcs(TELEGRAM, frame_format), rssi_dbm)


def run(
    stick: Iu891aStick, mode: str, seconds: float, faults: Faults | None = None
) -> tuple[list[HostEvent], list[Transmission]]:
    events, on_air = joined(HostSession(mode), stick, seconds, faults=faults, speed=5)
    return events, [one.transmission for one in on_air]


def frames(events: list[HostEvent]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("C001011607C0", "C0010200A0AFC0"),
        ("C001030424C0", "C00104006EBE2D0600000000000032C0"),
        ("C00901D6C9C0", "C009020000010000000000000000009E1FC0"),
        ("C00981DE4DC0", "C0098200A225002020340131D5CAC0"),
        ("C009030306000000000000000000A176C0", "C0090400B23DC0"),
    ],
    ids=["ping", "device", "config", "address", "set"],
)
def test_answers_that_a_real_client_accepts(request_hex: str, answer_hex: str) -> None:
    stick = Iu891aStick()
    assert asked(stick, WAKE_UP + bytes.fromhex(request_hex)) == bytes.fromhex(answer_hex)
    assert stick.counters.requests == 1


def test_a_telegram_byte_for_byte() -> None:
    stick = Iu891aStick()
    stick.hear(sent("T1"), 0.0)
    assert asked(stick, SET_C_T) == bytes.fromhex("C0090400B23DC0")
    time_set = Message(Service.DEVICE_MANAGEMENT, Device.SET_TIME, (0x386D439F).to_bytes(4, "little")).to_bytes()
    asked(stick, time_set, 2.0)
    stick.hear(sent("T1"), 2.5)
    stick.hear(sent("C1", FrameFormat.B, -95), 3.5)
    stick.hear(sent("S1"), 3.6)
    first, second = SlipStream().feed(b"".join(stick.due(9.0)))
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first.payload == bytes.fromhex("9F436D38 02 80 02 D7") + TELEGRAM
    assert second.payload == bytes.fromhex("A0436D38 02 80 15 A1") + TELEGRAM
    assert (stick.counters.heard, stick.counters.wrong_mode) == (2, 2)


def test_what_is_refused() -> None:
    stick = Iu891aStick()
    for service, code, body, status in (
        (Service.GATEWAY, 0x31, b"", Status.UNSUPPORTED),
        (Service.GATEWAY, Gateway.SET_CONFIG, bytes((4, 6, 0)) + bytes(8), Status.WRONG_PARAMETER),
        (Service.GATEWAY, Gateway.SET_CONFIG, bytes((2, 6)), Status.WRONG_PARAMETER),
        (Service.GATEWAY, Gateway.SCAN_MODE, b"", Status.WRONG_PARAMETER),
        (Service.DEVICE_MANAGEMENT, Device.SET_TIME, b"\0", Status.WRONG_PARAMETER),
        (0x03, 0xFF, b"", Status.UNSUPPORTED),
    ):
        (answer,) = SlipStream().feed(asked(stick, Message(service, code, body).to_bytes()))
        assert answer == Message(service, response(code) & 0xFF, bytes((status,)))
    assert stick.config.link_mode == 0


def test_what_is_stored_outlasts_the_power_and_the_active_configuration_does_not() -> None:
    stick = Iu891aStick()
    asked(stick, SET_C_T)
    asked(stick, Message(Service.GATEWAY, Gateway.SET_DEFAULT_CONFIG, Config(2, 2, bytes(8)).to_body()).to_bytes())
    assert (stick.config.link_mode, stick.counters.stored) == (3, 1)
    stick.power_cycle()
    assert stick.config == Config(2, 2, bytes(8))
    asked(stick, Message(Service.GATEWAY, Gateway.RESET_DEFAULT_CONFIG).to_bytes(), 5.0)
    asked(stick, Message(Service.DEVICE_MANAGEMENT, Device.RESTART).to_bytes(), 7.0)
    assert stick.config.link_mode == 0


@pytest.mark.parametrize(
    ("options", "scans"), [(3, False), (0, False), (2, True)], ids=["listed only", "off", "scan mode"]
)
def test_a_host_undoes_what_keeps_telegrams_back(options: int, scans: bool) -> None:
    stick = Iu891aStick(config=Config(2, options, bytes(8)))
    stick.scans = scans
    stick.hear(sent("T1"), 1.0)
    assert stick.due(2.0) == []
    events, _ = run(stick, "t1", 5.0)
    assert frames(events)
    assert stick.counters.stored == 0


def test_modes_and_formats_on_the_air() -> None:
    events, on_air = run(Iu891aStick(), "c1,t1", 15.0)
    (info,) = (event.info for event in events if isinstance(event, Ready))
    assert (info.model, info.serial, info.firmware) == ("iU891A-XL", "00062DBE", "1.1")
    sources = {strip_crcs(one.coded).data: one for one in on_air if one.lora is None}
    modes = {(sources[frame.data].mode, sources[frame.data].frame_format, frame.mode) for frame in frames(events)}
    assert modes <= {("T1", FrameFormat.A, None), ("C1", FrameFormat.A, None), ("C1", FrameFormat.B, "C1")}
    assert len({mode for mode, _, _ in modes}) == 2
    assert all(frame.rssi_dbm == sources[frame.data].rssi_dbm for frame in frames(events))
    for mode, heard in (("t1", "T1"), ("c1", "C1"), ("s1", "S1")):
        events, _ = run(Iu891aStick(), mode, 15.0)
        assert {sources[frame.data].mode for frame in frames(events) if frame.data in sources} <= {heard}


def test_damage_on_the_air_is_dropped() -> None:
    stick = Iu891aStick()
    events, on_air = run(stick, "c1,t1", 20.0, Faults(bit_errors=0.5))
    clean = {strip_crcs(one.coded).data for one in on_air if not one.damaged and one.lora is None}
    assert stick.counters.crc_errors
    assert {frame.data for frame in frames(events)} <= clean


@pytest.mark.parametrize("name", FAULTS)
def test_a_host_copes_with_every_fault_of_the_line(name: str) -> None:
    events, on_air = run(Iu891aStick(faults=FAULTS[name]), "c1,t1", 20.0)
    if name == "mute":
        assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Failed]
        return
    clean = {strip_crcs(one.coded).data for one in on_air if one.lora is None}
    assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Ready]
    assert len(frames(events)) > 10
    assert {frame.data for frame in frames(events)} <= clean


def test_a_stick_that_restarts_at_its_first_configuration() -> None:
    events, _ = run(Iu891aStick(restarts_at_first_set=True), "t1", 6.0)
    assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Ready]
    assert frames(events)


def test_a_stick_without_firmware_information() -> None:
    events, _ = run(Iu891aStick(firmware=None), "t1", 3.0)
    (info,) = (event.info for event in events if isinstance(event, Ready))
    assert info.firmware == ""


@pytest.mark.parametrize("seed", range(20))
def test_starts_over_a_lossy_wire_end(seed: int) -> None:
    rng = random.Random(seed)
    stick, session = Iu891aStick(seed=seed), HostSession("t1")
    to_device = [session.start()]
    ends: list[HostEvent] = []
    for step in range(1500):
        now_s = step * STEP_S
        for data in to_device:
            if rng.random() > 0.2:
                stick.receive(data, now_s)
        fresh = [event for data in stick.due(now_s) if rng.random() > 0.2 for event in session.receive(data)]
        fresh += session.tick(now_s)
        to_device = [event.data for event in fresh if isinstance(event, Send)]
        ends += [event for event in fresh if isinstance(event, Ready | Failed)]
    assert [type(end) for end in ends] in ([Ready], [Failed])


@pytest.mark.parametrize("probed", ["iu891a", "wimod"])
@pytest.mark.parametrize("kind", [kind for kind in REGISTRY if kind not in ("iu891a", "wimod")])
def test_the_probe_upsets_no_stick_of_another_kind(kind: str, probed: str) -> None:
    stick = device(kind)
    (first,), at_s = opened(receiver(probed).host_session(receiver(probed).DEFAULT_MODE), stick, 0.0)
    (second,), _ = opened(receiver(kind).host_session(receiver(kind).DEFAULT_MODE), stick, at_s)
    assert isinstance(first, Failed)
    assert not first.identified
    assert isinstance(second, Ready)


def opened(session: AnySession, stick: AnyDevice, now_s: float) -> tuple[list[HostEvent], float]:
    """Run a session until it listens or has failed; return that, and the time."""
    to_device = [session.start()]
    ends: list[HostEvent] = []
    while not ends:
        for data in to_device:
            stick.receive(data, now_s)
        fresh = [event for data in stick.due(now_s) for event in session.receive(data)] + session.tick(now_s)
        to_device = [event.data for event in fresh if isinstance(event, Send)]
        ends = [event for event in fresh if isinstance(event, Ready | Failed)]
        now_s += STEP_S
    for data in to_device:
        stick.receive(data, now_s)
    # Opening the port for the next question drops what is still said to this one.
    stick.due(now_s + 0.4)
    return ends, now_s + 0.4


@pytest.mark.parametrize("slow_s", [0.1, 0.45, 0.8])
def test_a_slow_stick_is_waited_for(slow_s: float) -> None:
    events, _ = run(Iu891aStick(faults=LineFaults(slow_s=slow_s)), "t1", 12.0)
    assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Ready]


def test_a_stick_that_was_reset_is_set_again_while_the_host_listens() -> None:
    stick, session = Iu891aStick(), HostSession("t1")
    to_device = [session.start()]
    for step in range(800):
        now_s = step / 10
        if step == 100:
            assert stick.config.link_mode == 2
            stick.power_cycle()
        for data in to_device:
            stick.receive(data, now_s)
        fresh = [event for data in stick.due(now_s) for event in session.receive(data)] + session.tick(now_s)
        to_device = [event.data for event in fresh if isinstance(event, Send)]
        assert not [event for event in fresh if isinstance(event, Failed)]
    assert stick.config.link_mode == 2
