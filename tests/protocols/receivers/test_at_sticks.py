"""The lines of LoRa modules with AT commands, as their makers' command manuals show them."""

from __future__ import annotations

import pytest

from protocols.model import Link
from protocols.receivers.at_session import AtSession
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.lora_e5 import HostSession as LoraE5Session
from protocols.receivers.rak3172 import HostSession as RakSession

PACKET = "40F17DBE4900020001954378762B11FF0D"
E5_ANSWERS = (
    "+AT: OK",
    "+MODE: TEST",
    "+TEST: STOP",
    "+TEST: RFCFG F:868100000, SF7, BW125K, TXPR:8, RXPR:8, POW:14dBm, CRC:ON, IQ:OFF, NET:ON",
    "+TEST: RXLRPKT",
)


def say(session: AtSession, *lines: str) -> list[HostEvent]:
    return [event for line in lines for event in session.receive(line.encode() + b"\r\n")]


def ready_e5(mode: str = "868.1/sf7") -> tuple[LoraE5Session, list[HostEvent]]:
    session = LoraE5Session(mode)
    session.start()
    return session, say(session, *E5_ANSWERS)


def ready_rak(mode: str = "868.1/sf7") -> tuple[RakSession, list[HostEvent]]:
    session = RakSession(mode)
    session.start()
    return session, say(session, "OK", "AT_ERROR", *["OK"] * 5)


def test_lora_e5_is_set_as_its_manual_says() -> None:
    _, events = ready_e5()
    assert [event.data for event in events if isinstance(event, Send)] == [
        b"AT+MODE=TEST\r\n",
        b"AT+TEST=STOP\r\n",
        b"AT+TEST=RFCFG,868.1,SF7,125,8,8,14,ON,OFF,ON\r\n",
        b"AT+TEST=RXLRPKT\r\n",
    ]
    assert isinstance(events[-1], Ready)
    _, events = ready_e5("869.525/sf12/down")
    assert Send(b"AT+TEST=RFCFG,869.525,SF12,125,8,8,14,ON,ON,ON\r\n") in events


def test_rak3172_is_set_as_its_manual_says() -> None:
    _, events = ready_rak("868.3/sf9/down")
    assert [event.data for event in events if isinstance(event, Send)] == [
        b"AT+PRECV=0\r\n",
        b"AT+NWM=0\r\n",
        b"AT+P2P=868300000:9:0:1:8:14\r\n",
        b"AT+SYNCWORD=3444\r\n",
        b"AT+IQINVER=1\r\n",
        b"AT+PRECV=65534\r\n",
    ]
    assert isinstance(events[-1], Ready)


def test_packets_come_with_their_strength() -> None:
    session: AtSession
    session, _ = ready_e5()
    e5 = say(session, "+TEST: LEN:17, RSSI:-57, SNR:9", f'+TEST: RX "{PACKET}"')
    session, _ = ready_rak()
    rak = say(session, f"+EVT:RXP2P:-57:9:{PACKET}")
    for events in (e5, rak):
        (frame,) = events
        assert isinstance(frame, Frame)
        assert (frame.data, frame.rssi_dbm, frame.link) == (bytes.fromhex(PACKET), -57, Link.LORAWAN)
        assert frame.lora is not None
        assert (frame.lora.frequency_hz, frame.lora.spreading_factor, frame.lora.snr_db) == (868_100_000, 7, 9.0)


def test_lora_e5_hands_over_a_packet_whose_strength_was_lost() -> None:
    session, _ = ready_e5()
    say(session, "+TEST: LEN:17, RSSI:-57, SNR:9", f'+TEST: RX "{PACKET}"')
    (frame,) = say(session, f'+TEST: RX "{PACKET}"')
    assert isinstance(frame, Frame)
    assert (frame.rssi_dbm, frame.data) == (None, bytes.fromhex(PACKET))


@pytest.mark.parametrize("digits", ["", "4", PACKET[:-1], PACKET[:-2], "xy" * 17, PACKET * 16])
def test_lora_e5_lines_that_lost_characters_are_damaged(digits: str) -> None:
    session, _ = ready_e5()
    (event,) = say(session, "+TEST: LEN:17, RSSI:-57, SNR:9", f'+TEST: RX "{digits}"')
    assert isinstance(event, Damaged)


@pytest.mark.parametrize("rest", [":-57:9:", ":-57:9:4", ":-57:9:xy", ":-57", f":-57:9:{PACKET * 16}", " ?"])
def test_rak3172_lines_that_lost_characters_are_damaged(rest: str) -> None:
    session, _ = ready_rak()
    (event,) = say(session, f"+EVT:RXP2P{rest}")
    assert isinstance(event, Damaged)


