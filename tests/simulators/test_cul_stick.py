"""The simulated CUL: its answers, what its line holds, and its faults together with the host's session."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from protocols.decode import decode
from protocols.errors import ProtocolError
from protocols.model import FrameFormat, Outcome, RawFrame
from protocols.receivers.cul import HostSession
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import strip_crcs
from simulators.air import Transmission
from simulators.receivers.cul import CulStick, OldCulStick, RecentCulStick
from simulators.receivers.line_faults import FAULTS, LineFaults
from simulators.scenario import Faults
from tests.simulators.stick_session import STARTS, STEP_S, joined

A_STRIPPED = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
B_STRIPPED = bytes.fromhex("2A442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC24")
A_LINE = b"b1844AE4C4455223368075F787A55000000041389E20100023B0000D0C684E0\r\n"
B_LINE = b"bY2C442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC2427BD84E0\r\n"


def sent(stripped: bytes, mode: str, frame_format: FrameFormat = FrameFormat.A) -> Transmission:
    return Transmission(1, STARTS, "meter", mode, frame_format, with_crcs(stripped, frame_format), -90)


def asked(stick: CulStick, *commands: bytes, at_s: float = 0.0) -> bytes:
    for command in commands:
        stick.receive(command, at_s)
    return b"".join(stick.due(at_s + 1.0))


def run(
    stick: CulStick, mode: str, seconds: float, faults: Faults | None = None
) -> tuple[list[HostEvent], list[Transmission]]:
    """Join a host and the stick on the demonstration's air."""
    events, on_air = joined(HostSession(mode), stick, seconds, faults=faults)
    return events, [one.transmission for one in on_air]


def frames(events: list[HostEvent]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


@pytest.mark.parametrize(
    "commands",
    [(b"V\r\n", b"brt\r\n", b"X21\r\n"), (b"V\r\n", b"X21\r\nbrt\r\n"), (b"V\nX21\nbrt\n",)],
    ids=["mode first", "in one write", "bare line feeds"],
)
def test_answers_in_either_order(commands: tuple[bytes, ...]) -> None:
    stick = CulStick()
    assert asked(stick, *commands) == b"V 1.67 nanoCUL868\r\nTMODE\r\n"
    assert stick.report == 0x21


def test_worked_examples_come_out_byte_for_byte() -> None:
    for letter, mode, stripped, frame_format, line in (
        (b"t", "T1", A_STRIPPED, FrameFormat.A, A_LINE),
        (b"c", "C1", B_STRIPPED, FrameFormat.B, B_LINE),
    ):
        stick = CulStick()
        asked(stick, b"br" + letter + b"\r\n", b"X21\r\n")
        stick.hear(sent(stripped, mode, frame_format), 1.0)
        assert b"".join(stick.due(2.0)) == line


def test_without_the_setting_there_is_no_signal_and_at_first_no_line() -> None:
    stick = CulStick()
    asked(stick, b"brt\r\n")
    stick.hear(sent(A_STRIPPED, "T1"), 1.0)
    assert stick.due(2.0) == []
    asked(stick, b"X01\r\n", at_s=2.0)
    stick.hear(sent(A_STRIPPED, "T1"), 3.0)
    assert b"".join(stick.due(4.0)) == A_LINE[:-6] + b"\r\n"


def test_other_commands_and_modes() -> None:
    stick = CulStick(has_mode_c=False)
    assert asked(stick, b"brx\r\n") == asked(stick, b"brc\r\n", at_s=2.0) == b"OFF\r\n"
    assert asked(stick, b"hello\r\n", at_s=4.0).startswith(b"? (hello is unknown) Use one of ")
    asked(stick, b"X21\r\nbrs\r\n", at_s=6.0)
    for mode in ("T1", "C1", "S1"):
        stick.hear(sent(A_STRIPPED, mode), 8.0)
    assert (stick.counters.heard, stick.counters.wrong_mode) == (1, 2)


def test_a_line_takes_its_time_and_comes_in_pieces() -> None:
    stick = CulStick(faults=LineFaults(split=True))
    asked(stick, b"brt\r\nX21\r\n")
    pieces: list[bytes] = []
    for number in range(20):
        stick.hear(sent(A_STRIPPED, "T1"), 2.0 + number)
        assert stick.due(2.0 + number) == []
        pieces += stick.due(2.9 + number)
    assert b"".join(pieces) == A_LINE * 20
    assert len(pieces) == 120


@pytest.mark.parametrize("mode", ["c1", "t1", "s1"])
def test_damage_on_the_air_is_told_as_damage(mode: str) -> None:
    events, on_air = run(CulStick(faults=LineFaults(split=True)), mode, 30.0, Faults(bit_errors=0.4))
    clean = {t.coded for t in on_air if not t.damaged}
    for frame in frames(events):
        telegram = decode(RawFrame(frame.data, frame_format=frame.frame_format))
        assert (telegram.outcome is Outcome.DAMAGED) == (frame.data not in clean)
    if mode != "s1":
        assert {frame.data in clean for frame in frames(events)} == {True, False}


def test_firmware_that_hears_both_says_the_mode_of_format_b_only() -> None:
    events, on_air = run(RecentCulStick(), "c1", 15.0)
    (info,) = (event.info for event in events if isinstance(event, Ready))
    assert (info.model, info.firmware) == ("nanoCUL868", "a-culfw 1.26.08")
    modes = {t.coded: t.mode for t in on_air}
    seen = {(modes[frame.data], frame.mode) for frame in frames(events)}
    assert ("T1", None) in seen
    assert ("C1", "") in seen
    assert ("T1", "") not in seen


def test_firmware_without_mode_c() -> None:
    events, _ = run(OldCulStick(), "c1", 3.0)
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert failed.identified
    events, _ = run(OldCulStick(), "t1", 10.0)
    assert frames(events)


def test_a_short_buffer_cuts_telegrams_and_takes_no_other_away() -> None:
    whole, _ = run(CulStick(), "t1", 30.0)
    stick = CulStick(buffer_size=60)
    events, _ = run(stick, "t1", 30.0)
    assert stick.counters.cut
    short = [frame.data for frame in frames(whole) if len(frame.data) <= 60]
    assert [frame.data for frame in frames(events) if frame.rssi_dbm is not None] == short
    for frame in frames(events):
        if frame.rssi_dbm is None:
            assert decode(RawFrame(frame.data, frame_format=frame.frame_format)).outcome is Outcome.DAMAGED


@pytest.mark.parametrize("name", FAULTS)
def test_a_host_copes_with_every_fault_of_the_line(name: str) -> None:
    events, on_air = run(CulStick(faults=FAULTS[name]), "t1", 20.0)
    if name == "mute":
        assert frames(events) == []
        return
    clean = {t.coded for t in on_air}
    wrong = [frame for frame in frames(events) if frame.data not in clean]
    assert len(frames(events)) > 10
    assert bool(wrong) == (name == "bad-checksum")
    assert {decode(RawFrame(one.data, frame_format=one.frame_format)).outcome for one in wrong} <= {Outcome.DAMAGED}


def test_a_mute_stick_ends_in_a_hint_and_a_slow_one_is_waited_for() -> None:
    events, _ = run(CulStick(faults=LineFaults(mute=True)), "t1", 6.0)
    assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Failed]
    for slow_s in (0.2, 0.45, 0.8):
        events, _ = run(CulStick(faults=LineFaults(slow_s=slow_s)), "t1", 12.0)
        assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Ready]
        assert frames(events)


