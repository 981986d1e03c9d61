"""The host's session with an RC1180-MBUS, driven by answers typed in from the reference sheet."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.receivers.damage_run import DAMAGED_LIMIT
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.rc1180.session import RENEW_S, HostSession
from protocols.receivers.rc1180.settings import LISTENING_MODES, Layout, Memory, rssi_dbm, rssi_raw
from protocols.receivers.rc1180.stream import Noise, Telegram, TelegramStream, with_layout
from protocols.receivers.registry import receiver

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
WITH_RSSI = bytes.fromhex("1944AE4C4455223368077A55000000041389E20100023B00008C")
OTHER = bytes.fromhex("2A442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC24")
ENTER, ASK, LEAVE = Send(b"\x00"), Send(b"\x30"), Send(b"\x58")
T1 = Send(b"\x47\x01")


def settings_answer(**values: int) -> bytes:
    """The 257 bytes: role master, 19200 baud, id 12 34 56 78; `x05=1` and the like change others."""
    data = bytearray(256)
    data[0x03], data[0x10], data[0x12], data[0x30], data[0x3D] = 1, 0x7C, 1, 5, 2
    data[0x19:0x1F] = bytes.fromhex("0CAE12345678")
    for name, value in values.items():
        data[int(name[1:], 16)] = value
    return bytes(data) + b">"


# How telegrams may come: setting 05 and 36 to the bytes, and what they are worth.
STYLES: dict[str, tuple[int, int, bytes, int | None]] = {
    "plain": (0, 0x00, TELEGRAM, None),
    "erased": (0, 0xFF, TELEGRAM, None),
    "with RSSI": (1, 0x00, WITH_RSSI, -70),
    "marks": (0, 0x04, b"\x68" + TELEGRAM + b"\x16", None),
    "marks with RSSI": (1, 0x04, b"\x68" + WITH_RSSI + b"\x16", -70),
    "CRC": (0, 0x08, with_layout(TELEGRAM, Layout(crc=True), 0), None),
    "all": (1, 0x0C, with_layout(TELEGRAM, Layout(True, True, True), 0x8C), -70),
}


def ready_session(mode: str = "t1", **values: int) -> HostSession:
    session = HostSession(mode)
    assert session.start() == ENTER.data
    assert session.receive(b">") == [ASK]
    assert session.receive(settings_answer(**values)) == [Send(bytes((0x47, LISTENING_MODES[mode])))]
    left, ready = session.receive(b">")
    assert left == LEAVE
    assert isinstance(ready, Ready)
    assert session.listening
    return session


def styled(style: str) -> HostSession:
    rssi, interface, _, _ = STYLES[style]
    return ready_session(x05=rssi, x36=interface)


def ticked(session: HostSession, seconds: float, begins_s: float = 0.0) -> list[tuple[float, HostEvent]]:
    times = [begins_s + step / 10 for step in range(int(seconds * 10) + 1)]
    return [(now_s, event) for now_s in times for event in session.tick(now_s)]


@pytest.mark.parametrize("style", STYLES)
def test_whole_handshake_and_telegrams(style: str) -> None:
    _, _, raw, level = STYLES[style]
    session = styled(style)
    assert session.receive(raw + raw) == [Frame(TELEGRAM, level)] * 2
    assert session.receive(b"\xd5" + raw) == [Frame(TELEGRAM, level)]
    in_bytes = [event for byte in raw for event in session.receive(bytes((byte,)))]
    assert in_bytes == [Frame(TELEGRAM, level)]


def test_what_a_module_says_of_itself() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(b">" + settings_answer(x05=1, x36=0x0C))
    assert session.receive(b">") == [LEAVE, Ready(ReceiverInfo("RC1180-MBUS", "78563412", "", "t1"))]


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"x36": 4}, "without a checksum"),
        ({"x05": 0}, "no signal strength"),
        ({"x12": 0}, "is a slave, not a master"),
        ({"x3D": 0}, "keeps back meters"),
        ({"x04": 1}, "goes to sleep"),
        ({"x3F": 1}, "decrypts by itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_settings_take_away_is_told(values: dict[str, int], note: str) -> None:
    session = HostSession("t1")
    session.start()
    session.receive(b">" + settings_answer(**{"x05": 1, "x36": 0x0C} | values))
    ready = session.receive(b">")[-1]
    assert isinstance(ready, Ready)
    assert note in ready.info.note
    assert "," not in ready.info.note.replace("slave, not", "")


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        *(("s2", 0), ("t1", 1), ("t2", 2), ("s1", 3), ("r2", 4), ("c2", 8), ("c1", 9), ("t1,c1", 10), ("C2,T2", 11)),
        *(("n2", 0x10), ("n1", 0x11)),
    ],
)
def test_modes_of_the_sheet(mode: str, code: int) -> None:
    session = HostSession(mode)
    session.start()
    assert session.receive(b">" + settings_answer())[1:] == [Send(bytes((0x47, code)))]


def test_a_mode_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown link mode 'c3'; known: c1, c1,t1, c2"):
        receiver("rc1180").host_session("c3")


def test_strength() -> None:
    assert rssi_dbm(0x8C) == -70
    assert all(rssi_dbm(rssi_raw(dbm)) == dbm for dbm in range(-127, 1))


def test_nothing_is_ever_written_to_the_memory() -> None:
    session = HostSession("c1,t1")
    asked = [session.start()]
    answers = [b">", settings_answer(), b">"]
    for now_s in (step / 10 for step in range(int(20 * RENEW_S))):
        events = session.receive(answers.pop(0)) if answers else []
        for event in [*events, *session.tick(now_s)]:
            if isinstance(event, Send):
                asked.append(event.data)
                answers += [b">"] * (event.data[:1] in (b"\x00", b"G"))
    assert asked[:4] == [b"\x00", b"0", b"G\x0a", b"X"]
    assert asked[4:7] == [b"\x00", b"G\x0a", b"X"]
    assert {raw[:1] for raw in asked} == {b"\x00", b"0", b"G", b"X"}


def test_handshake_byte_by_byte_with_noise_and_telegrams_between() -> None:
    session = HostSession("t1")
    session.start()
    stream = OTHER + b"\x00\xff>" + b">" + b"\x0d\x0a" + settings_answer() + b"\xfe>" + TELEGRAM
    kinds = [type(event) for byte in stream for event in session.receive(bytes((byte,)))]
    assert kinds == [Send, Send, Send, Ready, Frame]


def test_a_module_that_was_left_in_its_configuration_is_found() -> None:
    session = HostSession("t1")
    session.start()
    told = [event for _, event in ticked(session, 0.6)]
    assert told == [ASK]
    assert session.receive(settings_answer()) == [T1]


def test_a_module_that_waits_for_the_rest_of_a_telegram_to_send_is_asked_again_when_it_has_forgotten() -> None:
    session = HostSession("t1")
    session.start()
    told = ticked(session, 3.5)
    assert [event for _, event in told] == [ASK, LEAVE, ENTER]
    assert told[2][0] - told[1][0] > 2
    assert session.receive(b">") == [ASK]


def test_probe_is_given_up_and_the_configuration_left() -> None:
    session = HostSession("t1")
    session.start()
    told = ticked(session, 8)
    assert [event for _, event in told[:-1]] == [ASK, LEAVE, ENTER, ASK, LEAVE, Send(b"\r\n")]
    failed_at, failed = told[-1]
    assert failed_at < 5
    assert isinstance(failed, Failed)
    assert failed.reason == "no RC1180-MBUS answered within 4 s"
    assert not failed.identified
    assert session.receive(settings_answer()) == session.tick(9.0) == []


def test_something_else_that_writes_a_prompt_is_given_up() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(b"login>")
    told = [event for _, event in ticked(session, 4)]
    assert told[:2] == [ASK, ASK]
    assert isinstance(told[-1], Failed)
    assert "tells no settings" in told[-1].reason


@given(st.binary(max_size=600).map(lambda noise: noise + b">"))
@example(b">" * 600)
@example(bytes(256) + b">")
def test_noise_is_not_taken_for_settings(noise: bytes) -> None:
    session = HostSession("t1")
    session.start()
    assert session.receive(b">") == [ASK]
    assert session.receive(noise) == []
    assert session.receive(settings_answer()) == [T1]


@pytest.mark.parametrize("interface", [1, 3, 2])
def test_parts_of_telegrams_are_of_no_use(interface: int) -> None:
    session = HostSession("t1")
    session.start()
    left, failed = session.receive(b">" + settings_answer(x36=interface))[1:]
    assert left == LEAVE
    assert isinstance(failed, Failed)
    assert failed.identified
    assert f"does not hand over whole telegrams (setting 36 is {interface:02X})" in failed.reason


def test_a_mode_that_is_not_confirmed() -> None:
    session = HostSession("c1")
    session.start()
    session.receive(b">" + settings_answer())
    told = [event for _, event in ticked(session, 3)]
    assert told[:3] == [Send(b"G\x09"), Send(b"G\x09"), LEAVE]
    failed = told[3]
    assert isinstance(failed, Failed)
    assert failed.reason == "RC1180-MBUS 78563412 does not confirm mode c1"
    assert failed.identified


def test_a_mode_that_is_not_confirmed_and_is_the_stored_one() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(b">" + settings_answer())
    *_, left, ready = [event for _, event in ticked(session, 3)]
    assert left == LEAVE
    assert isinstance(ready, Ready)
    assert "does not confirm the mode" in ready.info.note
    assert session.receive(TELEGRAM) == [Frame(TELEGRAM)]
    renewed = ticked(session, 0.0, begins_s=RENEW_S + 4)
    session.receive(b">")
    renewed += ticked(session, 0.2, begins_s=RENEW_S + 4.1)
    assert [event for _, event in renewed] == [ENTER, LEAVE]


@pytest.mark.parametrize("style", STYLES)
def test_the_mode_is_set_again_between_telegrams(style: str) -> None:
    _, _, raw, level = STYLES[style]
    session = styled(style)
    at_s, renewed = ticked(session, RENEW_S + 0.1)[-1]
    assert renewed == ENTER
    assert session.receive(raw + b">") == [Frame(TELEGRAM, level)]
    assert [event for _, event in ticked(session, 0.1, begins_s=at_s + 0.1)] == [T1]
    assert session.receive(b">") == [LEAVE]
    assert session.receive(raw) == [Frame(TELEGRAM, level)]


@pytest.mark.parametrize("style", STYLES)
def test_a_stray_byte_before_the_prompt_does_not_hide_it(style: str) -> None:
    _, _, raw, level = STYLES[style]
    session = styled(style)
    at_s, renewed = ticked(session, RENEW_S + 0.1)[-1]
    assert renewed == ENTER
    assert session.receive(b"\xd5>") == []
    assert [event for _, event in ticked(session, 0.1, begins_s=at_s + 0.1)] == [T1]
    assert session.receive(b">") == [LEAVE]
    assert session.receive(raw) == [Frame(TELEGRAM, level)]


def test_a_module_that_falls_silent_is_noticed() -> None:
    session = ready_session()
    told = [event for _, event in ticked(session, RENEW_S + 5)]
    assert told[:-1] == [ENTER] * 3 + [LEAVE]
    assert isinstance(told[-1], Failed)
    assert "RC1180-MBUS 78563412 fell silent: no prompt, to set the mode again, within 2.1 s" in told[-1].reason


def test_damage_is_told_and_overcome() -> None:
    session = styled("all")
    good = STYLES["all"][2]
    assert session.receive(good) == [Frame(TELEGRAM, -70)]
    for place in range(1, len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 0x01
        told = [*session.receive(bytes(damaged)), *(event for _, event in ticked(session, 0.5))]
        assert all(isinstance(event, Damaged) for event in told)
        assert told
        assert session.receive(good) == [Frame(TELEGRAM, -70)]


def test_endless_damage_is_given_up() -> None:
    session = styled("all")
    events = [event for _ in range(DAMAGED_LIMIT) for event in session.receive(b"\x01" * 300)]
    assert isinstance(events[-1], Failed)
    assert session.receive(STYLES["all"][2]) == []


@pytest.mark.parametrize("style", STYLES)
def test_a_telegram_that_never_ends_is_given_up(style: str) -> None:
    _, _, raw, level = STYLES[style]
    session = styled(style)
    session.receive(raw[:15])
    told = [event for _, event in ticked(session, 1)]
    assert told == [Damaged("bytes that are no whole telegram", raw[:15])]
    assert session.receive(raw) == [Frame(TELEGRAM, level)]


def test_a_module_with_another_crc_is_heard_all_the_same() -> None:
    raw = STYLES["CRC"][2][:-2] + b"\x12\x34"
    session = styled("CRC")
    assert session.receive(raw) == [Frame(TELEGRAM)]
    assert session.receive(STYLES["CRC"][2]) == [Frame(TELEGRAM)]
    assert session.receive(raw) == []


def test_a_length_that_noise_looks_like_hides_no_telegram() -> None:
    stream = TelegramStream(Layout())
    assert list(stream.feed(b"\x0a\x00\x0a" + TELEGRAM)) == [Noise(b"\x0a\x00\x0a"), Telegram(TELEGRAM)]


def test_a_telegram_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves no room"):
        with_layout(b"\xfe" + bytes(0xFE), Layout(rssi=True, crc=True), 0)


def test_settings_that_are_cut_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Memory.from_answer(settings_answer()[:-1])
    assert Memory.from_answer(settings_answer()).to_answer() == settings_answer()


@given(st.lists(st.binary(max_size=60), max_size=20), st.sampled_from(sorted(STYLES)))
@settings(deadline=None)
def test_any_bytes_at_any_time_never_raise_and_a_good_telegram_is_found(pieces: list[bytes], style: str) -> None:
    _, _, raw, level = STYLES[style]
    session = styled(style)
    for place, piece in enumerate(pieces):
        session.receive(piece)
        session.tick(place / 10)
    ticked(session, 1, begins_s=len(pieces) / 10)
    if session.listening:
        assert session.receive(raw) == [Frame(TELEGRAM, level)]


@given(st.lists(st.sampled_from(["good", "noise"]), max_size=12), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_good_telegrams_between_noise_are_found_at_any_split(kinds: list[str], rng: random.Random) -> None:
    # No byte of this noise may be a start byte, which would hide a telegram until the line falls silent.
    good = STYLES["all"][2]
    noise = [value for value in range(256) if value != 0x68]
    whole = b"".join(good if kind == "good" else bytes(rng.choices(noise, k=9)) for kind in kinds)
    session = styled("all")
    heard: list[HostEvent] = []
    while whole:
        size = rng.randint(1, 40)
        heard += session.receive(whole[:size])
        whole = whole[size:]
    assert [event for event in heard if isinstance(event, Frame)] == [Frame(TELEGRAM, -70)] * kinds.count("good")


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
