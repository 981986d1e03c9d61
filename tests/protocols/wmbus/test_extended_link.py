"""The extended link layer: what its payload CRC says where nothing is encrypted (EN 13757-4, 13.2)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from protocols.crypto import aes_ctr, key_check_value
from protocols.decode import decode
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, Key, Outcome, Rung, RungState, Telegram, VerdictStep
from protocols.wmbus.security.ctr_extended_link import counter_block

SENDER = bytes.fromhex("449315785634123303")
RECEIVER = bytes.fromhex("9315112233440131")
PAYLOAD = bytes.fromhex("78 0C1427048502")
NOT_ENCRYPTED = bytes.fromhex("03A00F00")


def framed(layer: bytes, payload: bytes, crc: int) -> bytes:
    body = SENDER + layer + NOT_ENCRYPTED + crc.to_bytes(2, "little") + payload
    return bytes((len(body),)) + body


LAYERS = [bytes.fromhex("8D2011"), bytes.fromhex("8F2011") + RECEIVER]


@pytest.mark.parametrize("layer", LAYERS, ids=["II", "IV"])
def test_a_payload_whose_crc_fits_is_read(layer: bytes) -> None:
    telegram = decode(framed(layer, PAYLOAD, crc16_en13757(PAYLOAD)))
    assert (telegram.outcome, telegram.notes) == (Outcome.OK, ())
    assert [reading.value for reading in telegram.readings] == [Decimal("28504.27")]


@pytest.mark.parametrize("layer", LAYERS, ids=["II", "IV"])
@pytest.mark.parametrize("bit", range(8 * len(PAYLOAD)))
def test_a_damaged_bit_of_a_payload_that_is_not_encrypted_is_found(layer: bytes, bit: int) -> None:
    damaged = bytearray(PAYLOAD)
    damaged[bit // 8] ^= 1 << bit % 8
    telegram = decode(framed(layer, bytes(damaged), crc16_en13757(PAYLOAD)))
    assert (telegram.outcome, telegram.problem) == (
        Outcome.DAMAGED,
        "payload CRC of the extended link layer does not fit",
    )
    assert next(step.state for step in telegram.verdict if step.rung is Rung.FRAME) is RungState.FAILED


KEY = bytes.fromhex("0102030405060708090A0B0C0D0E0F11")
ENCRYPTED = bytes.fromhex("03A00F20")
CHANCE = 47_545
"""As a number, a key under which the payload CRC of `sealed(PAYLOAD)` fits by chance."""

ADDRESS = Address.from_wire(SENDER[1:])


def sealed(payload: bytes, key: bytes = KEY) -> bytes:
    """A frame with an extended link layer II that encrypts."""
    plain = crc16_en13757(payload).to_bytes(2, "little") + payload
    session = int.from_bytes(ENCRYPTED, "little")
    body = SENDER + bytes.fromhex("8D2011") + ENCRYPTED + aes_ctr(key, counter_block(ADDRESS, 0x20, session), plain)
    return bytes((len(body),)) + body


def step(telegram: Telegram, rung: Rung) -> VerdictStep:
    return next(step for step in telegram.verdict if step.rung is rung)


def test_a_payload_under_the_key_is_read() -> None:
    assert decode(sealed(PAYLOAD), lambda _: [Key(KEY)]).ok


@pytest.mark.parametrize("ci", [0xFE, 0xFF, 0x56, 0xC9])
def test_a_key_that_fits_by_chance_is_a_wrong_key(ci: int) -> None:
    telegram = decode(sealed(bytes((ci,)) + bytes(range(20))), lambda _: [Key(KEY)])
    assert telegram.outcome is Outcome.WRONG_KEY
    assert f"reserved CI 0x{ci:02X}" in (telegram.problem or "")
    assert "one wrong key in 65,536" in (telegram.problem or "")
    assert telegram.security is not None
    assert (telegram.security.key_check_value, telegram.security.tried) == (None, (key_check_value(KEY),))
    assert "compare the key check value" in (step(telegram, Rung.DECRYPTION).next or "")
    assert telegram.plain == telegram.data, "what was made with a wrong key is not shown"


def test_behind_a_key_that_fits_by_chance_the_next_one_is_tried() -> None:
    by_chance = CHANCE.to_bytes(16, "big")
    frame = sealed(PAYLOAD)
    assert decode(frame, lambda _: [Key(by_chance)]).outcome is Outcome.WRONG_KEY
    assert "reserved CI" in (decode(frame, lambda _: [Key(by_chance)]).problem or "")
    assert decode(frame, lambda _: [Key(by_chance), Key(KEY)]).ok


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        (bytes((0x05, *range(20))), Outcome.UNSUPPORTED),
        (bytes((0x66, *range(20))), Outcome.UNSUPPORTED),
        (bytes((0x8D, 0x01)), Outcome.DAMAGED),
    ],
    ids=["DLMS", "selected application", "a second extended link layer"],
)
def test_what_meters_do_not_send_there_makes_the_key_doubtful(payload: bytes, outcome: Outcome) -> None:
    telegram = decode(sealed(payload), lambda _: [Key(KEY)])
    assert telegram.outcome is outcome
    doubts = [one.next for one in telegram.verdict if one.next is not None and "one wrong key in 65,536" in one.next]
    assert len(doubts) == 1
    assert f"compare the check value of key {key_check_value(KEY)}" in doubts[0]


@pytest.mark.parametrize("payload", ["79 1234 5678 00", "78 0C1427", "7A 01 00 0000 0C1427"])
def test_what_meters_send_there_does_not(payload: str) -> None:
    telegram = decode(sealed(bytes.fromhex(payload)), lambda _: [Key(KEY)])
    assert not telegram.ok
    assert not any("65,536" in (one.next or "") for one in telegram.verdict)
