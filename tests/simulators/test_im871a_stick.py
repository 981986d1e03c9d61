"""The simulated iM871A, with typed bytes only and a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protocols.model import FrameFormat
from protocols.wmbus.encode import with_crcs
from simulators.air import Transmission, flip_bits
from simulators.receivers.im871a import FACTORY_INFO, MAX_WAITING, Im871aStick

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
AT = datetime(2026, 11, 20, tzinfo=UTC)
T1_FRAME = Transmission(1, AT, "iperl", "T1", FrameFormat.A, with_crcs(TELEGRAM, FrameFormat.A), -45)
C1_FRAME = replace(T1_FRAME, mode="C1", frame_format=FrameFormat.B, coded=with_crcs(TELEGRAM, FrameFormat.B))
INDICATION = bytes.fromhex("A5C2031844AE4C4455223368077A55000000041389E20100023B00009BD8A1")
SET_OK = bytes.fromhex("A5810401013BA6")

# Request and response of a recorded exchange (reference sheet 17.1 and 2.6), with and without check sequence.
EXCHANGES = {
    "device information": ("A5010F00", "A58110083300141730201000460E"),
    "device information with FCS": ("A5810F003413", "A58110083300141730201000460E"),
    "get configuration": ("A5010500", "A5810616FF000346A2251715100001310BFF07003200000000005086"),
    "set link mode": ("A5010306000203300100", "A5810401013BA6"),
    "ping": ("A5010100", "A58102004CA3"),
    "ping with FCS": ("A58101002489", "A58102004CA3"),
    "send message": ("A5020110534CAE4455223368075A010000000F00", "A5820201012F55"),
    "send data": ("A50204027A00", "A5820501012AD9"),
}


def answer(stick: Im871aStick, request: bytes, now_s: float = 0.0) -> list[bytes]:
    stick.receive(request, now_s)
    return stick.due(now_s + 0.1)


def listening(link_mode: int = 0x03, stick: Im871aStick | None = None) -> Im871aStick:
    stick = stick or Im871aStick()
    assert answer(stick, bytes.fromhex(f"A50103060002{link_mode:02X}300100"), 0.0) == [SET_OK]
    return stick


@pytest.mark.parametrize("name", EXCHANGES)
def test_recorded_exchange(name: str) -> None:
    request, response = EXCHANGES[name]
    stick = Im871aStick()
    assert answer(stick, bytes.fromhex(request)) == [bytes.fromhex(response)]


def test_whole_exchange_in_one_read() -> None:
    stick = Im871aStick()
    stick.receive(bytes.fromhex("A5010F00A5010500"), 0.0)
    pieces = stick.due(1.0)
    assert [piece[2] for piece in pieces] == [0x10, 0x06]


def test_a_request_that_was_never_finished_does_not_swallow_the_next() -> None:
    stick = Im871aStick()
    stick.receive(bytes.fromhex("A50105FF"), 0.0)
    assert answer(stick, bytes.fromhex("A5010F00"), 1.0) == [bytes.fromhex("A58110083300141730201000460E")]


def test_a_request_that_comes_slowly_is_whole() -> None:
    stick = Im871aStick()
    for place, byte in enumerate(bytes.fromhex("A5810F0034")):
        stick.receive(bytes((byte,)), place * 0.2)
    assert answer(stick, b"\x13", 1.0) == [bytes.fromhex("A58110083300141730201000460E")]


def test_responses_take_5_to_20_ms_and_the_time_of_the_line() -> None:
    delays = []
    for seed in range(200):
        stick = Im871aStick(seed=seed)
        stick.receive(bytes.fromhex("A5010100"), 10.0)
        due_s = stick.next_due_s
        assert due_s is not None
        assert stick.due(due_s - 1e-6) == []
        assert len(stick.due(due_s)) == 1
        delays.append(due_s - 10.0 - 6 * 10 / 57600)
    assert 0.005 <= min(delays) < 0.006
    assert 0.019 < max(delays) <= 0.020


def test_no_telegram_before_a_link_mode_is_set_and_settled() -> None:
    stick = Im871aStick()
    stick.hear(T1_FRAME, 0.0)
    assert stick.due(10.0) == []
    listening(stick=stick)
    stick.hear(T1_FRAME, 0.1)
    assert stick.due(0.1) == []
    assert stick.due(0.2) == [INDICATION]


def test_telegrams_wait_while_a_host_probes() -> None:
    stick = listening()
    stick.receive(bytes.fromhex("A5010F00"), 5.0)
    stick.hear(T1_FRAME, 5.0)
    assert [piece[2] for piece in stick.due(5.1)] == [0x10]
    assert stick.due(5.39) == []
    assert stick.due(5.41) == [INDICATION]


@pytest.mark.parametrize(
    ("link_mode", "hears"),
    [(0x00, ""), (0x03, "T1"), (0x04, "T1"), (0x06, "C1"), (0x07, "C1"), (0x0A, "C1 T1")],
)
def test_link_mode_decides_what_is_heard(link_mode: int, hears: str) -> None:
    stick = listening(link_mode)
    for frame in (C1_FRAME, T1_FRAME):
        stick.hear(frame, 1.0)
    expected = len(hears.split())
    assert stick.due(1.0) + stick.due(1.1) == [INDICATION] * expected
    assert stick.counters.wrong_mode == 2 - expected


def test_damaged_frames_are_dropped_unless_wanted() -> None:
    for frame in (T1_FRAME, C1_FRAME):
        damaged = replace(frame, coded=frame.coded[:15] + bytes((frame.coded[15] ^ 1,)) + frame.coded[16:])
        stick = listening(0x0A)
        stick.hear(damaged, 1.0)
        assert stick.due(2.0) == []
        assert stick.counters.crc_errors == 1
        careless = listening(0x0A, Im871aStick(hand_over_damaged=True))
        careless.hear(damaged, 1.0)
        (piece,) = careless.due(2.0)
        assert len(piece) == len(INDICATION)
        assert piece[4:28] != TELEGRAM[1:]
        assert sum(a != b for a, b in zip(piece[4:28], TELEGRAM[1:], strict=True)) == 1


def test_no_flipped_bits_bring_it_down() -> None:
    stick = listening(0x0A, Im871aStick(hand_over_damaged=True))
    for number in range(600):
        frame = (T1_FRAME, C1_FRAME)[number % 2]
        stick.hear(replace(frame, coded=flip_bits(frame.coded, number)), 1.0 + number)
        assert len(stick.due(1.0 + number)) == 1


def test_rssi_and_clock_are_attached_as_configured() -> None:
    stick = listening()
    # Set the clock (seconds 1000), then ask for the timestamp and no RSSI.
    assert answer(stick, bytes.fromhex("A5011B04E8030000"), 1.0)[0][2] == 0x1C
    assert answer(stick, bytes.fromhex("A50103050000300001"), 1.0) == [SET_OK]
    stick.hear(T1_FRAME, 11.0)
    (piece,) = stick.due(11.5)
    assert piece[1] == 0xA2
    assert piece[28:32] == (1010).to_bytes(4, "little")
    assert answer(stick, bytes.fromhex("A5011900"), 21.0)[0][4:8] == (1020).to_bytes(4, "little")


def test_clock_is_zero_while_off() -> None:
    stick = listening()
    answer(stick, bytes.fromhex("A501030400002001"), 1.0)
    stick.hear(T1_FRAME, 100.0)
    (piece,) = stick.due(100.5)
    assert piece[28:32] == bytes(4)


def test_reset_forgets_what_is_not_stored() -> None:
    stick = listening(0x07)
    assert stick.config.link_mode == 0x07
    assert answer(stick, bytes.fromhex("A5010700"), 1.0)[0][2] == 0x08
    assert stick.config.link_mode == 0x03
    stick.hear(T1_FRAME, 2.0)
    assert stick.due(9.0) == []


def test_stored_setting_survives_until_factory_reset() -> None:
    stick = Im871aStick()
    assert answer(stick, bytes.fromhex("A5010306010207300100")) == [SET_OK]
    stick.power_cycle()
    assert stick.config.link_mode == 0x07
    assert answer(stick, bytes.fromhex("A501090100"))[0][2:5] == bytes.fromhex("0A0101")
    assert stick.config.link_mode == 0x03


def test_every_request_of_device_management_is_answered_with_the_next_code() -> None:
    bodies = {0x09: "00", 0x0D: "01", 0x1B: "00000000", 0x21: "00" * 17, 0x23: "0001", 0x25: "00" * 25, 0x03: "000000"}
    for code in (0x01, 0x03, 0x05, 0x07, 0x09, 0x0B, 0x0D, 0x0F, 0x11, 0x13, 0x19, 0x1B, 0x1D, 0x21, 0x23, 0x25):
        body = bytes.fromhex(bodies.get(code, ""))
        (response,) = answer(Im871aStick(), bytes((0xA5, 0x01, code, len(body))) + body)
        assert response[2] == code + 1, f"request {code:02X}"


def test_keys_are_refused_and_data_are_kept() -> None:
    stick = Im871aStick()
    assert answer(stick, bytes.fromhex("A5012519" + "00" * 25))[0][4] == 0
    assert answer(stick, bytes.fromhex("A50201021234"))[0][4] == 1
    assert stick.sent == [bytes.fromhex("1234")]


def test_noise_and_unknown_requests_are_passed_over() -> None:
    stick = Im871aStick()
    noise = bytes.fromhex("FF00A5A5") + bytes.fromhex("A5010306")[:4] + bytes(6)
    stick.receive(noise, 0.0)
    stick.receive(bytes.fromhex("A5030100"), 0.0)
    stick.due(1.0)
    assert answer(stick, bytes.fromhex("A5010100"), 2.0) == [bytes.fromhex("A58102004CA3")]


def test_requests_byte_by_byte() -> None:
    stick = Im871aStick()
    for byte in bytes.fromhex("A5010F00"):
        stick.receive(bytes((byte,)), 0.0)
    assert stick.due(1.0) == [bytes.fromhex("A58110083300141730201000460E")]


def test_oldest_telegram_is_dropped_when_too_many_wait() -> None:
    stick = listening()
    stick.receive(bytes.fromhex("A5010100"), 1.0)
    for number in range(MAX_WAITING + 5):
        stick.hear(replace(T1_FRAME, number=number), 1.0)
    assert stick.counters.overflowed == 5


def test_line_speed_bounds_what_comes_through() -> None:
    stick = listening()
    for _ in range(MAX_WAITING):
        stick.hear(T1_FRAME, 1.0)
    frames = sum(len(stick.due(1.0 + step / 1000)) for step in range(101))
    assert frames == pytest.approx(0.1 * 5760 / len(INDICATION), abs=2)


def test_other_identity() -> None:
    stick = Im871aStick(info=replace(FACTORY_INFO, firmware=0x13, uid=1))
    assert answer(stick, bytes.fromhex("A5010F00"))[0][6] == 0x13
