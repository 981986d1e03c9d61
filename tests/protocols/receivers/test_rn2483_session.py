"""The lines of an RN2483 when answers stay out, come late or refuse (RN2483 command reference, `radio rx`)."""

from __future__ import annotations

from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.rn2483.session import HostSession

PACKET = "40F17DBE4900020001954378762B11FF0D"
BANNER = "RN2483 1.0.5 Oct 31 2018 15:06:52"
BEFORE_RECEPTION = (BANNER, "4294967245", *["ok"] * 9)
LISTEN = Send(b"radio rx 0\r\n")
SNR = Send(b"radio get snr\r\n")
RSSI = Send(b"radio get rssi\r\n")


def say(session: HostSession, *lines: str) -> list[HostEvent]:
    return [event for line in lines for event in session.receive(line.encode() + b"\r\n")]


def wait(session: HostSession, tenths: int, since_s: float = 0.0) -> list[HostEvent]:
    return [event for tenth in range(tenths) for event in session.tick(since_s + tenth / 10)]


def about_to_listen() -> HostSession:
    session = HostSession("868.1/sf7")
    session.start()
    assert say(session, *BEFORE_RECEPTION)[-1] == LISTEN
    return session


def listening() -> HostSession:
    session = about_to_listen()
    (ready,) = say(session, "ok")
    assert isinstance(ready, Ready)
    return session


def test_a_packet_whose_strength_is_never_told_is_handed_over_without() -> None:
    session = listening()
    assert say(session, f"radio_rx  {PACKET}") == [SNR]
    frame, again = wait(session, 15)
    assert isinstance(frame, Frame)
    assert frame.lora is not None
    assert (frame.data, frame.rssi_dbm, frame.lora.snr_db) == (bytes.fromhex(PACKET), None, None)
    assert again == LISTEN
    assert say(session, "ok") == []


def test_a_packet_whose_rssi_alone_is_never_told_keeps_its_snr() -> None:
    session = listening()
    assert say(session, f"radio_rx  {PACKET}", "-7") == [SNR, RSSI]
    frame, again = wait(session, 15)
    assert isinstance(frame, Frame)
    assert frame.lora is not None
    assert (frame.rssi_dbm, frame.lora.snr_db, again) == (None, -7.0, LISTEN)


def test_strength_is_asked_for_once_so_that_a_late_answer_is_not_taken_for_another() -> None:
    session = listening()
    say(session, f"radio_rx  {PACKET}")
    session.tick(0.0)
    assert session.tick(0.9) == []
    assert say(session, "9") == [RSSI]
    frame, _ = say(session, "-57")
    assert isinstance(frame, Frame)
    assert frame.rssi_dbm == -57


def test_a_module_that_stays_busy_is_asked_until_it_listens() -> None:
    session = about_to_listen()
    say(session, "busy")
    for second in range(5):
        events = wait(session, 10, float(second))
        assert LISTEN in events
        assert not any(isinstance(event, Failed) for event in events)
        say(session, "busy")
    assert say(session, "ok", f"radio_rx  {PACKET}")[-1] == SNR


def test_a_module_that_listens_already_says_busy_and_is_ready() -> None:
    session = about_to_listen()
    assert LISTEN in wait(session, 10)
    (ready,) = say(session, "busy")
    assert isinstance(ready, Ready)
    assert say(session, f"radio_rx  {PACKET}") == [SNR]


def test_a_wrong_crc_before_the_module_confirmed_that_it_listens_is_counted() -> None:
    session = about_to_listen()
    ready, damaged, again = say(session, "radio_err")
    assert isinstance(ready, Ready)
    assert isinstance(damaged, Damaged)
    assert again == LISTEN


def test_a_refusal_names_the_module() -> None:
    session = HostSession("868.1/sf7")
    session.start()
    failed = say(session, "RN2903 1.0.5 Nov 06 2018 10:45:27", "4294967245", "ok", "invalid_param")[-1]
    assert isinstance(failed, Failed)
    assert failed.identified
    assert "RN2903 1.0.5" in failed.reason
