"""The simulated AMB8465: commands typed in from the reference sheet, settings in flash, what goes wrong on its line."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.receivers.amb8465 import HostSession
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.registry import REGISTRY, receiver
from simulators.receivers.amb8465 import (
    DEFAULT_PARAMETERS,
    Amb3665Stick,
    Amb8465Stick,
    BareAmb8465Stick,
    with_output,
)
from simulators.receivers.device import device
from simulators.receivers.line_faults import FAULTS, LineFaults, faults_named
from simulators.scenario import Faults
from tests.simulators.stick_session import joined

REAL_ANSWER = (
    "FF8A7A00780080710200010000FFFFFA00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0C3200026400FFFFFFFFFF010004000000FFFFFF0144"
    "0000000000000000FFFF0B060100FFFFFFFFFF01030000FFFFFFFFFFFFFF0000" + "FF" * 38 + "69"
)


def answer(stick: Amb8465Stick, request: str, at_s: float = 0.0) -> str:
    stick.receive(bytes.fromhex(request), at_s)
    return b"".join(stick.due(at_s + 1)).hex().upper()


def run(
    stick: Amb8465Stick, mode: str = "c1,t1", seconds: float = 12.0, faults: Faults | None = None
) -> tuple[list[HostEvent], list[bytes]]:
    """Join a session and a stick; return the events, and what was on the air undamaged."""
    events, on_air = joined(HostSession(mode), stick, seconds, faults=faults)
    return events, [one.frame for one in on_air if one.frame]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("FF0A02008077", REAL_ANSWER),
        ("FF0A020501F3", "FF8A0305010173"),
        ("FF0B00F4", "FF8B0453005B0E76"),
        ("FF0C00F3", "FF8C0302010477"),
        ("FF040108F2", "FF8401007A"),
        ("FF040109F3", "FF8401007A"),
        ("FF04010EF4", "FF8401007A"),
        ("FF040103F9", "FF8401007A"),
        ("FF0500FA", "FF8501007B"),
        ("FF0903050101F0", "FF89010077"),
        ("FF001044AE4C4455223368077A55000000041388", ""),
    ],
)
def test_answers_of_the_sheet(request_: str, expected: str) -> None:
    assert answer(Amb8465Stick(), request_) == expected


def test_settings_are_kept_and_hold_from_the_next_start_on() -> None:
    stick = BareAmb8465Stick()
    works = stick.parameters
    assert (works.command_output, works.has_rssi) == (False, False)
    assert answer(stick, "FF0903050101F0") == "FF89010077"
    assert answer(stick, "FF0903450101B0", 1.0) == "FF89010077"
    assert stick.counters.flash_writes == 2
    assert stick.parameters == works
    stick.power_cycle()
    changed = stick.parameters
    assert (changed.command_output, changed.has_rssi) == (True, True)
    assert answer(stick, "FF09037801018D", 2.0) == "FF89010275"
    assert answer(stick, "FF1100EE", 3.0) == "FF9001006E"
    assert stick.parameters.data[5] == 0


def test_a_start_goes_back_to_the_mode_in_flash() -> None:
    stick = Amb8465Stick()
    answer(stick, "FF040109F3")
    assert stick.mode == 9
    stick.power_cycle()
    assert stick.mode == 3


def test_a_request_that_never_ends_does_not_swallow_the_next() -> None:
    stick = Amb8465Stick()
    assert answer(stick, "FF00F044") == ""
    assert answer(stick, "FF0B00F4", 1.0) == "FF8B0453005B0E76"
    assert answer(stick, "FF0B00F5", 3.0) == ""


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_whatever_a_host_sends_the_stick_goes_on(pieces: list[bytes]) -> None:
    stick = Amb8465Stick()
    for place, piece in enumerate(pieces):
        stick.receive(piece, float(place))
        stick.due(float(place))
    stick.due(90.0)
    assert answer(stick, "FF0B00F4", 100.0) == "FF8B0453005B0E76"


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("rssi", [True, False])
@pytest.mark.parametrize("unasked", [True, False])
def test_every_output_style_is_understood(framed: bool, rssi: bool, unasked: bool) -> None:
    parameters = with_output(DEFAULT_PARAMETERS, framed=framed, rssi=rssi)
    stick = Amb8465Stick(parameters=parameters, speaks_unasked=unasked)
    events, on_air = run(stick)
    frames = [event for event in events if isinstance(event, Frame)]
    assert sum(isinstance(event, Ready) for event in events) == 1
    assert len(frames) > 15
    assert all(frame.data in on_air for frame in frames)
    assert {frame.rssi_dbm is None for frame in frames} == {not rssi}
    assert not any(isinstance(event, Damaged) for event in events)
    assert stick.counters.flash_writes == 0


def test_frames_with_wrong_crc_stay_in_the_stick() -> None:
    stick = Amb8465Stick()
    events, on_air = run(stick, faults=Faults(bit_errors=0.5))
    assert stick.counters.crc_errors > 3
    assert all(event.data in on_air for event in events if isinstance(event, Frame))


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "mute"])
def test_faults_of_the_line_are_overcome(name: str) -> None:
    stick = Amb8465Stick(faults=FAULTS[name])
    events, on_air = run(stick, seconds=20)
    frames = [event for event in events if isinstance(event, Frame)]
    assert len(frames) > 15
    assert all(frame.data in on_air for frame in frames)
    assert any(isinstance(event, Damaged) for event in events) == (name == "bad-checksum")


def test_a_mute_stick_is_given_up() -> None:
    events, _ = run(Amb8465Stick(faults=FAULTS["mute"]), seconds=4)
    assert isinstance(events[-1], Failed)


def test_all_faults_at_once_are_overcome_but_silence() -> None:
    faults = faults_named(name for name in FAULTS if name != "mute")
    assert faults == LineFaults(bad_checksum=0.2, stray=0.2, split=True, slow_s=0.3)
    events, on_air = run(Amb8465Stick(faults=faults), seconds=20)
    frames = [event for event in events if isinstance(event, Frame)]
    assert len(frames) > 10
    assert all(frame.data in on_air for frame in frames)


@given(st.binary(min_size=1, max_size=60))
def test_pieces_are_the_frame(data: bytes) -> None:
    assert b"".join(LineFaults(split=True).pieces(data, random.Random(1))) == data
    (damaged,) = LineFaults(bad_checksum=1.0).pieces(data, random.Random(1))
    assert damaged[:-1] == data[:-1]
    assert damaged != data


def test_a_stick_that_was_reset_in_silence_is_set_anew() -> None:
    stick = Amb8465Stick()
    session = HostSession("t1")
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
    assert (modes[50], modes[150], modes[-1]) == (8, 3, 8)


@pytest.mark.parametrize("kind", [kind for kind in REGISTRY if kind != "amb8465"])
def test_other_sticks_answer_after_they_were_taken_for_this_one(kind: str) -> None:
    peer, probe = device(kind), HostSession()
    asked = [probe.start(), *(e.data for step in range(40) for e in probe.tick(step / 10) if isinstance(e, Send))]
    for place, data in enumerate(asked):
        peer.receive(data, place / 2)
        peer.due(place / 2 + 0.4)
    session = receiver(kind).host_session(receiver(kind).DEFAULT_MODE)
    events: list[HostEvent] = []
    to_peer = [session.start()]
    for step in range(400):
        now_s = 5 + step / 100
        for data in to_peer:
            peer.receive(data, now_s)
        fresh = [event for data in peer.due(now_s) for event in session.receive(data)]
        fresh += session.tick(now_s)
        to_peer = [event.data for event in fresh if isinstance(event, Send)]
        events += fresh
    assert [type(event) for event in events if not isinstance(event, Send)] == [Ready]


def test_169_mhz() -> None:
    stick = Amb3665Stick()
    assert answer(stick, "FF0A02008077").startswith("FF8A820080")
    assert answer(stick, "FF040106FC", 1.0) == "FF8401007A"
    assert answer(stick, "FF040109F3", 2.0) == "FF8401017B"
    events, _ = run(Amb3665Stick(), "n2f", seconds=2)
    (ready,) = (event for event in events if isinstance(event, Ready))
    assert ready.info.model == "AMB3665"
