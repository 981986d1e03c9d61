"""Host side and device side of the LoRaWAN sticks, joined: every channel is reached, and packets come through."""

from __future__ import annotations

import sys
import time

import pytest

from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from protocols.model import Link
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.registry import REGISTRY, receiver
from simulators.air import Transmission
from simulators.bench import Bench
from simulators.receivers.device import Device, device
from simulators.receivers.rn2483 import Rn2483Stick
from simulators.scenario import Faults, Scenario
from tests.simulators.lora_scenarios import axioma
from tests.simulators.stick_session import STARTS, WIRES, Wire, joined

PORTS = [
    pytest.param("pty", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")),
    "tcp",
]
LORA = tuple(kind for kind in REGISTRY if "sf" in receiver(kind).DEFAULT_MODE)
BOTH_WAYS = tuple(kind for kind in LORA if any(mode.endswith("/down") for mode in receiver(kind).MODES))
"""The sticks that can be told to listen to inverted signals, as those of networks are."""

TELLS_OF_WRONG_CRC = frozenset({"rn2483"})
"""The others drop such a packet without a word."""

SCENARIO = axioma(interval_s=1, rejoin_after=4)


def run(
    kind: str, mode: str, peer: Device, wire: Wire, seconds: float = 40.0, faults: Faults | None = None
) -> tuple[list[HostEvent], list[Transmission]]:
    """Join a host session and a device; return the host's events and what was on the air."""
    session, scenario = receiver(kind).host_session(mode), Scenario.parse(SCENARIO, "x")
    events, on_air = joined(session, peer, seconds, scenario=scenario, faults=faults, wire=wire)
    return events, [one.transmission for one in on_air]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", LORA)
def test_handshake_and_packets_over_every_wire(kind: str, wire: str) -> None:
    events, on_air = run(kind, "868.1/sf7", device(kind), WIRES[wire])
    assert sum(isinstance(event, Ready) for event in events) == 1
    frames = [event for event in events if isinstance(event, Frame)]
    audible = [t.coded for t in on_air if t.lora and t.lora.frequency_hz == 868_100_000 and not t.downlink]
    assert len(frames) > 6
    assert len(audible) - len(frames) < 4
    assert all(frame.data in audible and frame.link is Link.LORAWAN for frame in frames)
    assert {(f.rssi_dbm, f.lora.spreading_factor, f.lora.snr_db) for f in frames if f.lora} == {(-90, 7, 5.0)}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind in LORA for mode in receiver(kind).MODES])
def test_every_mode_is_reached(kind: str, mode: str) -> None:
    events, _ = run(kind, mode, device(kind), WIRES["immediate"], 2.0)
    assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Ready]


def test_wimod_alone_hears_one_way() -> None:
    assert set(LORA) - set(BOTH_WAYS) == {"wimod"}
    with pytest.raises(ValueError, match="inverted signals"):
        receiver("wimod").host_session("868.1/sf7/down")
    events, on_air = run("wimod", "868.3/sf7", device("wimod"), WIRES["immediate"])
    kinds = {t.coded: t.downlink for t in on_air}
    assert {kinds[event.data] for event in events if isinstance(event, Frame)} == {False}


@pytest.mark.parametrize("kind", BOTH_WAYS)
def test_the_direction_decides_what_is_heard(kind: str) -> None:
    for mode, downlink in (("868.3/sf7", False), ("868.3/sf7/down", True)):
        events, on_air = run(kind, mode, device(kind), WIRES["immediate"])
        kinds = {t.coded: t.downlink for t in on_air}
        heard = {kinds[event.data] for event in events if isinstance(event, Frame)}
        assert heard == {downlink}


@pytest.mark.parametrize("kind", LORA)
def test_a_packet_with_a_wrong_crc_is_never_handed_over_and_reception_goes_on(kind: str) -> None:
    events, on_air = run(kind, "868.1/sf7", device(kind), WIRES["immediate"], faults=Faults(bit_errors=0.4))
    damaged = sum(isinstance(event, Damaged) for event in events)
    assert (damaged > 1) == (kind in TELLS_OF_WRONG_CRC)
    assert kind in TELLS_OF_WRONG_CRC or damaged == 0
    assert sum(isinstance(event, Frame) for event in events) > 3
    assert damaged <= sum(t.damaged for t in on_air)
    clean = {t.coded for t in on_air if not t.damaged}
    assert all(event.data in clean for event in events if isinstance(event, Frame))


def test_old_firmware_without_strength_still_hands_over() -> None:
    events, _ = run("rn2483", "868.1/sf7", Rn2483Stick(has_rssi=False), WIRES["immediate"])
    frames = [event for event in events if isinstance(event, Frame)]
    assert {frame.rssi_dbm for frame in frames} == {None}
    assert {frame.lora.snr_db for frame in frames if frame.lora} == {5.0}


def test_a_module_that_was_reset_is_set_anew() -> None:
    session = receiver("rn2483").host_session("868.1/sf7")
    session.start()
    answers = [b"RN2483 1.0.5 Oct 31 2018 15:06:52", b"4294967245", *[b"ok"] * 10]
    events = [event for answer in answers for event in session.receive(answer + b"\r\n")]
    assert isinstance(events[-1], Ready)
    (again,) = session.receive(b"RN2483 1.0.5 Oct 31 2018 15:06:52\r\n")
    assert again == Send(b"mac pause\r\n")


def test_a_module_for_another_region_fails_with_a_hint() -> None:
    session = receiver("rn2483").host_session("868.1/sf7")
    session.start()
    answers = [b"RN2903 1.0.5 Nov 06 2018 10:45:27", b"4294967245", b"ok", b"invalid_param"]
    events = [event for answer in answers for event in session.receive(answer + b"\r\n")]
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert "freq" in failed.reason
    assert "RN2903" in failed.hint


@pytest.mark.parametrize("at", PORTS)
@pytest.mark.parametrize("kind", LORA)
def test_a_stick_on_a_port_is_a_source(kind: str, at: str) -> None:
    scenario = Scenario.parse(SCENARIO, "x")
    with Bench.of(scenario, kind, at, starts=STARTS, speed=10.0) as bench:
        listening = Listening([open_source(bench.url("868.1/sf7"))], LearnedDecoder())
        listening.start()
        heard = None
        deadline = time.monotonic() + 10.0
        while heard is None and time.monotonic() < deadline:
            news = listening.next(0.1)
            heard = news.telegram if isinstance(news, Heard) else None
        listening.stop()
    assert heard is not None
    assert heard.lorawan is not None
    assert (heard.frame.source, heard.frame.mode) == (kind, "SF7")
