"""iU891A: messages with the bytes that a real client exchanges, the host's session step by step, noise and damage."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import Truncated
from protocols.model import FrameFormat
from protocols.receivers.damage_run import DAMAGED_LIMIT
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.iu891a import Config, DeviceInfo, FirmwareInfo, HostSession, Iu891a, ReceiveIndication
from protocols.receivers.iu891a.codes import Device, Gateway, Service, Status, response
from protocols.receivers.iu891a.session import CHECK_S, SET_PATIENCE
from protocols.receivers.slip import WAKE_UP, Message, SlipStream
from protocols.receivers.wimod import HostSession as WimodSession

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
DEVICE = bytes.fromhex("C00104006EBE2D0600000000000032C0")
CONFIG = bytes.fromhex("C009020000010000000000000000009E1FC0")
SET_DONE = bytes.fromhex("C0090400B23DC0")
RECEIVED = bytes.fromhex("C009209F436D38000002D71844AE4C4455223368077A55000000041389E20100023B0000EA8FC0")
GET_CONFIG = bytes.fromhex("C00901D6C9C0")
FIRMWARE = Message(
    Service.DEVICE_MANAGEMENT, 6, b"\0" + FirmwareInfo(2, 1, 16, "20.11.2023", "GW").to_body()
).to_bytes()
SCAN_OFF = Message(Service.GATEWAY, 0x21, b"\0").to_bytes()
SCAN_DONE = Message(Service.GATEWAY, 0x22, b"\0").to_bytes()


def set_config(link_mode: int) -> Message:
    return Message(Service.GATEWAY, Gateway.SET_CONFIG, Config(link_mode, 6, bytes(8)).to_body())


def config_answer(link_mode: int, options: int = 2, rest: bytes = bytes(8)) -> bytes:
    return Message(Service.GATEWAY, 2, b"\0" + Config(link_mode, options, rest).to_body()).to_bytes()


def refusal(request: int, status: int, service: int = Service.GATEWAY) -> bytes:
    return Message(service, response(request), bytes((status,))).to_bytes()


def heard(frame: bytes, format_code: int = 2, rssi_dbm: int = -60) -> bytes:
    body = ReceiveIndication(frame, 0, format_code, rssi_dbm).to_body()
    return Message(Service.GATEWAY, Gateway.RECEIVED, body).to_bytes()


def at_config(mode: str = "t1") -> HostSession:
    session = HostSession(mode)
    session.start()
    for answer in (DEVICE, FIRMWARE, SCAN_DONE):
        session.receive(answer)
    return session


def ready(mode: str = "t1", link_mode: int = 2) -> HostSession:
    session = at_config(mode)
    session.receive(CONFIG + SET_DONE)
    (event,) = session.receive(config_answer(link_mode))
    assert isinstance(event, Ready)
    return session


def run_out(session: HostSession, seconds: float = 30.0, starts_s: float = 0.0) -> list[HostEvent]:
    return [event for step in range(int(seconds * 10)) for event in session.tick(starts_s + step / 10)]


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (Message(Service.DEVICE_MANAGEMENT, Device.PING), "C001011607C0"),
        (Message(Service.DEVICE_MANAGEMENT, response(Device.PING), b"\0"), "C0010200A0AFC0"),
        (Message(Service.DEVICE_MANAGEMENT, Device.DEVICE_INFO), "C001030424C0"),
        (Message(Service.DEVICE_MANAGEMENT, 4, b"\0" + DeviceInfo(0x6E, 0x62DBE).to_body()), DEVICE.hex()),
        (Message(Service.DEVICE_MANAGEMENT, Device.FIRMWARE_INFO), "C001053241C0"),
        (Message(Service.GATEWAY, Gateway.GET_CONFIG), GET_CONFIG.hex()),
        (Message(Service.GATEWAY, 2, b"\0" + Config(0, 1, bytes(8)).to_body()), CONFIG.hex()),
        (set_config(3), "C009030306000000000000000000A176C0"),
        (set_config(5), "C009030506000000000000000000D683C0"),
        (set_config(1), "C00903010600000000000000000083DDC0"),
        (Message(Service.GATEWAY, response(Gateway.SET_CONFIG), b"\0"), SET_DONE.hex()),
        (Message(Service.GATEWAY, Gateway.ADDRESS), "C00981DE4DC0"),
        (
            Message(Service.GATEWAY, Gateway.RECEIVED, ReceiveIndication(TELEGRAM, 0x386D439F, 2, -41).to_body()),
            RECEIVED.hex(),
        ),
    ],
)
def test_the_bytes_that_are_known(message: Message, wire: str) -> None:
    assert message.to_bytes() == bytes.fromhex(wire)
    assert SlipStream().feed(bytes.fromhex(wire)) == [message]


def test_the_head_of_an_indication_that_a_real_stick_sent() -> None:
    head = ReceiveIndication.from_body(bytes.fromhex("3B6F7138028015A122442D2C99"))
    assert (head.rssi_dbm, head.frame_format, head.decryption_status, head.encryption_mode) == (
        -95,
        FrameFormat.B,
        0x02,
        0x80,
    )
    assert ReceiveIndication.from_body(bytes.fromhex("9F436D38000002D718")).frame_format is FrameFormat.A
    with pytest.raises(Truncated):
        ReceiveIndication.from_body(bytes(7))


def test_handshake_byte_for_byte() -> None:
    session = HostSession("c1,t1")
    assert session.start() == WAKE_UP + bytes.fromhex("C001030424C0")
    assert session.receive(DEVICE) == [Send(bytes.fromhex("C001053241C0"))]
    assert session.receive(FIRMWARE) == [Send(SCAN_OFF)]
    assert session.receive(SCAN_DONE) == [Send(GET_CONFIG)]
    # Bit 0 goes, bit 1 comes, bit 2 stays: what another program sends to such a stick.
    wanted = bytes.fromhex("C009030306000000000000000000A176C0")
    assert session.receive(config_answer(0, 0x0005)) == [Send(wanted)]
    assert session.receive(SET_DONE) == [Send(GET_CONFIG)]
    (event,) = session.receive(config_answer(3, 6))
    assert isinstance(event, Ready)
    info = event.info
    assert (info.model, info.serial, info.firmware, info.mode) == ("iU891A-XL", "00062DBE", "1.2", "c1,t1")
    assert session.receive(RECEIVED) == [Frame(TELEGRAM, -41, 0x386D439F, mode=None)]


@pytest.mark.parametrize(
    ("mode", "link_mode"),
    [("s1", 1), ("s1-m", 1), ("s2", 1), ("t1", 2), ("t2", 2), ("c1", 5), ("c2", 5), ("c1,t1", 3), (" T1, c1", 3)],
)
def test_modes_and_what_is_written_back(mode: str, link_mode: int) -> None:
    rest = bytes(range(0xBB, 0xC5))
    (sent,) = at_config(mode).receive(config_answer(0, 0x000D, rest))
    assert isinstance(sent, Send)
    (message,) = SlipStream().feed(sent.data)
    assert message == Message(Service.GATEWAY, Gateway.SET_CONFIG, bytes((link_mode, 0x0E, 0x00)) + rest)
    assert Iu891a.host_session(mode).mode in Iu891a.MODES


@pytest.mark.parametrize("mode", ["r2", "n1a", "c1,s1", "", "off"])
def test_only_modes_that_the_stick_has(mode: str) -> None:
    with pytest.raises(ValueError, match=r"unknown link mode .*; known: c1, c1,t1, c2, s1, s1-m, s2, t1, t2"):
        HostSession(mode)


def test_of_both_modes_only_format_b_tells_which() -> None:
    session = ready("c1,t1", 3)
    events = session.receive(
        heard(TELEGRAM, 0x02) + heard(TELEGRAM, 0x13) + heard(TELEGRAM, 0x14) + heard(TELEGRAM, 0x15)
    )
    assert [event.mode for event in events if isinstance(event, Frame)] == [None, None, "C1", "C1"]
    (frame,) = ready("c1", 5).receive(heard(TELEGRAM, 0x15, -128))
    assert frame == Frame(TELEGRAM, -128, 0, mode="")


def test_frames_before_the_mode_is_set_are_skipped_and_upset_nothing() -> None:
    session = HostSession("t1")
    session.start()
    asked = [
        session.receive(RECEIVED * 3 + b"\x13" + answer) for answer in (DEVICE, FIRMWARE, SCAN_DONE, CONFIG, SET_DONE)
    ]
    assert [[type(event) for event in events] for events in asked] == [[Send]] * 5
    # From the confirmation on they are of the new mode.
    frame, event = session.receive(RECEIVED + config_answer(2))
    assert isinstance(frame, Frame)
    assert isinstance(event, Ready)


def test_answers_in_any_pieces_and_strays_before_them() -> None:
    answers = b"".join((DEVICE, FIRMWARE, SCAN_DONE, CONFIG, SET_DONE, config_answer(2), RECEIVED))
    whole = HostSession("t1")
    whole.start()
    expected = whole.receive(answers)
    assert isinstance(expected[-1], Frame)
    for size in (1, 2, 3, 7):
        session = HostSession("t1")
        session.start()
        pieces = [answers[at : at + size] for at in range(0, len(answers), size)]
        assert [event for piece in pieces for event in session.receive(piece)] == expected
    session = HostSession("t1")
    session.start()
    assert session.receive(b"\xd5" + DEVICE) == [Send(bytes.fromhex("C001053241C0"))]


def test_what_is_only_good_to_know_may_be_missing() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(DEVICE)
    assert session.receive(refusal(Device.FIRMWARE_INFO, Status.UNSUPPORTED, 1)) == [Send(SCAN_OFF)]
    assert session.receive(refusal(Gateway.SCAN_MODE, Status.WRONG_LENGTH)) == [Send(GET_CONFIG)]
    silent = HostSession("t1")
    silent.start()
    silent.receive(DEVICE)
    sent = [event.data for event in run_out(silent) if isinstance(event, Send)]
    assert sent[1:4] == [SCAN_OFF, SCAN_OFF, GET_CONFIG]


def test_a_late_answer_to_an_earlier_request_is_passed_over() -> None:
    session = at_config()
    session.receive(CONFIG + SET_DONE)
    assert session.receive(CONFIG) == []
    (event,) = session.receive(config_answer(2))
    assert isinstance(event, Ready)


def test_a_lora_module_is_not_taken_for_a_gateway() -> None:
    session = HostSession("t1")
    session.start()
    lora = Message(1, 4, b"\0" + DeviceInfo(0x98, 7).to_body()).to_bytes()
    (failed,) = session.receive(lora + RECEIVED)
    assert isinstance(failed, Failed)
    assert not failed.identified
    assert "type 0x98" in failed.reason
    assert "wimod://" in failed.hint


def test_a_gateway_is_not_taken_for_a_lora_module() -> None:
    session = WimodSession("868.1/sf7")
    session.start()
    events = session.receive(bytes.fromhex("C0010200A0AFC0") + DEVICE)
    assert isinstance(events[-1], Failed)
    assert "iu891a://" in events[-1].hint


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (HostSession("t1"), "no iU891A answered within 1.5 s"),
        (at_config(), "iU891A-XL 00062DBE (firmware 1.2) fell silent: not its configuration within 1.5 s"),
    ],
    ids=["mute", "silent later"],
)
def test_silence_ends(session: HostSession, reason: str) -> None:
    if "no iU891A" in reason:
        session.start()
    events = run_out(session)
    assert [type(event) for event in events if event != Send(b"\r\n")] == [Send, Send, Failed]
    # Sticks of text commands that were sent the probe have begun a line with it.
    assert (events[-2] == Send(b"\r\n")) == ("no iU891A" in reason)
    assert isinstance(events[-1], Failed)
    assert events[-1].reason == reason
    assert session.receive(DEVICE + CONFIG) == []


def test_refusals_are_told_and_a_busy_stick_is_asked_again() -> None:
    session = at_config()
    (failed,) = session.receive(refusal(Gateway.GET_CONFIG, Status.UNSUPPORTED))
    assert isinstance(failed, Failed)
    assert failed.identified
    assert "its firmware does not know that" in failed.reason
    session = at_config()
    session.receive(CONFIG)
    assert session.receive(refusal(Gateway.SET_CONFIG, Status.BUSY)) == []
    events = run_out(session)
    assert [type(event) for event in events] == [Send] * (SET_PATIENCE.attempts - 1) + [Failed]
    assert isinstance(events[-1], Failed)
    assert "it is busy" in events[-1].reason
    session = at_config()
    session.receive(CONFIG)
    (failed,) = session.receive(refusal(Gateway.SET_CONFIG, 77))
    assert isinstance(failed, Failed)
    assert "status 77" in failed.reason


def test_a_stick_that_does_not_take_the_mode() -> None:
    session = at_config()
    session.receive(CONFIG + SET_DONE)
    assert session.receive(config_answer(3, 1)) == []
    failed = run_out(session)[-1]
    assert isinstance(failed, Failed)
    assert "it stays in link mode 3, options 0x0001" in failed.reason


def test_a_stick_that_was_reset_is_set_again() -> None:
    session = ready()
    assert [event for event in run_out(session, CHECK_S + 0.2) if isinstance(event, Send)] == [Send(GET_CONFIG)]
    # Frames go on while it is asked; one that is set right is left alone until the next time.
    assert [type(event) for event in session.receive(RECEIVED + config_answer(2))] == [Frame]
    assert run_out(session, CHECK_S - 1, 100.0) == []
    assert run_out(session, 0.4, 100.0 + CHECK_S) == [Send(GET_CONFIG)]
    (sent,) = session.receive(config_answer(0, 1))
    assert isinstance(sent, Send)
    assert SlipStream().feed(sent.data) == [
        Message(Service.GATEWAY, Gateway.SET_CONFIG, Config(2, 2, bytes(8)).to_body())
    ]
    assert session.receive(RECEIVED) == []
    assert session.receive(SET_DONE) == [Send(GET_CONFIG)]
    assert session.receive(config_answer(2)) == []
    assert [type(event) for event in session.receive(RECEIVED)] == [Frame]


def test_a_stick_that_says_nothing_any_more_is_lost() -> None:
    events = run_out(ready(), CHECK_S + 10)
    assert [type(event) for event in events] == [Send, Send, Send, Failed]


def test_scan_mode_is_told_and_switched_off() -> None:
    session = ready()
    scanned = Message(Service.GATEWAY, Gateway.SCANNED, TELEGRAM[:9]).to_bytes()
    sent, kept = session.receive(scanned)
    assert sent == Send(SCAN_OFF)
    assert isinstance(kept, Damaged)
    assert "scan mode" in kept.reason
    assert session.receive(SCAN_DONE) == []
    assert [type(event) for event in session.receive(RECEIVED)] == [Frame]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (heard(TELEGRAM[:-1]), "24 bytes whose L field says 25"),
        (heard(TELEGRAM + b"\0"), "26 bytes whose L field says 25"),
        (heard(b"\x05\x44\xae\x4c\x44\x55"), "too short"),
        (heard(b""), "too short"),
        (Message(Service.GATEWAY, Gateway.RECEIVED, b"\1\2").to_bytes(), "receive indication of 2 bytes"),
        (RECEIVED.replace(b"\xea\x8f", b"\xea\x8e"), "CRC"),
        (b"\xc0\x09\x20\xdb\x01\xc0", "outside"),
        (b"noise\xc0", "CRC"),
    ],
)
def test_damage_is_told_with_its_reason(wire: bytes, reason: str) -> None:
    session = ready()
    (event,) = session.receive(wire)
    assert isinstance(event, Damaged)
    assert reason in event.reason
    assert [type(one) for one in session.receive(RECEIVED)] == [Frame]


def test_too_much_damage_in_a_row_is_worth_reopening_the_port() -> None:
    session = ready()
    assert [type(event) for event in session.receive(heard(b"") * (DAMAGED_LIMIT - 1) + RECEIVED)][-1] is Frame
    events = session.receive(heard(b"") * (DAMAGED_LIMIT + 2))
    assert [type(event) for event in events] == [Damaged] * DAMAGED_LIMIT + [Failed]
    assert session.receive(RECEIVED) == []


def test_a_message_that_has_lost_its_end_takes_only_itself_along() -> None:
    session = ready()
    events = session.receive(RECEIVED[:-9] + RECEIVED + RECEIVED)
    assert [type(event) for event in events] == [Damaged, Frame, Frame]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_any_bytes_in_any_pieces_never_raise_and_hide_no_good_frame(
    data: bytes, cuts: list[int], listens: bool
) -> None:
    whole, split = (ready(), ready()) if listens else (HostSession("t1"), HostSession("t1"))
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert whole.receive(data) == [event for piece in pieces for event in split.receive(piece)]
    for step in range(4):
        whole.tick(float(step))
    if listens:
        events = split.receive(b"\xc0" + RECEIVED)
        assert not [event for event in events if isinstance(event, Failed)]
        assert Frame(TELEGRAM, -41, 0x386D439F, mode="") in events


@given(st.binary(min_size=11, max_size=256), st.integers(-128, 127), st.integers(0, 255), st.integers(0, 0xFFFFFFFF))
def test_every_frame_comes_through(data: bytes, rssi_dbm: int, code: int, time_s: int) -> None:
    frame = bytes((len(data) - 1,)) + data[1:]
    body = ReceiveIndication(frame, time_s, code, rssi_dbm).to_body()
    events = ready().receive(Message(Service.GATEWAY, Gateway.RECEIVED, body).to_bytes())
    assert events == [Frame(frame, rssi_dbm, time_s, mode="")]


def test_a_flipped_bit_never_gives_another_frame() -> None:
    rng = random.Random(0)
    good = Frame(TELEGRAM, -41, 0x386D439F, mode="")
    for bit in range(8 * len(RECEIVED)):
        flipped = bytearray(RECEIVED)
        flipped[bit // 8] ^= 1 << bit % 8
        cut = rng.randrange(len(flipped))
        session = ready()
        events = session.receive(bytes(flipped[:cut])) + session.receive(bytes(flipped[cut:]) + RECEIVED + RECEIVED)
        frames = [event for event in events if isinstance(event, Frame)]
        assert frames
        assert set(frames) == {good}
