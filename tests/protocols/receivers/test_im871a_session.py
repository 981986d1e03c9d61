"""The host's session with an iM871A, driven by replies typed in from a recorded exchange."""

from __future__ import annotations

import pytest

from protocols.receivers.damage_run import DAMAGED_LIMIT
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.im871a import HostSession

INFO = bytes.fromhex("A58110083300141730201000460E")
CONFIG_T1 = bytes.fromhex("A5810616FF000346A2251715100001310BFF07003200000000005086")
SET_OK = bytes.fromhex("A5810401013BA6")
SET_EMPTY = bytes.fromhex("A58104009CF7")
INDICATION = bytes.fromhex("A5C2031844AE4C4455223368077A55000000041389E20100023B00009BD8A1")
TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")

ASK_INFO = bytes.fromhex("A5810F003413")
ASK_CONFIG = bytes.fromhex("A581050044EE")
SET_T1 = bytes.fromhex("A58103080003000338000100ADC6")


def ready_session(mode: str = "t1") -> HostSession:
    session = HostSession(mode)
    assert session.start() == ASK_INFO
    assert session.receive(INFO) == [Send(ASK_CONFIG)]
    assert session.receive(CONFIG_T1) == [Send(SET_T1)]
    assert session.receive(SET_OK) == [Send(ASK_CONFIG)]
    assert session.receive(CONFIG_T1) == [Ready(ReceiverInfo("iM871A", "00102030", "1.4", "t1"))]
    return session


def test_whole_handshake_and_a_frame() -> None:
    session = ready_session()
    assert session.listening
    assert session.receive(INDICATION) == [Frame(TELEGRAM, -45)]
    assert session.tick(1e9) == []


def test_handshake_byte_by_byte_with_noise_and_indications_between() -> None:
    session = HostSession("t1")
    session.start()
    stream = b"\x00\xff" + INDICATION + INFO + INDICATION + CONFIG_T1 + SET_OK + b"\xa5" + CONFIG_T1 + INDICATION
    events: list[HostEvent] = []
    for i in range(len(stream)):
        events += session.receive(stream[i : i + 1])
    kinds = [type(event) for event in events]
    assert kinds == [Send, Send, Send, Ready, Frame]


def test_a_frame_heard_while_the_new_mode_is_read_back_is_not_lost() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(INFO + CONFIG_T1)
    assert session.receive(INDICATION) == []
    assert session.receive(SET_OK + INDICATION) == [Send(ASK_CONFIG), Frame(TELEGRAM, -45)]
    (ready,) = session.receive(CONFIG_T1)
    assert isinstance(ready, Ready)


def test_set_response_without_status_is_accepted() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(INFO)
    session.receive(CONFIG_T1)
    assert session.receive(SET_EMPTY) == [Send(ASK_CONFIG)]


def test_probe_is_repeated_and_then_given_up() -> None:
    session = HostSession("t1")
    session.start()
    events: list[tuple[float, HostEvent]] = []
    for step in range(40):
        now = step / 10
        events += [(now, event) for event in session.tick(now)]
    assert [event for _, event in events[:2]] == [Send(ASK_INFO)] * 2
    assert events[0][0] == pytest.approx(0.5)
    failed_at, failed = events[2]
    assert failed_at == pytest.approx(1.5)
    assert isinstance(failed, Failed)
    assert "no iM871A answered" in failed.reason
    assert "57600" in failed.hint
    assert len(events) == 3
    assert session.receive(INFO + INDICATION) == []


def test_late_answer_counts() -> None:
    session = HostSession("t1")
    session.start()
    session.tick(0.0)
    assert session.tick(0.6) == [Send(ASK_INFO)]
    assert session.receive(INFO) == [Send(ASK_CONFIG)]
    assert session.receive(INFO) == []


def test_stick_that_falls_silent_in_mid_handshake() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(INFO)
    events = [event for step in range(40) for event in session.tick(step / 10)]
    assert isinstance(events[-1], Failed)
    assert "configuration" in events[-1].reason


def test_link_mode_that_does_not_stick_is_not_ready() -> None:
    session = HostSession("c1,t1")
    session.start()
    session.receive(INFO)
    session.receive(CONFIG_T1)
    session.receive(SET_OK)
    assert session.receive(CONFIG_T1) == []
    events = [event for step in range(40) for event in session.tick(step / 10)]
    assert isinstance(events[-1], Failed)
    assert "new link mode" in events[-1].reason


def test_refused_link_mode() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(INFO)
    session.receive(CONFIG_T1)
    (failed,) = session.receive(with_fcs(bytes.fromhex("81040100")))
    assert isinstance(failed, Failed)
    assert "refused link mode t1" in failed.reason


def with_fcs(body: bytes) -> bytes:
    """A frame with its check sequence, worked out bit by bit and not with the codec's table."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8408 if crc & 1 else crc >> 1
    return b"\xa5" + body + (crc ^ 0xFFFF).to_bytes(2, "little")


def info_response(device_type: int, firmware: int) -> bytes:
    return with_fcs(bytes((0x81, 0x10, 0x08, device_type, 0x00, firmware, 0x17)) + bytes.fromhex("30201000"))


def test_old_firmware_cannot_listen_to_both() -> None:
    assert info_response(0x33, 0x14) == INFO
    session = HostSession("t1,c1")
    session.start()
    (failed,) = session.receive(info_response(0x33, 0x13))
    assert isinstance(failed, Failed)
    assert failed.identified
    assert "firmware 1.3" in failed.reason
    assert "mode=c1" in failed.hint


def test_module_without_the_mode() -> None:
    session = HostSession("c1,t1")
    session.start()
    (failed,) = session.receive(info_response(0x36, 0x14))
    assert isinstance(failed, Failed)
    assert failed.identified
    assert "iM170A" in failed.reason
    assert "n1a" in failed.hint


def test_unknown_mode_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'q7'.*c1,t1"):
        HostSession("q7")


@pytest.mark.parametrize("text", ["T1", " t1 ", "t1,"])
def test_modes_are_read_leniently(text: str) -> None:
    assert HostSession(text).mode == "t1"


def test_damaged_bytes_are_reported_while_listening() -> None:
    session = ready_session()
    bad = INDICATION[:-1] + b"\x00"
    assert session.receive(bad + INDICATION) == [Damaged("check sequence does not match", bad), Frame(TELEGRAM, -45)]


def test_frame_that_never_ends_does_not_hold_back_the_next() -> None:
    session = ready_session()
    cut_off = INDICATION[:4]
    assert session.receive(cut_off) == []
    assert session.tick(10.0) == []
    assert session.tick(10.6) == []
    events = session.receive(INDICATION)
    assert events[-1] == Frame(TELEGRAM, -45)


def test_endless_damage_ends_the_session() -> None:
    session = ready_session()
    bad = INDICATION[:-1] + b"\x00"
    events = session.receive(bad * (DAMAGED_LIMIT + 5))
    assert isinstance(events[DAMAGED_LIMIT], Failed)
    assert len(events) == DAMAGED_LIMIT + 1
    assert not session.listening


def test_empty_indication_is_damage() -> None:
    session = ready_session()
    (event,) = session.receive(with_fcs(bytes.fromhex("820300")))
    assert isinstance(event, Damaged)
