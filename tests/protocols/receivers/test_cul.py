"""CUL: lines of both frame formats, damage, and the host's session, with bytes that a real client accepts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.model import FrameFormat, Outcome, RawFrame
from protocols.receivers.cc1101 import HIGHEST_DBM, LOWEST_DBM, rssi_dbm, rssi_raw
from protocols.receivers.cul import Cul, CulTelegram, HostSession, Refused, read_line
from protocols.receivers.cul.session import QUIET_S
from protocols.receivers.damage_run import DAMAGED_LIMIT
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import size_on_air, strip_crcs

A_STRIPPED = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
B_STRIPPED = bytes.fromhex("2A442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC24")
A_LINE = "b1844AE4C4455223368075F787A55000000041389E20100023B0000D0C684E0"
B_LINE = "bY2C442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC2427BD84E0"
VERSION = b"V 1.67 nanoCUL868\r\n"
LONG_A = with_crcs(bytes((199,)) + bytes((7 * i + 3) & 0xFF for i in range(1, 200)), FrameFormat.A)


def ready(mode: str = "t1", answer: bytes = b"TMODE\r\n") -> HostSession:
    session = HostSession(mode)
    session.start()
    session.receive(VERSION)
    (event,) = session.receive(answer)
    assert isinstance(event, Ready)
    return session


def heard(line: str) -> Frame:
    (event,) = ready().receive(f"{line}\r\n".encode())
    assert isinstance(event, Frame)
    return event


@pytest.mark.parametrize(
    ("line", "frame_format", "stripped"),
    [(A_LINE, FrameFormat.A, A_STRIPPED), (B_LINE, FrameFormat.B, B_STRIPPED)],
    ids=["format A", "format B"],
)
def test_worked_examples(line: str, frame_format: FrameFormat, stripped: bytes) -> None:
    (telegram,) = read_line(line)
    on_air = with_crcs(stripped, frame_format)
    assert telegram == CulTelegram(on_air, frame_format, 0x84, 0xE0)
    assert (telegram.rssi_dbm, telegram.to_text()) == (-90, line)
    assert read_line(line[0] + line[1:].replace("Y", "y").lower().replace("y", "Y")) == (telegram,)
    assert strip_crcs(telegram.data, frame_format).data == stripped
    assert read_line(line[:-4]) == (CulTelegram(on_air, frame_format),)


def test_size_of_a_line_that_a_real_stick_sent() -> None:
    # L 66, 117 bytes with CRCs, RSSI code 41 (-41.5 dBm).
    assert (size_on_air(0x66, FrameFormat.A), size_on_air(0x18, FrameFormat.A), size_on_air(0x2C, FrameFormat.B)) == (
        117,
        29,
        45,
    )


def test_signal_codes() -> None:
    assert [rssi_dbm(code) for code in (0xE0, 0x41, 0x00, 0x80, 0x7F)] == [-90, -41, -74, -138, -10]
    for dbm in range(LOWEST_DBM, HIGHEST_DBM + 1):
        assert rssi_dbm(rssi_raw(dbm)) == dbm
    assert (rssi_dbm(rssi_raw(-200)), rssi_dbm(rssi_raw(0))) == (LOWEST_DBM, HIGHEST_DBM)


@pytest.mark.parametrize("size", [11, 12, 25, 26, 27, 126, 127, 128, 200, 250])
@pytest.mark.parametrize("frame_format", [FrameFormat.A, FrameFormat.B])
def test_every_block_boundary(frame_format: FrameFormat, size: int) -> None:
    data = with_crcs(bytes((size - 1,)) + bytes((7 * i + 3) & 0xFF for i in range(1, size)), frame_format)
    telegram = CulTelegram(data, frame_format, 0x80, 0x41)
    assert read_line(telegram.to_text()) == (telegram,)


@pytest.mark.parametrize(
    "text", ["TMODE", "OFF", "V 1.67 nanoCUL868", "LOVF", "? (brx is unknown) Use one of B b C", "b"]
)
def test_answers_are_no_telegrams(text: str) -> None:
    assert read_line(text) == ()


def test_a_line_that_the_stick_has_cut_keeps_what_verifies() -> None:
    text = f"b{LONG_A.hex().upper()}"
    for digits in (220, 221):
        (cut,) = read_line(text[: 1 + digits])
        assert cut == CulTelegram(LONG_A[:110], FrameFormat.A, is_cut=True)
    (refused,) = read_line(text[:23])
    assert isinstance(refused, Refused)
    assert f"cut: 11 of {len(LONG_A)} bytes" in refused.reason
    (refused,) = read_line(B_LINE[:80])
    assert isinstance(refused, Refused)


def test_a_cut_line_that_runs_into_the_next_loses_only_itself() -> None:
    first, second = read_line(f"b{LONG_A.hex().upper()}"[:221] + A_LINE)
    assert isinstance(first, CulTelegram)
    assert first.is_cut
    (good,) = read_line(A_LINE)
    assert second == good
    refused, second = read_line(B_LINE[:41] + A_LINE)
    assert isinstance(refused, Refused)
    assert second == good


def test_what_no_line_can_hold_is_refused() -> None:
    for text, reason in (
        (A_LINE + "0000", "29 bytes in a line of 66"),
        ("b" + "01" * 20, "too short"),
        (A_LINE[:30] + "x" + A_LINE[31:], "neither"),
        (A_LINE[1:], "neither"),
    ):
        (refused,) = read_line(text)
        assert isinstance(refused, Refused)
        assert reason in refused.reason


def test_handshake_byte_for_byte() -> None:
    session = HostSession("t1")
    assert session.start() == b"V\r\n"
    assert session.receive(VERSION) == [Send(b"X21\r\nbrt\r\n")]
    (event,) = session.receive(b"TMODE\r\n")
    assert isinstance(event, Ready)
    info = event.info
    assert (info.model, info.serial, info.firmware, info.mode) == ("nanoCUL868", "", "1.67", "t1")
    (frame,) = session.receive(A_LINE.encode() + b"\r\n")
    assert frame == Frame(with_crcs(A_STRIPPED, FrameFormat.A), -90, frame_format=FrameFormat.A)


@pytest.mark.parametrize(
    ("line", "model", "firmware"),
    [
        ("V 1.66 CUL868", "CUL868", "1.66"),
        (
            "V 1.26.08 a-culfw Build: private build (unknown) nanoCUL868 (F-Band: 868MHz)",
            "nanoCUL868",
            "a-culfw 1.26.08",
        ),
        ("\x00V 1.67 nanoCUL868", "nanoCUL868", "1.67"),
    ],
)
def test_version_lines(line: str, model: str, firmware: str) -> None:
    session = HostSession("s1")
    session.start()
    assert session.receive(line.encode() + b"\n") == [Send(b"X21\r\nbrs\r\n")]
    (event,) = session.receive(b"SMODE\n")
    assert isinstance(event, Ready)
    assert (event.info.model, event.info.firmware) == (model, firmware)


@pytest.mark.parametrize("line", ["V 1.67 SIGNALduino", "invalid_param", "CUL", "+AT: ERROR", "V CUL"])
def test_another_device_is_no_cul(line: str) -> None:
    session = HostSession("c1")
    session.start()
    assert session.receive(line.encode() + b"\r\n") == []
    events = [event for step in range(200) for event in session.tick(step / 10)]
    assert isinstance(events[-1], Failed)
    assert not events[-1].identified
    assert "no CUL answered" in events[-1].reason


def test_only_modes_that_the_stick_has() -> None:
    assert Cul.MODES == ("c1", "s1", "t1")
    assert HostSession(" T1 ").mode == "t1"
    for mode in ("c1,t1", "c2", "n1a", ""):
        with pytest.raises(ValueError, match=r"one mode at a time.*known: c1, s1, t1"):
            HostSession(mode)


def test_mode_c_tells_the_mode_of_format_b_only() -> None:
    session = ready("c1", b"CMODE\r\n")
    lines = f"{A_LINE}\r\n{B_LINE}\r\n".encode()
    frames = [event for event in session.receive(lines) if isinstance(event, Frame)]
    assert [(frame.mode, frame.frame_format) for frame in frames] == [(None, FrameFormat.A), ("", FrameFormat.B)]


def test_firmware_without_mode_c_fails_with_a_hint() -> None:
    session = HostSession("c1")
    session.start()
    session.receive(VERSION)
    assert session.receive(b"OFF\r\n") == [Send(b"X21\r\nbrc\r\n")]
    (failed,) = session.receive(b"OFF\r\n")
    assert isinstance(failed, Failed)
    assert failed.identified
    assert "1.67" in failed.reason
    assert "no mode C" in failed.reason
    assert "mode=s1 or mode=t1" in failed.hint


def test_firmware_without_wireless_mbus_fails_with_a_hint() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(VERSION)
    (failed,) = session.receive(b"? (brt is unknown) Use one of B C e F V X\r\n")
    assert isinstance(failed, Failed)
    assert "no wireless M-Bus" in failed.reason


def test_what_another_program_left_in_the_line_costs_one_attempt() -> None:
    session = HostSession("t1")
    session.start()
    assert session.receive(b"? (\xa5\x01\x0fV is unknown) Use one of B b C e F\r\n") == []
    assert session.tick(0.0) == []
    assert session.tick(0.6) == [Send(b"V\r\n")]
    assert session.receive(VERSION) == [Send(b"X21\r\nbrt\r\n")]


def test_a_lost_answer_is_asked_for_again_and_silence_ends() -> None:
    session = HostSession("t1")
    session.start()
    session.receive(VERSION)
    events = [event for step in range(40) for event in session.tick(step / 10)]
    assert [event for event in events if isinstance(event, Send)] == [Send(b"X21\r\nbrt\r\n")] * 2
    assert isinstance(events[-1], Failed)
    assert events[-1].identified
    assert "fell silent" in events[-1].reason


def test_telegrams_before_the_mode_is_confirmed_are_skipped() -> None:
    session = HostSession("t1")
    session.start()
    assert session.receive(A_LINE.encode() + b"\r\n") == []
    session.receive(VERSION)
    assert session.receive(A_LINE.encode() + b"\r\n") == []


def test_a_telegram_without_signal_is_kept_and_the_setting_sent_again() -> None:
    session = ready()
    frame, again = session.receive(A_LINE[:-4].encode() + b"\r\n")
    assert isinstance(frame, Frame)
    assert (frame.rssi_dbm, frame.data) == (None, with_crcs(A_STRIPPED, FrameFormat.A))
    assert again == Send(b"X21\r\n")


def test_a_stick_that_was_reset_is_set_anew() -> None:
    for sign in (VERSION, b"OFF\r\n"):
        session = ready()
        assert session.receive(sign) == [Send(b"X21\r\nbrt\r\n")]
        assert len(session.receive(A_LINE.encode() + b"\r\n")) == 1
        assert session.receive(b"TMODE\r\n") == []


def test_a_silent_stick_is_asked_whether_it_still_listens() -> None:
    session = ready()
    assert session.tick(0.0) == session.tick(QUIET_S - 1) == []
    session.receive(A_LINE.encode() + b"\r\n")
    assert session.tick(QUIET_S) == session.tick(2 * QUIET_S - 1) == []
    assert session.tick(2 * QUIET_S) == [Send(b"X21\r\nbrt\r\n")]
    assert session.receive(b"TMODE\r\n") == []
    assert session.tick(2 * QUIET_S + 1) == []
    events = [event for step in range(1000) for event in session.tick(3 * QUIET_S + 2 + step / 10)]
    assert isinstance(events[-1], Failed)


def test_damaged_lines_are_told_and_too_many_end_the_session() -> None:
    session = ready()
    bad = A_LINE[:40].encode() + b"-\r\n"
    for _ in range(DAMAGED_LIMIT - 1):
        assert [type(event) for event in session.receive(bad)] == [Damaged]
    session.receive(A_LINE.encode() + b"\r\n")
    events = [event for _ in range(DAMAGED_LIMIT) for event in session.receive(bad)]
    assert isinstance(events[-1], Failed)
    assert "38400" in events[-1].hint
    assert session.receive(A_LINE.encode() + b"\r\n") == []


@pytest.mark.parametrize("line", [A_LINE, B_LINE], ids=["format A", "format B"])
def test_no_flipped_bit_changes_what_a_telegram_says(line: str) -> None:
    good = heard(line)
    expected = decode(RawFrame(good.data, frame_format=good.frame_format))
    for bit in range(8 * (len(line) - 4)):
        flipped = bytearray(line.encode())
        flipped[bit // 8] ^= 1 << bit % 8
        for event in ready().receive(bytes(flipped) + b"\r\n"):
            if isinstance(event, Frame):
                telegram = decode(RawFrame(event.data, frame_format=event.frame_format))
                assert telegram.outcome is Outcome.DAMAGED or telegram.data == expected.data


@given(st.lists(st.binary(max_size=80), max_size=12), st.sampled_from(["c1", "s1", "t1"]))
def test_any_bytes_never_raise(pieces: list[bytes], mode: str) -> None:
    session = HostSession(mode)
    session.start()
    for step, piece in enumerate(pieces):
        session.receive(piece)
        session.tick(step * 0.3)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([A_LINE, B_LINE]),
            st.text("bY0123456789ABCDEFabcdef", max_size=90),
            st.text(st.characters(max_codepoint=0x7F, exclude_characters="\r\n"), max_size=40),
        ),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_good_lines_between_noise_are_found_at_any_split(lines: list[str], rng: random.Random) -> None:
    data = "".join(f"{line}\r\n" for line in lines).encode()
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(6))
    whole, split = ready(), ready()
    events = whole.receive(data)
    pieces: list[HostEvent] = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        pieces += split.receive(data[start:end])
    assert events == pieces
    good = {A_LINE: with_crcs(A_STRIPPED, FrameFormat.A), B_LINE: with_crcs(B_STRIPPED, FrameFormat.B)}
    sent = [good[line] for line in lines if line in good]
    found = [event.data for event in events if isinstance(event, Frame) and event.data in good.values()]
    assert found == sent
