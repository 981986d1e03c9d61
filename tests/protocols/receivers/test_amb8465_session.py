"""The host's session with an AMB8465, driven by replies typed in from recorded exchanges."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.model import RawFrame
from protocols.receivers.amb8465.envelope import CommandFrame
from protocols.receivers.amb8465.session import RENEW_S, HostSession
from protocols.receivers.damage_run import DAMAGED_LIMIT
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
REAL_SETTINGS = bytes.fromhex(
    "0080710200010000FFFFFA00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0C3200026400FFFFFFFFFF010004000000FFFFFF0144"
    "0000000000000000FFFF0B060100FFFFFFFFFF01030000FFFFFFFFFFFFFF0000" + "FF" * 38
)
FIRMWARE = CommandFrame(0x8C, bytes((2, 1, 4))).to_bytes()
SERIAL = bytes.fromhex("FF8B0453005B0E76")
MODE_OK = bytes.fromhex("FF8401007A")

ASK_SETTINGS = bytes.fromhex("FF0A02008077")
ASK_FIRMWARE = bytes.fromhex("FF0C00F3")
ASK_SERIAL = bytes.fromhex("FF0B00F4")
SET_T1 = bytes.fromhex("FF040108F2")


def settings_answer(*, framed: bool = True, rssi: bool = True, sleep: int = 0, more: int = 0) -> bytes:
    data = bytearray(REAL_SETTINGS) + b"\xff" * more
    data[0x05], data[0x45], data[0x3F] = framed, rssi, sleep
    return CommandFrame(0x8A, bytes((0, len(data))) + data).to_bytes()


# The four ways in which a telegram may come (reference sheet, 4.4), and what they are worth.
STYLES: dict[str, tuple[bool, bool, bytes, int | None, str]] = {
    "bare": (False, False, TELEGRAM, None, "without a checksum"),
    "bare with RSSI": (False, True, b"\x19" + TELEGRAM[1:] + b"\xe0", -90, "without a checksum"),
    "framed": (True, False, b"\xff\x03\x18" + TELEGRAM[1:] + b"\x46", None, "no signal strength"),
    "framed with RSSI": (True, True, b"\xff\x03\x19" + TELEGRAM[1:] + b"\xe0\xa7", -90, ""),
}
INDICATION = STYLES["framed with RSSI"][2]


def ready_session(answer: bytes = b"") -> HostSession:
    session = HostSession("t1")
    assert session.start() == ASK_SETTINGS
    assert session.receive(answer or settings_answer()) == [Send(ASK_FIRMWARE)]
    assert session.receive(FIRMWARE) == [Send(ASK_SERIAL)]
    assert session.receive(SERIAL) == [Send(SET_T1)]
    (ready,) = session.receive(MODE_OK)
    assert isinstance(ready, Ready)
    assert session.listening
    return session


def ticked(session: HostSession, seconds: float, begins_s: float = 0.0) -> list[tuple[float, HostEvent]]:
    times = [begins_s + step / 10 for step in range(int(seconds * 10) + 1)]
    return [(now_s, event) for now_s in times for event in session.tick(now_s)]


@pytest.mark.parametrize("style", STYLES)
def test_whole_handshake_and_a_frame(style: str) -> None:
    framed, rssi, raw, level, note = STYLES[style]
    session = HostSession("t1")
    session.start()
    session.receive(settings_answer(framed=framed, rssi=rssi))
    session.receive(FIRMWARE)
    session.receive(SERIAL)
    (ready,) = session.receive(MODE_OK)
    assert isinstance(ready, Ready)
    assert (ready.info.model, ready.info.serial, ready.info.firmware) == ("AMB8465", "53005B0E", "2.1.4")
    assert note in ready.info.note
    assert bool(note) == bool(ready.info.note)
    assert session.receive(raw + raw) == [Frame(TELEGRAM, level)] * 2
    # Without a frame around it a stray byte may look like a length, until the line falls silent.
    told = [*session.receive(b"\xd5" + raw), *(event for _, event in ticked(session, 1))]
    assert told == [Frame(TELEGRAM, level)]


def test_nothing_but_the_volatile_mode_is_ever_written() -> None:
    session = HostSession("c1,t1")
    asked = [session.start()]
    for answer in (settings_answer(framed=False, rssi=False), FIRMWARE, SERIAL, MODE_OK):
        asked += [event.data for event in session.receive(answer) if isinstance(event, Send)]
    asked += [event.data for _, event in ticked(session, 2 * RENEW_S) if isinstance(event, Send)]
    assert {raw[1] for raw in asked} == {0x0A, 0x0C, 0x0B, 0x04}


def test_handshake_byte_by_byte_with_noise_and_telegrams_between() -> None:
    session = HostSession("t1")
    session.start()
    answers = (settings_answer(), FIRMWARE, SERIAL, MODE_OK)
    stream = INDICATION + b"".join(b"\x00\xff" + answer + b"\xfe" for answer in answers) + INDICATION
    kinds = [type(event) for byte in stream for event in session.receive(bytes((byte,)))]
    assert kinds == [Send, Send, Send, Ready, Frame]


def test_probe_is_repeated_and_then_given_up() -> None:
    session = HostSession("t1")
    session.start()
    told = ticked(session, 4)
    assert [event for _, event in told[:-1]] == [Send(ASK_SETTINGS)] * 3 + [Send(b"\r\n")]
    failed_at, failed = told[-1]
    assert failed_at == pytest.approx(2.0)
    assert isinstance(failed, Failed)
    assert "no AMB8465 answered within 2 s" in failed.reason
    assert not failed.identified
    assert session.receive(settings_answer()) == session.tick(9.0) == []


def test_versions_may_stay_unknown() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(settings_answer())
    told = [event for _, event in ticked(session, 2.5)]
    assert told[:4] == [Send(ASK_FIRMWARE), Send(ASK_SERIAL), Send(ASK_SERIAL), Send(SET_T1)]
    assert session.receive(MODE_OK) == [Ready(ReceiverInfo("AMB8465", "", "", "t1"))]


def test_a_stick_that_stops_to_answer_is_given_up() -> None:
    session = HostSession("t1")
    session.start()
    for answer in (settings_answer(), FIRMWARE, SERIAL):
        session.receive(answer)
    failed = ticked(session, 4)[-1][1]
    assert isinstance(failed, Failed)
    assert "AMB8465 53005B0E fell silent" in failed.reason
    assert failed.identified


def test_the_mode_is_set_again_after_a_while_and_a_silent_stick_is_noticed() -> None:
    session = ready_session()
    at_s, renewed = ticked(session, RENEW_S + 0.1)[-1]
    assert renewed == Send(SET_T1)
    assert at_s == pytest.approx(RENEW_S)
    assert session.receive(INDICATION + MODE_OK + INDICATION) == [Frame(TELEGRAM, -90)] * 2
    told = ticked(session, RENEW_S + 5, begins_s=RENEW_S + 0.2)
    assert [type(event) for _, event in told] == [Send] * 4 + [Failed]


def test_a_refused_mode_says_so() -> None:
    session = HostSession("t1")
    session.start()
    for answer in (settings_answer(), FIRMWARE, SERIAL):
        session.receive(answer)
    (failed,) = session.receive(CommandFrame(0x84, b"\x01").to_bytes())
    assert isinstance(failed, Failed)
    assert "AMB8465 53005B0E refused mode t1 with status 1" in failed.reason


@pytest.mark.parametrize(
    ("mode", "more", "said"), [("n1a", 0, "AMB8465 53005B0E cannot"), ("t1", 8, "AMB3665 53005B0E cannot")]
)
def test_a_mode_of_the_other_band_says_so(mode: str, more: int, said: str) -> None:
    session = HostSession(mode)
    session.start()
    session.receive(settings_answer(more=more) + FIRMWARE)
    (failed,) = session.receive(SERIAL)
    assert isinstance(failed, Failed)
    assert said in failed.reason
    assert failed.identified
    assert failed.hint.startswith("it can do: n1a" if more else "it can do: c1")


def test_169_mhz() -> None:
    session = HostSession("N1C")
    session.start()
    session.receive(settings_answer(more=8) + FIRMWARE)
    assert session.receive(SERIAL) == [Send(CommandFrame(0x04, b"\x06").to_bytes())]


def test_damage_is_told_and_overcome() -> None:
    session = ready_session()
    damaged = INDICATION[:-1] + b"\x00"
    assert session.receive(damaged + INDICATION) == [
        Damaged("XOR checksum does not fit", damaged),
        Frame(TELEGRAM, -90),
    ]
    assert session.receive(b"\x01\x02" + INDICATION) == [
        Damaged("bytes outside any frame", b"\x01\x02"),
        Frame(TELEGRAM, -90),
    ]
    for _ in range(DAMAGED_LIMIT - 1):
        (told,) = session.receive(damaged)
        assert isinstance(told, Damaged)
    failed = session.receive(damaged)[-1]
    assert isinstance(failed, Failed)
    assert session.receive(INDICATION) == []


@pytest.mark.parametrize("style", STYLES)
def test_a_frame_that_never_ends_is_given_up(style: str) -> None:
    framed, rssi, raw, level, _ = STYLES[style]
    session = ready_session(settings_answer(framed=framed, rssi=rssi))
    session.receive(raw[:15])
    told = [event for _, event in ticked(session, 1)]
    assert told == [Damaged("bytes outside any frame", raw[:15])]
    assert session.receive(raw) == [Frame(TELEGRAM, level)]


def test_a_false_head_hides_good_frames_only_until_the_line_falls_silent() -> None:
    session = ready_session()
    assert session.receive(b"\xff\x03\xf0" + INDICATION) == []
    assert [event for _, event in ticked(session, 1)] == [
        Damaged("bytes outside any frame", b"\xff\x03\xf0"),
        Frame(TELEGRAM, -90),
    ]


def test_a_byte_of_strength_and_too_little_else_is_no_telegram() -> None:
    session = ready_session()
    short = CommandFrame(0x03, TELEGRAM[1:11])
    assert [type(event) for event in session.receive(short.to_bytes())] == [Damaged]


def test_what_the_stick_decrypted_itself_is_read() -> None:
    # Its mode nibble stays 5, and the count of encrypted blocks is zero (reference sheet, 4.5).
    plain = bytes.fromhex("44AE4C4455223368077A550000052F2F041389E20100023B0000") + b"\x2f" * 6
    (frame,) = ready_session().receive(CommandFrame(0x03, plain + b"\xe0").to_bytes())
    assert isinstance(frame, Frame)
    telegram = decode(RawFrame(frame.data, rssi_dbm=frame.rssi_dbm))
    assert telegram.ok
    assert [reading.name for reading in telegram.readings] == ["total_volume", "volume_flow"]


def test_the_settings_of_somebody_elses_question_are_passed_over() -> None:
    session = HostSession("t1")
    session.start()
    assert session.receive(CommandFrame(0x8A, b"\x05\x01\x01").to_bytes()) == []
    assert session.receive(settings_answer()) == [Send(ASK_FIRMWARE)]


def test_sleep_is_told() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(settings_answer(sleep=1) + FIRMWARE + SERIAL)
    (ready,) = session.receive(MODE_OK)
    assert isinstance(ready, Ready)
    assert "goes to sleep" in ready.info.note


@given(st.lists(st.binary(max_size=60), max_size=20), st.sampled_from(sorted(STYLES)))
@settings(deadline=None)
def test_any_bytes_at_any_time_never_raise_and_a_good_frame_is_found(pieces: list[bytes], style: str) -> None:
    framed, rssi, raw, level, _ = STYLES[style]
    session = ready_session(settings_answer(framed=framed, rssi=rssi))
    for place, piece in enumerate(pieces):
        session.receive(piece)
        session.tick(place / 10)
    ticked(session, 1, begins_s=len(pieces) / 10)
    if session.listening:
        assert session.receive(raw) == [Frame(TELEGRAM, level)]


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_handshake_hangs(noise: bytes) -> None:
    session = HostSession("t1")
    session.start()
    rng = random.Random(noise)
    events: list[HostEvent] = []
    for step in range(200):
        if rng.random() < 0.1:
            events += session.receive(noise)
        events += session.tick(step / 10)
    assert any(isinstance(event, Failed) for event in events)
