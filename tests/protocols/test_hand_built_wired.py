"""Frames of wired meters built by hand: what damage does to them, and values of rarely sent kinds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import CMAC

from protocols.decode import decode
from protocols.learned import LearnedDecoder
from protocols.mbus.wired import LongFrame
from protocols.model import Key, Outcome, Quality, RawFrame, Rung, RungState, Telegram
from protocols.model import Value as ReadValue

HEADER = bytes.fromhex("7856341293153304") + bytes.fromhex("2A000000")
VOLUME = "041301000000"


def answer(records: str, ci: int = 0x72, header: bytes = HEADER) -> bytes:
    return LongFrame(0x08, 1, ci, header + bytes.fromhex(records)).to_bytes()


def detail(telegram: Telegram, rung: Rung) -> str:
    return next(step.detail for step in telegram.verdict if step.rung is rung)


def read(records: str) -> list[tuple[ReadValue, str, Quality]]:
    telegram = decode(answer(records))
    assert telegram.ok
    return [(reading.value, reading.unit, reading.quality) for reading in telegram.readings]


def test_a_cut_record_of_a_wired_frame_is_no_crc_of_a_radio() -> None:
    telegram = decode(answer(VOLUME + "0493"))
    assert telegram.outcome is Outcome.DAMAGED
    assert telegram.problem == "the message ends inside the VIF chain of a record"
    assert [reading.value for reading in telegram.readings] == [Decimal("0.001")]


def test_a_read_out_says_that_more_records_follow() -> None:
    assert detail(decode(answer(VOLUME + "1F")), Rung.RECORDS) == (
        "full frame: 1 record; more follow in the next telegram"
    )
    assert detail(decode(answer(VOLUME + "0F")), Rung.RECORDS) == "full frame: 1 record"


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (1, 0x13, "the two lengths of the wired frame differ: 13 and 15"),
        (2, 0x13, "the two lengths of the wired frame differ: 15 and 13"),
        (3, 0x69, "second start byte of the wired frame is 69, not 68"),
    ],
    ids=["first length", "second length", "second start"],
)
def test_a_wired_frame_with_one_byte_of_its_start_damaged_stays_one(at: int, value: int, words: str) -> None:
    frame = answer(VOLUME)
    telegram = decode(frame[:at] + bytes((value,)) + frame[at + 1 :])
    assert telegram.outcome is Outcome.DAMAGED
    assert telegram.problem == words


@pytest.mark.parametrize("data", [bytes.fromhex("6800000816"), bytes.fromhex("68010268") + bytes(400) + b"\x16"])
def test_what_only_begins_as_a_wired_frame_does_not_decode(data: bytes) -> None:
    assert decode(data).outcome is not Outcome.OK


def test_bytes_behind_a_short_frame_are_ignored() -> None:
    telegram = decode(bytes.fromhex("105B015C1600"))
    assert telegram.ok
    assert telegram.message == "REQ-UD2, FCB 0"
    assert telegram.notes == ("1 byte after the frame ignored",)


def test_a_short_frame_says_whom_it_asks() -> None:
    assert detail(decode(bytes.fromhex("105B056016")), Rung.ADDRESS) == "primary address 5"
    assert detail(decode(b"\xe5"), Rung.ADDRESS) == "none in this kind of frame"


@pytest.mark.parametrize(
    ("record", "value"),
    [("0DFD0C050000434241", "ABC"), ("0DFD11050000434241", "ABC"), ("0D78050000323331", "132")],
    ids=["model", "customer", "number"],
)
def test_a_text_is_not_filled_up_with_zero_bytes(record: str, value: str) -> None:
    assert read(record) == [(value, "", Quality.GOOD)]


@pytest.mark.parametrize("record", ["0DFD1104FFFFFFFF", "0DFD0C04FFFFFFFF", "0D7804FFFFFFFF"])
def test_a_text_that_was_never_written_is_none(record: str) -> None:
    assert read(record) == [(None, "", Quality.INVALID)]


@pytest.mark.parametrize("record", ["42FD60FFFF", "41FD61FF"])
def test_a_counter_in_a_storage_that_was_never_written_is_none(record: str) -> None:
    assert read(record) == [(None, "", Quality.NOT_AVAILABLE)]


def test_a_bit_field_has_no_unit() -> None:
    assert read("0293FC120180") == [(32769, "", Quality.GOOD)]


def test_the_least_binary_counter_of_the_fixed_structure_is_none() -> None:
    telegram = decode(answer("", 0x73, bytes.fromhex("785634120A800545" + "00000080" + "FFFFFFFF")))
    assert [(reading.value, reading.quality) for reading in telegram.readings] == [
        (None, Quality.INVALID),
        (Decimal(-1), Quality.GOOD),
    ]


def test_a_key_of_another_size_is_not_called_missing() -> None:
    frame = answer("00" * 16, header=HEADER[:-2] + bytes.fromhex("1005"))
    telegram = decode(RawFrame(frame), lambda _: (Key(bytes(range(8)), "given"),))
    assert telegram.outcome is Outcome.NO_KEY
    assert (
        telegram.problem == "encrypted with AES-128-CBC, and the key of 12345678 has 8 bytes, which is the wrong size"
    )


MASTER_KEY = bytes(range(16))
COUNTER = bytes.fromhex("B30A0000")


def derived(purpose: int) -> bytes:
    """KDF-A for this meter's number and counter (EN 13757-7, 9.6)."""
    mac = CMAC.new(MASTER_KEY, ciphermod=AES)
    mac.update(bytes((purpose,)) + COUNTER + HEADER[:4] + b"\x07" * 7)
    return mac.digest()