@pytest.mark.parametrize("seed", range(20))
def test_starts_over_a_lossy_wire_end(seed: int) -> None:
    rng = random.Random(seed)
    stick, session = CulStick(seed=seed), HostSession("t1")
    to_device = [session.start()]
    ends: list[HostEvent] = []
    for step in range(800):
        now_s = step * STEP_S
        for data in to_device:
            if rng.random() > 0.2:
                stick.receive(data, now_s)
        fresh = [event for data in stick.due(now_s) if rng.random() > 0.2 for event in session.receive(data)]
        fresh += session.tick(now_s)
        to_device = [event.data for event in fresh if isinstance(event, Send)]
        ends += [event for event in fresh if isinstance(event, Ready | Failed)]
    assert [type(end) for end in ends] in ([Ready], [Failed])


def test_a_stick_that_lost_its_power_is_silent_until_it_is_set_again() -> None:
    stick = CulStick()
    asked(stick, b"brt\r\nX21\r\n")
    stick.power_cycle()
    stick.hear(sent(A_STRIPPED, "T1"), 5.0)
    assert stick.due(6.0) == []
    session = HostSession("t1")
    session.start()
    session.receive(b"V 1.67 nanoCUL868\r\nTMODE\r\n")
    requests = [event for step in range(70) for event in session.tick(float(step)) if isinstance(event, Send)]
    assert asked(stick, *(request.data for request in requests[:1]), at_s=70.0) == b"TMODE\r\n"
    stick.hear(sent(A_STRIPPED, "T1"), 75.0)
    assert b"".join(stick.due(76.0)) == A_LINE


def test_a_damaged_l_field_never_gives_a_good_frame() -> None:
    coded = with_crcs(A_STRIPPED, FrameFormat.A)
    for length in range(256):
        stick = CulStick()
        asked(stick, b"brt\r\nX21\r\n")
        stick.hear(replace(sent(A_STRIPPED, "T1"), coded=bytes((length,)) + coded[1:], damaged=True), 2.0)
        for event in _heard(b"".join(stick.due(4.0))):
            if isinstance(event, Frame) and length != coded[0]:
                try:
                    assert strip_crcs(event.data, event.frame_format).problem is not None
                except ProtocolError:
                    continue
            else:
                assert isinstance(event, Frame | Damaged)


def _heard(data: bytes) -> list[HostEvent]:
    session = HostSession("t1")
    session.start()
    session.receive(b"V 1.67 nanoCUL868\r\nTMODE\r\n")
    return session.receive(data)
