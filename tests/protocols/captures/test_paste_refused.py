"""What is no telegram, what could be two things, and what nobody meant: told in one line, never guessed silently."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.captures.model import PLAIN_HEX, NotRecognised, Pasted
from protocols.captures.paste import TEXT_LIMIT, recognise, recognise_bytes
from protocols.decode import decode
from protocols.model import Address, FrameFormat, Outcome, RawFrame
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.im871a.envelope import Endpoint, Envelope
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_clear, with_crcs
from protocols.wmbus.three_of_six import encode

METER = Address.of("XYZ", "87654321", 2, 4)
FRAME = link_frame(0x44, METER, transport_clear(Content.RECORDS, bytes.fromhex("0C0678563412"), TransportHeader(9)))
OTHER = link_frame(0x44, METER, transport_clear(Content.RECORDS, bytes.fromhex("0C0678563413"), TransportHeader(10)))
HEX = FRAME.hex()
IN_A = with_crcs(FRAME, FrameFormat.A)
ENVELOPE = Envelope(Endpoint.RADIO_LINK, 3, FRAME[1:], None, 0x9B).to_bytes()
PING = Envelope(Endpoint.DEVICE_MANAGEMENT, 2).to_bytes()


def slip(content: bytes) -> bytes:
    return b"\xc0" + content + crc16_x25(content).to_bytes(2, "little") + b"\xc0"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "there is no text"),
        (" \n", "there is no text"),
        ("# a comment", "nothing but a comment"),
        ("hello", "'h' at digit 1 is not a hex digit"),
        (HEX[:-1], "odd number of hex digits"),
        (f"T1;1;1;;;;;0x{HEX[:-1]}", "rtl_wmbus line with an odd number"),
        ("T1;1;1;;;;;0x", "rtl_wmbus line without a telegram"),
        ("telegram=|12G4|", "wmbusmeters simulation line: 'G' at digit 3"),
        (f"bY{HEX}", "CUL line of 21 bytes in which no link-layer CRC fits"),
        (f"bY{HEX}0", "CUL line that was cut"),
        (f"b{HEX}", "CUL line of 21 bytes in which no link-layer CRC fits"),
        (f"Z{HEX}", "in which no CRC fits"),
        (f"x T: {HEX} (29)", "announces 29 bytes and has 42 hex digits"),
        (PING.hex(), "iM871A envelope with a ping response"),
        ("ff8401007a", "AMB8465 envelope with command 84"),
        (slip(bytes.fromhex("010200")).hex(), "iU891A envelope with message 01 02"),
        ((slip(b"\x09\x20" + bytes(20)) * 2).hex(), "2 SLIP frames"),
        ("{", "no JSON after it"),
        ('{"a": ' * 5000, "no JSON after it"),
        ('{"hex": "00"}', "JSON of no known origin"),
        ('{"model": "Thermo-1", "data": "00"}', "something else than Wireless-MBus"),
        ('{"model": "Wireless-MBus", "data": "zz"}', "whose data are not hex"),
        ('{"containsCrc": true, "data": "zz"}', "whose data are not hex"),
        ("time,x,Wireless-MBus,1,2", "rtl_433 CSV line with no telegrams"),
        (f"{HEX}\n{OTHER.hex()}", "2 telegrams in 2 lines"),
        (f"{HEX} {OTHER.hex()}", "2 telegrams in one text"),
        ("6803036808017079166803036808017079 16", "2 telegrams in one text"),
        ("1040014116 E5 105B015C16 680303680801707916", "4 telegrams in one text"),
        (f"{HEX} {OTHER.hex()} {HEX}", "3 telegrams in one text"),
        (2 * with_crcs(FRAME, FrameFormat.A).hex(), "2 telegrams in one text"),
        (
            HEX + with_crcs(OTHER, FrameFormat.A).hex() + with_crcs(FRAME, FrameFormat.B).hex(),
            "3 telegrams in one text",
        ),
        (f"first {HEX} then {OTHER.hex()}", "2 telegrams in one text"),
        ("x y\n" * 600, "600 lines"),
        ("x" * (TEXT_LIMIT + 1), "a telegram has at most 512 hex digits"),
        (base64.b64encode(FRAME[:-2] + b"zz!").decode(), "as Base64 it is 22 bytes that are not a whole frame"),
        ("2026-13-99 03:04:05;x", "no such time"),
    ],
)
def test_refused_in_one_line(text: str, seen: str) -> None:
    with pytest.raises(NotRecognised) as caught:
        recognise(text)
    assert seen in caught.value.seen
    assert caught.value.instead
    assert "\n" not in str(caught.value)


def test_the_text_is_never_repeated() -> None:
    secret = "swordfish-is-my-passphrase"
    for text in (secret, f"key={secret}", json.dumps({"model": secret, "data": secret}), f"T1;1;1;;;;;0x{secret}"):
        with pytest.raises(NotRecognised) as caught:
            recognise(text)
        assert "swordfish" not in str(caught.value)


def test_an_envelope_whose_checksum_fails_is_plain_hex_with_a_note() -> None:
    damaged = ENVELOPE[:-1] + bytes((ENVELOPE[-1] ^ 1,))
    pasted = recognise(damaged.hex())
    assert pasted.kind == PLAIN_HEX
    assert pasted.frame.data == damaged
    assert pasted.notes == ("begins like an iM871A envelope, but FCS of the HCI frame does not match",)


def test_an_envelope_without_a_check_sequence_proves_nothing() -> None:
    bare = Envelope(Endpoint.RADIO_LINK, 3, FRAME[1:], fcs=False).to_bytes()
    assert recognise(bare.hex()).kind == PLAIN_HEX


def test_chips_with_a_symbol_that_is_none_name_it() -> None:
    chips = bytearray(encode(IN_A))
    chips[9] = 0xFF
    pasted = recognise(chips.hex())
    assert pasted.kind == PLAIN_HEX
    assert "begins like 3-of-6 chips, but 3-of-6 symbol 13, at chip 72, is 111111" in pasted.notes[0]


@pytest.mark.parametrize("place", [16, 20, 25, 30])
def test_chips_with_a_bad_symbol_behind_the_header_give_the_frame_before_it(place: int) -> None:
    chips = bytearray(encode(IN_A))
    chips[place] ^= 0x01
    pasted = recognise(chips.hex())
    assert pasted.kind == "3-of-6 chips"
    assert IN_A.startswith(pasted.frame.data)
    assert len(pasted.frame.data) >= 8 * place // 12 - 1
    assert "which stands for nothing" in pasted.notes[0]
    assert decode(pasted.frame).outcome is Outcome.DAMAGED


@pytest.mark.parametrize("cut", [2, 4, 6, 9])
def test_chips_that_end_too_soon_are_a_frame_that_was_cut(cut: int) -> None:
    # Two CRCs shorter, it is as long as without them.
    pasted = recognise(encode(IN_A)[:-cut].hex())
    assert (pasted.kind, IN_A.startswith(pasted.frame.data)) == ("3-of-6 chips", True)
    assert pasted.notes[0].startswith("the chips are damaged: they hold ")
    assert decode(pasted.frame).outcome is Outcome.DAMAGED


def test_chips_whose_first_byte_counts_those_after_it_by_chance_are_chips() -> None:
    text = bytes.fromhex(
        "37436c2e52dc2d359c72c2dc37459399a8e94ce65694d693353d236569a958e67159659659659c3a3371a6c6632e6a745968f164b85555aa"
    )
    assert text[0] + 1 == len(text)
    assert recognise(text.hex()).kind == "3-of-6 chips"


def test_a_frame_that_begins_like_an_envelope_is_a_frame() -> None:
    """L of 165 is A5, the start byte of an iM871A; L of 192 is C0, that of SLIP; 255 is FF, that of an AMB8465."""
    for size in (0xA5, 0xC0, 0xFF):
        frame = bytes((size, 0x44)) + METER.to_wire() + bytes((0x78,)) + b"\x2f" * (size - 10)
        assert recognise(frame.hex()) == Pasted(RawFrame(frame))
        with_crc = with_crcs(frame, FrameFormat.A)
        assert recognise(with_crc.hex()) == Pasted(RawFrame(with_crc))


def test_an_envelope_of_the_length_that_its_start_byte_would_announce_is_an_envelope() -> None:
    payload = FRAME[1:] + b"\x2f" * (0xA5 + 1 - 7 - len(FRAME) + 1)
    envelope = Envelope(Endpoint.RADIO_LINK, 3, payload, None, 0x9B).to_bytes()
    assert len(envelope) == 0xA5 + 1
    assert recognise(envelope.hex()).kind == "iM871A envelope"


def test_hex_is_never_taken_as_base64() -> None:
    """Hex digits are Base64 letters too; hex comes first, whole or not."""
    text = base64.b16encode(FRAME[:-4]).decode()
    assert recognise(text) == Pasted(RawFrame(FRAME[:-4]))


def test_a_cul_line_with_an_even_number_of_letters_is_hex() -> None:
    text = f"b{IN_A.hex()}0"
    assert len(text) % 2 == 0
    assert recognise(text).kind == PLAIN_HEX


def test_damage_behind_the_first_block_is_left_to_the_decoder() -> None:
    damaged = IN_A[:-1] + bytes((IN_A[-1] ^ 1,))
    pasted = recognise(f"b{damaged.hex()}84E0")
    assert (pasted.kind, pasted.frame) == ("CUL line", RawFrame(damaged, rssi_dbm=-90))


def test_lines_are_not_mixed_up_with_columns() -> None:
    """A telegram that is proved wins over a longer column that is not."""
    text = f"{'ab' * 40};{HEX} x"
    assert recognise(text).frame.data == FRAME


LINE_MARKS = [
    "T1;1;1;",
    "2026-03-04 05:06:07",
    "Z",
    "bY",
    "b",
    "telegram=|",
    "|+3",
    "0x",
    "T: ",
    "(22)",
    "::-86",
    "-71",
]
OTHER_MARKS = [";", ",", "#", "{", "}", '"', ":", " ", "\n", "Wireless-MBus", "A5C203", "FF03", "DBDC", "é", "\ufeff"]
WHOLE = [HEX, IN_A.hex(), ENVELOPE.hex(), encode(IN_A).hex(), base64.b64encode(FRAME).decode()]
PIECES = st.sampled_from([*LINE_MARKS, *OTHER_MARKS, *WHOLE, '{"model": "Wireless-MBus", "data": "'])
MEMBERS = st.sampled_from(["model", "data", "mode", "time", "frameType", "containsCrc"])
VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, "Wireless-MBus", HEX, "zz", [], {}, "T", "2026-03-04 05:06:07"]
)


@given(st.text(max_size=200) | st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join))
def test_any_text_is_recognised_or_refused(text: str) -> None:
    try:
        pasted = recognise(text)
    except NotRecognised:
        return
    assert isinstance(pasted.frame.data, bytes)
    assert pasted.frame.data


@given(
    st.binary(min_size=1, max_size=300)
    | st.tuples(st.sampled_from([b"\xa5", b"\xff", b"\xc0", b"\x68", encode(IN_A)[:6]]), st.binary(max_size=300)).map(
        b"".join
    )
)
def test_any_bytes_are_recognised_or_refused(data: bytes) -> None:
    try:
        pasted = recognise_bytes(data)
    except NotRecognised:
        return
    assert pasted.kind != PLAIN_HEX or pasted.frame.data == data


@given(st.dictionaries(MEMBERS, VALUES))
def test_any_object_is_recognised_or_refused(members: dict[str, object]) -> None:
    try:
        pasted = recognise(json.dumps(members))
    except NotRecognised:
        assert members.get("data") != HEX or members.get("model") != "Wireless-MBus"
        return
    assert pasted.frame.data == FRAME


@pytest.mark.parametrize(
    "text",
    [
        "aa " * 21000 + "g",
        "b" * TEXT_LIMIT + ";",
        "b" + "a" * 65000 + "g",
        " b" * 32000 + "g",
        "T: " * 20000,
        "2026-01-01 " * 5900,
        ";" * TEXT_LIMIT,
        "{" * TEXT_LIMIT,
        "x\n" * 499,
        "A" * 65001 + "=",
        "-1 " * 21000 + "x",
        "5" * 200_000,
        "3a" * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    began = time.perf_counter()
    with suppress(NotRecognised):
        recognise(text)
    assert time.perf_counter() - began < 2


def test_every_telegram_of_the_corpora_is_plain_hex(conformance_dir: Path) -> None:
    """Damaged, truncated and wired ones as well: the paste door never makes something else of a telegram."""
    names = ("dev.encrypted.jsonl", "dev.jsonl", "variants.dev.jsonl", "mbus-wired.dev.jsonl")
    cases = [json.loads(line) for name in names for line in (conformance_dir / name).read_text("utf-8").splitlines()]
    assert cases
    for case in cases:
        data = bytes.fromhex(case["hex"])
        assert recognise_bytes(data) == Pasted(RawFrame(data)), case["id"]


@pytest.mark.parametrize("appended", ["e5", "9b", "e5e5"])
@pytest.mark.parametrize("frame_format", [None, FrameFormat.A, FrameFormat.B])
def test_bytes_that_receivers_append_are_no_second_telegram(frame_format: FrameFormat | None, appended: str) -> None:
    frame = FRAME if frame_format is None else with_crcs(FRAME, frame_format)
    assert recognise(frame.hex() + appended).frame.data == frame + bytes.fromhex(appended)


@pytest.mark.parametrize("array", ["{{{}}}", "{{ {} }};", "uint8_t frame[] = {{ {} }};"])
def test_bytes_of_program_code_are_read_without_what_encloses_them(array: str) -> None:
    spelled = ", ".join(f"0x{byte:02X}" for byte in FRAME)
    assert recognise(array.format(spelled)).frame.data == FRAME
