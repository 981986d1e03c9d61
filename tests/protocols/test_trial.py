"""Trials over many keys: what counts, what does not, and what the odds are."""

from __future__ import annotations

import random

import pytest

from protocols.crypto import aes_cbc_decrypt, aes_cbc_encrypt, key_check_value
from protocols.decode import decode
from protocols.model import Address, Key, Telegram
from protocols.trial import KeyTrial, odds_of, of_wrong_keys, trial
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    transport_mode_7,
)
from protocols.wmbus.security.cbc_address import initial_vector

METER = Address.of("EFE", "20480057", 0x00, 0x04)
OTHER = Address.of("EFE", "20480058", 0x00, 0x04)
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
RECORDS = bytes.fromhex("0406 10270000 0C13 27048502")
RNG = random.Random(13757)
KEYS = tuple(Key(RNG.randbytes(16), f"row {number}") for number in range(200))
RIGHT = KEYS[120]


def mode_5(acc: int, meter: Address = METER, key: Key = RIGHT) -> Telegram:
    payload = transport_mode_5(Content.RECORDS, RECORDS, TransportHeader(acc), key=key.value, sender=meter)
    return decode(link_frame(0x44, meter, payload))


def mode_7(counter: int) -> Telegram:
    header = TransportHeader(counter)
    payload = transport_mode_7(Content.RECORDS, RECORDS, header, key=RIGHT.value, counter=counter, sender=METER)
    return decode(link_frame(0x44, METER, payload))


def session(acc: int) -> Telegram:
    number = session_number(acc, 1000, encrypted=True)
    payload = extended_link_session(0x20, acc, number, b"\x78" + RECORDS, sender=WATER, key=RIGHT.value)
    return decode(link_frame(0x44, WATER, payload))


def accidental(acc: int, key: Key) -> Telegram:
    """A telegram of the right key's whose first block another key opens with check bytes too, but not its records."""
    header = TransportHeader(acc).to_bytes(0x7A, 0x0520)
    iv = initial_vector(METER, acc)
    plaintext = (b"\x2f\x2f" + RECORDS).ljust(32, b"\x2f")
    first = aes_cbc_encrypt(key.value, iv, b"\x2f\x2f\x0f" + bytes(13))
    second = aes_cbc_encrypt(RIGHT.value, first, plaintext[16:])
    assert aes_cbc_decrypt(key.value, iv, first + second).startswith(b"\x2f\x2f")
    return decode(link_frame(0x44, METER, header + first + second))


def one(results: tuple[KeyTrial, ...]) -> KeyTrial:
    assert len(results) == 1
    return results[0]


def test_two_telegrams_agree() -> None:
    result = one(trial([mode_5(1), mode_5(2), mode_5(2)], KEYS))
    assert result.meter == METER
    assert result.key_check_value == key_check_value(RIGHT.value)
    assert (result.label, result.filed, result.opened, result.of) == ("row 120", False, 2, 2)
    assert result.believed
    assert result.keys_tried == 200
    assert result.odds == pytest.approx(200 / 2**32, rel=1e-6)
    assert "opens 2 of 2 telegrams; by chance one of 200 wrong keys does so once in 21,474,837" in result.sentence
    assert of_wrong_keys(1) == "a wrong key"


def test_one_telegram_is_not_enough() -> None:
    result = one(trial([mode_5(1)], KEYS))
    assert (result.opened, result.believed) == (1, False)
    assert result.odds == pytest.approx(200 / 65536, rel=2e-3)
    assert "once in 328" in result.sentence
    assert result.sentence.endswith("it does not count before a second telegram agrees")


def test_the_same_telegram_twice_is_one() -> None:
    assert not one(trial([mode_5(1), mode_5(1)], KEYS)).believed


def test_a_mac_is_enough() -> None:
    result = one(trial([mode_7(1)], KEYS))
    assert (result.authenticated, result.believed, result.opened) == (True, True, 1)
    assert result.odds == pytest.approx(200 / 2**64)
    assert "less than once in" in result.sentence


def test_the_extended_link_layer() -> None:
    assert one(trial([session(1), session(2)], KEYS)).believed


def test_a_filed_key_needs_one_telegram_and_ends_the_search() -> None:
    filed = {METER: (KEYS[3], RIGHT)}
    results = trial([mode_5(1)], KEYS, lambda address: filed.get(address, ()))
    assert [(result.label, result.opened, result.believed) for result in results] == [
        ("row 3", 0, False),
        ("row 120", 1, True),
    ]
    assert results[0].sentence == f"key {results[0].key_check_value}, filed for 20480057, opens none of 1 telegram"
    assert results[1].keys_tried == 2


def test_a_wrong_filed_key_and_the_right_one_of_a_neighbour() -> None:
    filed = {METER: (KEYS[0],), OTHER: (RIGHT,)}
    results = trial([mode_5(1), mode_5(2)], KEYS, lambda address: filed.get(address, ()))
    assert [(result.filed, result.label, result.believed) for result in results] == [
        (True, "row 0", False),
        (False, "row 120", True),
    ]


def test_every_meter_for_itself() -> None:
    results = trial([mode_5(1), mode_5(1, OTHER, KEYS[7]), mode_5(2), mode_5(2, OTHER, KEYS[7])], KEYS)
    assert [(result.meter, result.label, result.believed) for result in results] == [
        (METER, "row 120", True),
        (OTHER, "row 7", True),
    ]


def test_check_bytes_without_records_do_not_hide_the_right_key() -> None:
    accident = KEYS[50]
    telegram = accidental(9, accident)
    assert trial([telegram], KEYS[:60]) == ()
    result = one(trial([telegram, mode_5(1), mode_5(2)], KEYS))
    assert (result.label, result.opened, result.of, result.believed) == ("row 120", 2, 3, True)


def test_nothing_to_try() -> None:
    clear = decode(link_frame(0x44, METER, transport_clear(Content.RECORDS, RECORDS, TransportHeader(1))))
    assert clear.ok
    assert trial([clear], KEYS) == ()
    assert trial([], KEYS) == ()
    assert trial([mode_5(1)], ()) == ()
    assert trial([mode_5(1), mode_5(2)], KEYS[:100]) == ()


def test_telegrams_that_were_opened_before_count_as_well() -> None:
    opened = decode(mode_5(1).frame, lambda _: [RIGHT])
    assert opened.ok
    assert one(trial([opened], KEYS, lambda _: [RIGHT])).filed


@pytest.mark.parametrize(
    ("bits", "telegrams", "keys", "odds"),
    [
        (16, 1, 1, 1 / 65536),
        (16, 1, 1000, 0.0151),
        (16, 1, 5000, 0.0735),
        (16, 1, 42000, 0.473),
        (16, 2, 42000, 42000 / 2**32),
        (64, 1, 5000, 5000 / 2**64),
        (0, 1, 5, 1.0),
    ],
)
def test_odds(bits: float, telegrams: int, keys: int, odds: float) -> None:
    assert odds_of(bits, telegrams, keys) == pytest.approx(odds, rel=5e-3)


def test_no_key_in_the_results() -> None:
    for result in trial([mode_5(1), mode_5(2)], KEYS):
        assert RIGHT.value.hex() not in f"{result!r} {result.sentence}".lower()
