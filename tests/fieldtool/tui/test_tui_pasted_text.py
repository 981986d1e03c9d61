"""What a text holds that somebody pasted on the screens: one telegram, several, or something else."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest

from fieldtool.pipeline.pipeline import PASTED
from fieldtool.tui.pasted_text import FRAME_LIMIT, TEXT_LIMIT, read_pasted
from protocols.captures.model import NotRecognised
from tests.fieldtool.conftest import GAS_HEX

CLEAR_HEX = "1244AE0C7856341201078C2027780B13436587"
RTL = f"C1;1;1;2026-03-04 05:06:07.00Z;-71;;;0x{GAS_HEX}"


def refused(text: str) -> str:
    with pytest.raises(NotRecognised) as caught:
        read_pasted(text)
    return str(caught.value)


def test_plain_hex_is_a_telegram_and_nothing_is_said() -> None:
    pasted = read_pasted(f"\n  {GAS_HEX.lower()}\r\n")
    assert [frame.data.hex().upper() for frame in pasted.frames] == [GAS_HEX]
    assert pasted.frames[0].source == PASTED
    assert pasted.said == ""


def test_another_form_is_named_and_keeps_time_and_strength() -> None:
    pasted = read_pasted(RTL)
    (frame,) = pasted.frames
    assert (frame.rssi_dbm, frame.mode, frame.source) == (-71, "C1", PASTED)
    assert pasted.said == "recognised: rtl_wmbus line"


def test_one_telegram_among_the_lines_of_a_chat() -> None:
    pasted = read_pasted(f"Hi, can you read this one?\n{GAS_HEX}\nThanks, Anna")
    assert len(pasted.frames) == 1
    assert pasted.said == "recognised: hex; 2 other lines left out"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_several_telegrams_in_several_forms(end: str) -> None:
    damaged = f"{GAS_HEX[:-4]}"
    pasted = read_pasted(end.join((GAS_HEX, "and", CLEAR_HEX, RTL, damaged, "")))
    assert [len(frame.data) for frame in pasted.frames] == [47, 19, 47, 45]
    assert {frame.source for frame in pasted.frames} == {PASTED}
    assert pasted.said.startswith("1 line left out: ")


def test_damaged_telegrams_come_among_good_ones_and_a_dump_of_bytes_holds_none() -> None:
    good, damaged = [GAS_HEX, CLEAR_HEX], "C3" + GAS_HEX[2:]
    assert len(read_pasted("\n".join([*good, damaged, damaged])).frames) == 4
    dump = read_pasted("\n".join([*good, *[damaged] * 40]))
    assert [frame.data.hex() for frame in dump.frames] == [text.lower() for text in good]
    assert dump.said == "40 lines left out: hex that neither a length nor a checksum makes a telegram"


def test_objects_of_json_are_telegrams_too() -> None:
    one = {"model": "Wireless-MBus", "data": GAS_HEX}
    assert len(read_pasted(json.dumps([one, one])).frames) == 2


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "there is no text"),
        ("  \n \n", "there is no text"),
        ("000102030405060708090A0B0C0D0E0F", "16 bytes in hex may be a key; keys are filed with"),
        ("63001468", "4 bytes in hex are too few for a telegram; paste all of it"),
        ("AB" * (FRAME_LIMIT + 1), f"{FRAME_LIMIT + 1} bytes in hex are too many for a telegram"),
        ("hello", "a text of 1 word, with no telegram in it; paste the bytes in hex"),
        ("one\ntwo three", "a text of 3 words, with no telegram in it; paste the bytes in hex"),
        ("im871a:///dev/ttyUSB0", "a text of 1 word, with no telegram in it"),
        (f"G{GAS_HEX}", "'G' at digit 1 is not a hex digit"),
        (f"see {GAS_HEX[:-1]}", "is not a hex digit"),
        ("2E" * TEXT_LIMIT, f"{2 * TEXT_LIMIT} characters are no telegram; paste one telegram, or give the file to"),
        ("2E44\n" * 501, "501 lines; paste one telegram, or give the file to fieldtool replay"),
        (f"{GAS_HEX}{GAS_HEX}", "2 telegrams in one text; paste one at a time"),
    ],
)
def test_what_is_no_telegram_is_told(text: str, seen: str) -> None:
    assert seen in refused(text)


@pytest.mark.parametrize(
    "row",
    ['"27910053";EFE;heat meter;;plant room;"{}"', "27910053 is under {}"],
    ids=["table", "chat"],
)
def test_a_key_among_words_is_told_as_one_and_not_repeated(row: str) -> None:
    key = bytes(range(16)).hex()
    told = refused("\n".join([row.format(key)] * 2))
    assert "keys are filed with fieldtool keys import" in told
    assert key not in told


@pytest.mark.parametrize(
    "text",
    ["\x1b]0;gone\x07\x1b[2J", "\x00" * 1000, "\ud800\udfff", "{" * 60_000, "[" * 60_000, "\u202e2E44", "C1;" * 20_000],
)
def test_hostile_text_is_refused_in_words_that_do_not_repeat_it(text: str) -> None:
    told = refused(text)
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize(
    "text",
    ["A5" * 30_000, ("xx " * 100 + "\n") * 499, f"{GAS_HEX}\n" * 499, ("QUJD" * 30 + "\n") * 499, "AB" * 500_000],
)
def test_a_lot_of_text_does_not_hold_the_screens_up(text: str) -> None:
    began = time.process_time()
    with suppress(NotRecognised):
        read_pasted(text)
    assert time.process_time() - began < 5
