"""The simulated RC1180-MBUS: commands typed in from the reference sheet, its memory, what goes wrong on its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.rc1180 import HostSession
from protocols.receivers.registry import REGISTRY, receiver
from simulators.receivers.device import device
from simulators.receivers.line_faults import FAULTS, faults_named
from simulators.receivers.rc1180 import FramedRc1180Stick, Rc1180Stick, memory
from simulators.scenario import Faults
from tests.simulators.stick_session import joined

LAYOUTS = [(rssi, interface) for rssi in (0, 1) for interface in (0x00, 0x04, 0x08, 0x0C)]


def answer(stick: Rc1180Stick, request: str, at_s: float = 0.0) -> str:
    stick.receive(bytes.fromhex(request), at_s)
    return b"".join(stick.due(at_s + 1)).hex().upper()


def stick_with(rssi: int = 1, interface: int = 0x0C, *, unasked: bool = False, again: bool = True) -> Rc1180Stick:
    return Rc1180Stick(settings=memory({0x05: rssi, 0x36: interface}), speaks_unasked=unasked, prompts_again=again)


def run(
    stick: Rc1180Stick, mode: str = "c1,t1", seconds: float = 14.0, faults: Faults | None = None
) -> tuple[list[HostEvent], list[bytes]]:
    """Join a session and a stick; return the events, and what was on the air undamaged."""
    events, on_air = joined(HostSession(mode), stick, seconds, faults=faults)
    return events, [one.frame for one in on_air if one.frame]


def heard(events: list[HostEvent]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def test_the_exchange_of_the_sheet() -> None:
    stick = Rc1180Stick()
    assert answer(stick, "00") == "3E"
    settings = answer(stick, "30", 1.0)
    assert len(settings) == 2 * 257
    assert settings.endswith("3E")
    assert bytes.fromhex(settings)[0x1B:0x1F] == bytes.fromhex("12345678")
    assert answer(stick, "58", 2.0) == ""
    assert answer(stick, "00", 3.0) == "3E"
    assert answer(stick, "4709", 4.0) == "3E"
    assert stick.mode == 9
    assert stick.memory.mode == 1
    assert answer(stick, "4720", 5.0) == ""
    assert answer(stick, "58", 6.0) == ""


def test_a_memory_that_is_written_is_kept_and_holds_from_the_next_start_on() -> None:
    stick = Rc1180Stick()
    assert answer(stick, "00") == "3E"
    assert answer(stick, "4D05010309FF", 1.0) == "3E"
    assert answer(stick, "5905", 2.0) == "013E"
    assert stick.counters.flash_writes == 1
    assert stick.memory.data[0x05] == 0
    stick.power_cycle()
    assert (stick.memory.data[0x05], stick.mode) == (1, 9)
    assert answer(stick, "00", 3.0) == "3E"
    assert answer(stick, "405243", 4.0) == "3E"
    stick.power_cycle()
    assert (stick.memory.data[0x05], stick.mode) == (0, 1)


def test_what_looks_like_a_telegram_to_send_swallows_the_next_request_until_it_is_forgotten() -> None:
    stick = Rc1180Stick()
    assert answer(stick, "30") == ""
    assert answer(stick, "00", 1.0) == ""
    assert answer(stick, "00", 3.5) == "3E"


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_whatever_a_host_sends_the_stick_goes_on(pieces: list[bytes]) -> None:
    stick = Rc1180Stick()
    for place, piece in enumerate(pieces):
        stick.receive(piece, float(place))
        stick.due(float(place))
    stick.due(90.0)
    stick.receive(b"X", 100.0)
    assert answer(stick, "00", 103.0) == "3E"


@pytest.mark.parametrize(("rssi", "interface"), LAYOUTS)
@pytest.mark.parametrize("unasked", [True, False])
def test_every_layout_is_understood(rssi: int, interface: int, unasked: bool) -> None:
    stick = stick_with(rssi, interface, unasked=unasked)
    events, on_air = run(stick)
    frames = heard(events)
    assert sum(isinstance(event, Ready) for event in events) == 1
    assert len(frames) > 15
    assert all(frame.data in on_air for frame in frames)
    assert {frame.rssi_dbm is None for frame in frames} == {not rssi}
    assert not any(isinstance(event, Damaged) for event in events)
    assert stick.counters.flash_writes == 0


def test_frames_with_wrong_crc_stay_in_the_stick() -> None:
    stick = Rc1180Stick()
    events, on_air = run(stick, faults=Faults(bit_errors=0.5))
    assert stick.counters.crc_errors > 3
    assert all(frame.data in on_air for frame in heard(events))


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "mute"])
@pytest.mark.parametrize("prompts_again", [True, False])
def test_faults_of_the_line_are_overcome(name: str, prompts_again: bool) -> None:
    stick = stick_with(again=prompts_again)
    stick.faults = FAULTS[name]
    events, on_air = run(stick, seconds=22)
    frames = heard(events)
    assert len(frames) > 15
    assert all(frame.data in on_air for frame in frames)
    assert any(isinstance(event, Damaged) for event in events) == (name == "bad-checksum")


def test_a_mute_stick_is_given_up() -> None:
    stick = Rc1180Stick(faults=FAULTS["mute"])
    events, _ = run(stick, seconds=7)
    assert isinstance(events[-1], Failed)
    assert not stick.configuring


def test_all_faults_at_once_are_overcome_but_silence() -> None:
    stick = stick_with()
    stick.faults = faults_named(name for name in FAULTS if name != "mute")
    events, on_air = run(stick, seconds=22)
    assert len(heard(events)) > 10
    assert all(frame.data in on_air for frame in heard(events))


@pytest.mark.parametrize("prompts_again", [True, False])
def test_a_stick_that_was_left_in_its_configuration_is_found(prompts_again: bool) -> None:
    stick = Rc1180Stick(prompts_again=prompts_again)
    stick.receive(b"\x00", 0.0)
    stick.due(1.0)
    events, _ = run(stick)
    assert len(heard(events)) > 15


@pytest.mark.parametrize(("mode", "works"), [("t1", True), ("s2", True), ("c1", False), ("c1,t1", False)])
def test_an_old_part_has_two_modes(mode: str, works: bool) -> None:
    events, _ = run(Rc1180Stick(modes=frozenset((0, 1))), mode, seconds=6)
    assert any(isinstance(event, Ready) for event in events) == works
    if not works:
        assert isinstance(events[-1], Failed)
        assert events[-1].identified
        assert f"does not confirm mode {mode}" in events[-1].reason
        assert "t1 and s2" in events[-1].hint


def test_a_stick_that_was_reset_in_silence_is_set_anew() -> None:
    stick = FramedRc1180Stick()
    session = HostSession("s1")
    stick.receive(session.start(), 0.0)
    modes: list[int] = []
    for step in range(3300):
        now_s = step / 10
        if step == 100:
            stick.power_cycle()
        for event in [*(e for data in stick.due(now_s) for e in session.receive(data)), *session.tick(now_s)]:
            if isinstance(event, Send):
                stick.receive(event.data, now_s)
        modes.append(stick.mode)
    assert (modes[50], modes[150], modes[-1]) == (3, 1, 3)
    assert not stick.configuring


@pytest.mark.parametrize("kind", [kind for kind in REGISTRY if kind != "rc1180"])
def test_other_sticks_answer_after_they_were_taken_for_this_one(kind: str) -> None:
    peer, probe = device(kind), HostSession()
    asked = [probe.start(), *(e.data for step in range(70) for e in probe.tick(step / 10) if isinstance(e, Send))]
    assert asked[-1] == b"\r\n"
    for place, data in enumerate(asked):
        peer.receive(data, float(place))
        peer.due(place + 0.9)
    session = receiver(kind).host_session(receiver(kind).DEFAULT_MODE)
    events: list[HostEvent] = []
    to_peer = [session.start()]
    for step in range(400):
        now_s = 10 + step / 100
        for data in to_peer:
            peer.receive(data, now_s)
        fresh = [event for data in peer.due(now_s) for event in session.receive(data)]
        fresh += session.tick(now_s)
        to_peer = [event.data for event in fresh if isinstance(event, Send)]
        events += fresh
    assert [type(event) for event in events if not isinstance(event, Send)] == [Ready]
