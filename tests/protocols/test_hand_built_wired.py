"""Frames of wired meters built by hand: what damage does to them, and values of rarely sent kinds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from protocols.decode import decode
from protocols.mbus.wired import LongFrame
from protocols.model import Key, Outcome, Quality, RawFrame, Rung, Telegram
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
    assert telegram.notes == ("1 byte behind the frame ignored",)


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
    assert telegram.problem == "encrypted with AES-128-CBC, and the key of 12345678 has 8 bytes, not the size for it"
