"""Every form that the paste door knows: the frame, how it was heard, and what it says that it recognised."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import reduce
from operator import xor

import pytest

from protocols.captures.hex_lines import format_line
from protocols.captures.model import PLAIN_HEX, NotRecognised, Pasted
from protocols.captures.paste import recognise
from protocols.mbus.wired import LongFrame
from protocols.model import Address, FrameFormat, RawFrame
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.im871a.envelope import Endpoint, Envelope
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_clear, transport_mode_5, with_crcs
from protocols.wmbus.three_of_six import encode

METER = Address.of("ABC", "12345678", 1, 7)
VOLUME = bytes.fromhex("0C1378563412")
FRAME = link_frame(0x44, METER, transport_clear(Content.RECORDS, VOLUME, TransportHeader(42)))
LONG_FRAME = link_frame(0x44, METER, transport_clear(Content.RECORDS, VOLUME * 25, TransportHeader(43)))
WIRED = LongFrame(0x08, 1, 0x72, bytes(12) + VOLUME).to_bytes()
HEX = FRAME.hex().upper()
IN_A = with_crcs(FRAME, FrameFormat.A)
IN_B = with_crcs(FRAME, FrameFormat.B)
LONG_IN_B = with_crcs(LONG_FRAME, FrameFormat.B)
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def amb(payload: bytes, command: int = 3) -> bytes:
    head = bytes((0xFF, command, len(payload))) + payload
    return head + bytes((reduce(xor, head),))


def slip(content: bytes) -> bytes:
    body = content + crc16_x25(content).to_bytes(2, "little")
    return b"\xc0" + body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def iu891a(frame: bytes, at: datetime = AT, frame_format: int = 2, rssi_dbm: int = -41) -> bytes:
    head = int(at.timestamp()).to_bytes(4, "little") + bytes((0, 0, frame_format, rssi_dbm & 0xFF))
    return slip(b"\x09\x20" + head + frame)


def im871a(frame: bytes, rssi_raw: int | None = None, timestamp_s: int | None = None) -> bytes:
    return Envelope(Endpoint.RADIO_LINK, 3, frame[1:], timestamp_s, rssi_raw).to_bytes()


def got(text: str) -> tuple[str, RawFrame]:
    pasted = recognise(text)
    return pasted.kind, pasted.frame


@pytest.mark.parametrize(
    "text",
    [
        HEX,
        HEX.lower(),
        f"0x{HEX}",
        f"  {HEX}\n",
        f"\ufeff{HEX}",
        f"|{HEX[:22]}|{HEX[22:]}|",
        FRAME.hex("_"),
        FRAME.hex(" "),
        FRAME.hex(" ", 2),
        f"{HEX[:20]}\n{HEX[20:]}",
        FRAME.hex(":"),
        FRAME.hex("-"),
        ", ".join(f"0x{byte:02X}" for byte in FRAME),
        "[" + ",".join(f" 0x{byte:02x}" for byte in FRAME) + " ]",
        " ".join(f"0x{byte:02X}" for byte in FRAME),
        "".join(f"\\x{byte:02x}" for byte in FRAME),
    ],
)
def test_hex_in_many_spellings_is_plain(text: str) -> None:
    assert recognise(text) == Pasted(RawFrame(FRAME))


def test_number_signs_between_digits_are_no_comment() -> None:
    marked = f"#{FRAME[:8].hex()}#{FRAME[8:].hex()}"
    assert recognise(marked).frame.data == FRAME
    assert recognise(f"{FRAME.hex()} # cafe").frame.data == FRAME


@pytest.mark.parametrize("data", [IN_A, IN_B, LONG_IN_B, WIRED, b"\xe5", bytes.fromhex("105B015C16")])
def test_crcs_and_wired_frames_stay_in(data: bytes) -> None:
    assert recognise(data.hex()) == Pasted(RawFrame(data))


@pytest.mark.parametrize("data", [FRAME[:-3], FRAME + b"\x8c", b"\x00", bytes(40)])
def test_hex_that_nothing_proves_is_still_decoded_as_what_it_is(data: bytes) -> None:
    assert recognise(data.hex()) == Pasted(RawFrame(data))


@pytest.mark.parametrize(
    ("text", "frame", "notes"),
    [
        (f"T1;1;1;2026-03-04 05:06:07.25;61;54;12345678;0x{HEX.lower()}", RawFrame(FRAME, mode="T1"), ()),
        (f"C1;1;1;2026-03-04 05:06:07.00Z;-71;;;0x{HEX}", RawFrame(FRAME, AT, "", "C1", -71), ()),
        (f"T1;1;1;2026-03-04 06:06:07+01:00;-71.5;-90;;{HEX}", RawFrame(FRAME, AT, "", "T1", -71), ()),
        (f"S1;1;1;;-80;;;0x{HEX}", RawFrame(FRAME, mode="S1", rssi_dbm=-80), ()),
        (f"t2a;C1;0;1;;1;1;1;0x{HEX}", RawFrame(FRAME, mode="C1"), ("the receiver says that a CRC was wrong",)),
        (f"T1;1;0;;;;;0x{HEX};0x{HEX}", RawFrame(FRAME, mode="T1"),
         ("the receiver says that a 3-of-6 symbol was wrong", "what follows the telegram is left out")),
        (f"T1;1;1;;;;;0x{HEX[:-2]}", RawFrame(FRAME[:-1], mode="T1"),
         (f"L announces {len(FRAME)} bytes, the line has {len(FRAME) - 1}",)),
    ],
)  # fmt: skip
def test_rtl_wmbus(text: str, frame: RawFrame, notes: tuple[str, ...]) -> None:
    pasted = recognise(text)
    assert (pasted.kind, pasted.frame, pasted.notes) == ("rtl_wmbus line", frame, notes)


def test_the_local_time_of_a_line_is_no_receive_time_but_keeps_distances() -> None:
    pasted = recognise(f"T1;1;1;2026-03-04 05:06:07.000;61;54;12345678;0x{HEX}")
    assert pasted.frame.at is None
    assert pasted.local_at == AT


def rtl_433_json(data: bytes, **members: object) -> str:
    return json.dumps({"time": "2026-03-04 05:06:07", "model": "Wireless-MBus", "mode": "C", "M": "ABC", **members,
                       "data": data.hex(), "mic": "CRC"})  # fmt: skip


def test_rtl_433_json() -> None:
    pasted = recognise(rtl_433_json(FRAME, rssi=-0.2))
    assert (pasted.kind, pasted.frame, pasted.notes) == ("rtl_433 JSON", RawFrame(FRAME, mode="C1"), ())
    assert pasted.local_at == AT
    assert recognise(rtl_433_json(FRAME, time="2026-03-04T06:06:07+0100", mode="T")).frame == RawFrame(
        FRAME, AT, mode="T1"
    )


@pytest.mark.parametrize(("frame", "on_air"), [(FRAME, IN_B), (LONG_FRAME, LONG_IN_B)])
def test_rtl_433_leaves_the_crcs_in_l(frame: bytes, on_air: bytes) -> None:
    pasted = recognise(rtl_433_json(on_air[:1] + frame[1:]))
    assert pasted.frame.data == frame
    assert pasted.notes == (f"L put right from {on_air[0]} to {frame[0]}: it counted the CRCs of format B",)


def test_rtl_433_csv() -> None:
    line = f'2026-03-04 05:06:07,,,Wireless-MBus,,C,ABC,12345678,1,7,"Water, cold",0x44,{IN_B[:1].hex()}{HEX[2:]},CRC'
    pasted = recognise(line)
    assert (pasted.kind, pasted.frame) == ("rtl_433 CSV line", RawFrame(FRAME, mode="C1"))
    assert "format B" in pasted.notes[0]


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (f"b{IN_A.hex()}84E0", RawFrame(IN_A, rssi_dbm=-90)),
        (f"b{IN_A.hex().upper()}8241\r\n", RawFrame(IN_A, rssi_dbm=-41)),
        (f"b{IN_A.hex()}", RawFrame(IN_A)),
        (f"bY{IN_B.hex().upper()}84E0", RawFrame(IN_B, mode="C1", rssi_dbm=-90)),
        (f"bY{LONG_IN_B.hex()}84E0", RawFrame(LONG_IN_B, mode="C1", rssi_dbm=-90)),
        (f"2026-03-04 05:06:07 CUL/RAW: b{IN_A.hex()}::-86.5", RawFrame(IN_A, rssi_dbm=-86)),
    ],
)
def test_cul(text: str, frame: RawFrame) -> None:
    assert got(text) == ("CUL line", frame)


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        (im871a(FRAME), RawFrame(FRAME)),
        (im871a(FRAME, rssi_raw=0x9B), RawFrame(FRAME, rssi_dbm=-45)),
        (im871a(FRAME, rssi_raw=0x9B, timestamp_s=0), RawFrame(FRAME, rssi_dbm=-45)),
    ],
)
def test_im871a(data: bytes, frame: RawFrame) -> None:
    assert recognise(data.hex(" ")) == Pasted(frame, "iM871A envelope")


def test_im871a_says_what_its_clock_says_and_what_was_sent() -> None:
    assert recognise(im871a(FRAME, 0x9B, 77).hex()).notes == ("the module's clock says 77 s",)
    sent = Envelope(Endpoint.RADIO_LINK, 1, FRAME[1:]).to_bytes()
    assert recognise(sent.hex()) == Pasted(RawFrame(FRAME), "iM871A envelope", ("sent by the host",))


def mode_5_frame() -> bytes:
    transport = transport_mode_5(Content.RECORDS, VOLUME, TransportHeader(1), key=bytes(16), sender=METER)
    return link_frame(0x44, METER, transport)


@pytest.mark.parametrize("frame", [FRAME, mode_5_frame()], ids=["clear", "mode 5"])
def test_amb8465_with_and_without_rssi(frame: bytes) -> None:
    assert recognise(amb(frame[1:]).hex()) == Pasted(RawFrame(frame), "AMB8465 envelope")
    with_rssi = recognise(amb(frame[1:] + b"\xe0").hex())
    assert with_rssi == Pasted(RawFrame(frame, rssi_dbm=-90), "AMB8465 envelope")


def test_amb8465_says_when_it_cannot_tell_the_rssi_from_data() -> None:
    # A single filler byte behind the records is good data as well.
    pasted = recognise(amb(FRAME[1:] + b"\x2f").hex())
    assert pasted.frame.data == bytes((len(FRAME),)) + FRAME[1:] + b"\x2f"
    assert pasted.notes == ("if the module appends its RSSI, the last byte is it: -50 dBm",)


def test_amb8465_sent() -> None:
    assert recognise(amb(FRAME[1:], 0).hex()) == Pasted(RawFrame(FRAME), "AMB8465 envelope", ("sent by the host",))


def test_iu891a() -> None:
    assert recognise(iu891a(FRAME).hex()) == Pasted(RawFrame(FRAME, AT, rssi_dbm=-41), "iU891A envelope")
    twice_delimited = b"\xc0" * 3 + iu891a(FRAME) + b"\xc0"
    assert recognise(twice_delimited.hex()).frame.data == FRAME


def test_iu891a_escapes_clock_and_format() -> None:
    frame = link_frame(
        0x44, METER, transport_clear(Content.RECORDS, bytes.fromhex("0413C0DBDCC0"), TransportHeader(42))
    )
    pasted = recognise(iu891a(frame, datetime(2000, 1, 2, tzinfo=UTC), 0x15, -95).hex())
    assert pasted.frame == RawFrame(frame, rssi_dbm=-95)
    assert pasted.notes == ("the receiver's clock was not set", "received in frame format B")


@pytest.mark.parametrize(
    ("text", "frame", "offset_s"),
    [
        (f"telegram=|{HEX}|+3", FRAME, 3.0),
        (f"telegram=|{HEX[:30]}_{HEX[30:]}|", FRAME, None),
        (f"telegram={WIRED.hex()}", WIRED, None),
    ],
)
def test_simulation_files(text: str, frame: bytes, offset_s: float | None) -> None:
    assert recognise(text) == Pasted(RawFrame(frame), "wmbusmeters simulation line", (), offset_s)


ESPHOME = "[wmbus:176] | Meter ID [0x12345678] RSSI: -70 dBm LQI: 128 Frame: {mode} A   T: {hex} ({size})"


def test_esphome() -> None:
    line = ESPHOME.format(mode="T1", hex=HEX, size=len(FRAME))
    assert got(line) == ("ESPHome log line", RawFrame(FRAME, mode="T1", rssi_dbm=-70))
    assert got(f"\x1b[0;36m[05:06:07][D]{line}\x1b[0m") == got(line)
    assert recognise(f"2026-03-04 05:06:07 {line}").local_at == AT


def test_iobroker() -> None:
    assert got(json.dumps({"frameType": "A", "containsCrc": True, "data": IN_A.hex()})) == (
        "ioBroker JSON",
        RawFrame(IN_A),
    )
    assert got(json.dumps({"frameType": "A", "containsCrc": False, "data": HEX})) == ("ioBroker JSON", RawFrame(FRAME))
    damaged = recognise(json.dumps({"containsCrc": True, "data": HEX}))
    assert damaged.notes == ("it announces CRCs, but none fits",)
    assert got(f"Z{IN_A.hex()}") == ("ioBroker line with CRCs", RawFrame(IN_A))


@pytest.mark.parametrize("data", [FRAME, IN_A, IN_B, WIRED])
def test_base64(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert got(text) == ("Base64", RawFrame(data))
    assert got(text.rstrip("=")) == ("Base64", RawFrame(data))
    assert got(base64.urlsafe_b64encode(data).decode()) == ("Base64", RawFrame(data))
    assert got(f"{text[:20]}\n{text[20:]}\n") == ("Base64", RawFrame(data))


def test_base64_of_an_envelope() -> None:
    text = base64.b64encode(im871a(FRAME, 0x9B)).decode()
    assert got(text) == ("Base64, iM871A envelope", RawFrame(FRAME, rssi_dbm=-45))


@pytest.mark.parametrize("frame", [FRAME, LONG_FRAME])
def test_chips(frame: bytes) -> None:
    on_air = with_crcs(frame, FrameFormat.A)
    chips = encode(on_air)
    assert got(chips.hex()) == ("3-of-6 chips", RawFrame(on_air, mode="T1"))
    assert got((chips + b"\x55\x00\x12").hex()) == ("3-of-6 chips", RawFrame(on_air, mode="T1"))
    assert got((b"\x55" * 5 + b"\x54\x3d" + chips).hex()) == ("3-of-6 chips", RawFrame(on_air, mode="T1"))
    assert got(encode(frame).hex()) == ("3-of-6 chips", RawFrame(frame, mode="T1"))


@pytest.mark.parametrize("before", ["", "1", "101", "01" * 19, "0010" + "01" * 30], ids=len)
def test_chips_behind_a_sync_word_that_ends_within_a_byte(before: str) -> None:
    on_air = with_crcs(FRAME, FrameFormat.A)
    chips = encode(on_air)
    bits = before + "0000111101" + f"{int.from_bytes(chips, 'big'):0{8 * len(chips)}b}"
    bits += "01" * 4
    cut = bits[: len(bits) // 8 * 8]
    text = int(cut, 2).to_bytes(len(cut) // 8, "big").hex()
    assert got(text) == ("3-of-6 chips", RawFrame(on_air, mode="T1"))


def test_chips_of_a_damaged_frame_leave_the_verdict_to_the_decoder() -> None:
    damaged = bytearray(with_crcs(FRAME, FrameFormat.A))
    damaged[15] ^= 1
    assert got(encode(bytes(damaged)).hex()) == ("3-of-6 chips", RawFrame(bytes(damaged), mode="T1"))


def test_columns_and_words() -> None:
    own = RawFrame(FRAME, AT, "", "C1", -71)
    assert got(format_line(own)) == ("hex among columns", own)
    assert got(f"00012345; ABC;01;07;00; -83; T;{HEX};") == ("hex among columns", RawFrame(FRAME, rssi_dbm=-83))
    with_envelope = f"2026-03-04 05:06:07Z;{im871a(FRAME, 0x9B).hex()}"
    assert got(with_envelope) == ("iM871A envelope among columns", RawFrame(FRAME, AT, rssi_dbm=-45))
    assert got(f"wmbus/esp-12/telegram {HEX}") == ("hex among other words", RawFrame(FRAME))
    assert got(f'(serial) received binary "{im871a(FRAME).hex()}"') == (
        "iM871A envelope among other words",
        RawFrame(FRAME),
    )


def test_one_telegram_among_several_lines() -> None:
    pasted = recognise(f"INFO started\nT1;1;1;;;;;0x{HEX}\nINFO ended\n")
    assert (pasted.kind, pasted.frame.data) == ("rtl_wmbus line", FRAME)
    assert pasted.notes == ("2 other lines left out",)


def test_plain_is_the_word_for_hex() -> None:
    assert recognise(HEX).kind == PLAIN_HEX == "hex"


WORKED = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")
WORKED_HEX = WORKED.hex()


@pytest.mark.parametrize(
    ("text", "kind", "frame"),
    [
        (f"A5C20318{WORKED_HEX[2:]}9BD8A1", "iM871A envelope", RawFrame(WORKED, rssi_dbm=-45)),
        (f"FF0318{WORKED_HEX[2:]}46", "AMB8465 envelope", RawFrame(WORKED)),
        (f"FF0319{WORKED_HEX[2:]}E0A7", "AMB8465 envelope", RawFrame(WORKED, rssi_dbm=-90)),
        (f"C009209F436D38000002D7{WORKED_HEX}EA8FC0", "iU891A envelope", RawFrame(WORKED, rssi_dbm=-41)),
        (
            "b1844AE4C4455223368075F787A55000000041389E20100023B0000D0C684E0\r\n",
            "CUL line",
            RawFrame(bytes.fromhex("1844AE4C4455223368075F787A55000000041389E20100023B0000D0C6"), rssi_dbm=-90),
        ),
        (f"T1;1;1;2026-01-02 03:04:05.000;-71;-90;33225544;0x{WORKED_HEX}", "rtl_wmbus line",
         RawFrame(WORKED, mode="T1", rssi_dbm=-71)),
    ],
)  # fmt: skip
def test_worked_examples_that_other_programs_have_read(text: str, kind: str, frame: RawFrame) -> None:
    """Receivers' bytes around one telegram, as they were exchanged with a client that was not written here."""
    assert got(text) == (kind, frame)


def test_bytes_that_a_real_stick_has_sent() -> None:
    """An iM871A with timestamp 0, from a public report."""
    kind, frame = got("A5E2031E44AE4C8730702068077A1F001005EF666A497CBAD4564A80CA41D7F4144100000000A553E8")
    assert kind == "iM871A envelope"
    assert frame.data.hex().upper() == "1E44AE4C8730702068077A1F001005EF666A497CBAD4564A80CA41D7F41441"
    assert frame.rssi_dbm == -40


def test_not_recognised_is_a_value_error_of_two_halves() -> None:
    with pytest.raises(NotRecognised) as caught:
        recognise("hello")
    assert str(caught.value) == f"{caught.value.seen}; {caught.value.instead}"
    assert isinstance(caught.value, ValueError)