def test_rak3172_receives_anew_after_a_window_that_ended() -> None:
    session, _ = ready_rak()
    assert say(session, "+EVT:RXP2P RECEIVE TIMEOUT") == [Send(b"AT+PRECV=65534\r\n")]
    assert say(session, "OK") == []
    assert isinstance(say(session, f"+EVT:RXP2P:-57:9:{PACKET}")[0], Frame)


def test_a_module_that_still_receives_is_stopped_first() -> None:
    session = LoraE5Session("868.1/sf7")
    session.start()
    noisy = [line for answer in E5_ANSWERS for line in (f'+TEST: RX "{PACKET}"', answer)]
    events = say(session, *noisy)
    assert [type(event) for event in events] == [Send] * 4 + [Ready]


def test_a_restart_on_the_way_to_point_to_point_mode_is_waited_for() -> None:
    session = RakSession("868.1/sf7")
    session.start()
    say(session, "OK", "AT_ERROR", "OK")
    events = [event for step in range(25) for event in session.tick(step / 10)]
    assert set(events) == {Send(b"AT+P2P=868100000:7:0:1:8:14\r\n")}
    assert say(session, "OK") == [Send(b"AT+SYNCWORD=3444\r\n")]


def test_a_refusal_names_the_command() -> None:
    session: AtSession
    for session, answers in (
        (LoraE5Session("868.1/sf7"), (*E5_ANSWERS[:3], "+TEST: ERROR(-1)")),
        (RakSession("868.1/sf7"), ("OK", "OK", "OK", "AT_PARAM_ERROR")),
    ):
        session.start()
        failed = say(session, *answers)[-1]
        assert isinstance(failed, Failed)
        assert failed.identified
        assert answers[-1] in failed.reason
        assert "868" in failed.reason
        assert say(session, "OK") == []


def wait(session: AtSession, tenths: int = 10) -> list[HostEvent]:
    return [event for tenth in range(tenths) for event in session.tick(tenth / 10)]


def test_a_module_that_says_nothing_to_a_stop_has_nothing_to_stop() -> None:
    e5 = LoraE5Session("868.1/sf7")
    e5.start()
    assert say(e5, *E5_ANSWERS[:2])[-1] == Send(b"AT+TEST=STOP\r\n")
    assert wait(e5) == [Send(b"AT+TEST=RFCFG,868.1,SF7,125,8,8,14,ON,OFF,ON\r\n")]
    assert isinstance(say(e5, *E5_ANSWERS[3:])[-1], Ready)
    rak = RakSession("868.1/sf7")
    rak.start()
    assert say(rak, "OK") == [Send(b"AT+PRECV=0\r\n")]
    assert wait(rak) == [Send(b"AT+NWM=0\r\n")]


def test_a_busy_module_is_asked_again() -> None:
    session = RakSession("868.1/sf7")
    session.start()
    say(session, "OK", "OK", "OK")
    assert say(session, "AT_BUSY_ERROR") == []
    assert wait(session) == [Send(b"AT+P2P=868100000:7:0:1:8:14\r\n")]
    assert say(session, "OK") == [Send(b"AT+SYNCWORD=3444\r\n")]


def test_a_module_that_stays_busy_is_given_up_and_said_to_be_busy() -> None:
    session = RakSession("868.1/sf7")
    session.start()
    say(session, "OK", "OK", "OK", "OK", "AT_BUSY_ERROR")
    failed = wait(session, 40)[-1]
    assert isinstance(failed, Failed)
    assert "busy" in failed.reason
    assert "AT+SYNCWORD=3444" in failed.reason


def test_lora_e5_packets_need_no_quotation_marks() -> None:
    session, _ = ready_e5()
    (frame,) = say(session, "+TEST: LEN:17, RSSI:-57, SNR:9", f"+TEST: RX {PACKET}")
    assert isinstance(frame, Frame)
    assert frame.data == bytes.fromhex(PACKET)


@pytest.mark.parametrize("line", [f'+TEST: RX {PACKET}" {PACKET}', "+TEST: RX"])
def test_lora_e5_lines_of_a_reception_that_cannot_be_read_are_damaged(line: str) -> None:
    session, _ = ready_e5()
    (event,) = say(session, line)
    assert isinstance(event, Damaged)
    assert say(session, "+TEST: RXLRPKT") == []


@pytest.mark.parametrize("answers", [(), ("OK",), ("OK", "OK")])
def test_an_ok_alone_identifies_no_module(answers: tuple[str, ...]) -> None:
    session = RakSession("868.1/sf7")
    session.start()
    say(session, *answers)
    failed = wait(session, 60)[-1]
    assert isinstance(failed, Failed)
    assert not failed.identified