def authenticated_answer(damage: int = 0) -> bytes:
    """Mode 7 behind an authentication layer, as wired OMS meters with security profile B send it."""
    plain = b"\x2f\x2f" + bytes.fromhex(VOLUME) + b"\x2f" * 8
    cipher = AES.new(derived(0), AES.MODE_CBC, bytes(16)).encrypt(plain)
    transport = b"\x72" + HEADER[:-2] + bytes.fromhex("100710") + cipher
    mac = CMAC.new(derived(1), ciphermod=AES)
    mac.update(b"\x25" + COUNTER + transport)
    tag = bytes((mac.digest()[0] ^ damage,)) + mac.digest()[1:8]
    return LongFrame(0x08, 1, 0x90, bytes.fromhex("0F002C25") + COUNTER + tag + transport).to_bytes()


def test_an_authenticated_answer_of_a_wired_meter_is_read() -> None:
    telegram = decode(authenticated_answer(), lambda _: (Key(bytes(16)), Key(MASTER_KEY)))
    assert telegram.ok
    assert telegram.security is not None
    assert telegram.security.authenticated
    assert [reading.value for reading in telegram.readings] == [Decimal("0.001")]


def test_a_mac_that_does_not_fit_says_which_key_was_tried() -> None:
    telegram = decode(authenticated_answer(damage=1), lambda _: (Key(bytes(16)), Key(MASTER_KEY)))
    assert telegram.outcome is Outcome.DAMAGED
    assert telegram.readings == ()
    assert telegram.security is not None
    assert telegram.security.tried == ("763cbc", "be7ed6")
    states = {step.rung: step.state for step in telegram.verdict}
    assert states[Rung.KEY] is RungState.PASSED
    assert states[Rung.DECRYPTION] is RungState.FAILED


def test_a_fragment_of_a_wired_meter_is_named() -> None:
    frame = LongFrame(0x08, 1, 0x90, bytes.fromhex("0201407A2A000000") + bytes.fromhex(VOLUME)).to_bytes()
    decoder = LearnedDecoder()
    for _ in range(2):
        telegram = decoder.decode(frame)
        assert telegram.outcome is Outcome.UNSUPPORTED
        assert (telegram.problem or "").startswith("fragment 1 of a message")
