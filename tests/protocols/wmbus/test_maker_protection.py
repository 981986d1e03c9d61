"""Protection of single families: APT-WMBUS-NA-1 under a key, the scrambled digits of RFM-TX1 without one."""

from __future__ import annotations

import pytest

from protocols.crypto import aes_cbc_encrypt
from protocols.decode import decode
from protocols.model import Address, Key, Outcome, Telegram
from protocols.wmbus.encode import link_frame
from protocols.wmbus.security.makers import RFM_TX1_TABLES

NA_1 = Address.of("APA", "04123499", 0x14, 0x07)
RFM = Address.of("BMT", "74123499", 0x05, 0x07)
KEY = bytes(range(16))
BODY = bytes.fromhex("2f 0e04 0200 8034112f 4405 190300 0810")


def na_1_frame(body: bytes = BODY, ci: int = 0xA0, access_number: int = 0x3D) -> bytes:
    # The initial vector as the sheet has it: M and A as on the air, the access number eight times.
    iv = NA_1.to_wire() + bytes((access_number,)) * 8
    return link_frame(0x44, NA_1, bytes((ci, access_number, 0)) + aes_cbc_encrypt(KEY, iv, body))


def with_keys(frame: bytes, *keys: bytes, already_decrypted: bool = False) -> Telegram:
    return decode(frame, lambda address: tuple(Key(key) for key in keys), already_decrypted=already_decrypted)


@pytest.mark.parametrize("ci", [0xA0, 0xA1])
def test_na_1_opens_with_its_key(ci: int) -> None:
    telegram = with_keys(na_1_frame(ci=ci), bytes(16), KEY)
    assert telegram.outcome is Outcome.OK
    assert telegram.plain[13:29] == BODY
    assert telegram.security is not None
    assert telegram.security.name == "APT-WMBUS-NA-1 AES-128-CBC"
    assert not telegram.security.authenticated
    assert len(telegram.security.tried) == 2


def test_na_1_without_the_key() -> None:
    assert with_keys(na_1_frame()).outcome is Outcome.NO_KEY
    assert with_keys(na_1_frame(), bytes(16)).outcome is Outcome.WRONG_KEY
    assert with_keys(na_1_frame(), bytes(8)).outcome is Outcome.NO_KEY


def test_na_1_whose_block_is_cut() -> None:
    frame = na_1_frame()
    cut = bytes((len(frame) - 4,)) + frame[1:-3]
    assert with_keys(cut, KEY).outcome is Outcome.DAMAGED


def test_na_1_that_was_decrypted_before() -> None:
    frame = link_frame(0x44, NA_1, b"\xa0\x3d\x00" + BODY)
    telegram = with_keys(frame, already_decrypted=True)
    assert telegram.outcome is Outcome.OK
    assert telegram.security is not None
    assert telegram.security.already_decrypted
    assert with_keys(frame, KEY).outcome is Outcome.WRONG_KEY


def rfm_frame(access_number: int, digits: str, configuration: str = "0610") -> bytes:
    pairs = zip(bytes.fromhex(digits)[::-1], RFM_TX1_TABLES, strict=True)
    scrambled = bytes(byte ^ access_number ^ table[access_number & 0x0F] for byte, table in pairs)
    clock_and_months = bytes.fromhex("000000201126") + bytes(36)
    header = bytes((0x7A, access_number, 0)) + bytes.fromhex(configuration)
    return link_frame(0x44, RFM, header + b"\x11\x15" + scrambled + bytes(7) + clock_and_months)


@pytest.mark.parametrize("access_number", [0x00, 0x0F, 0x5A, 0xFF])
def test_rfm_tx1_digits_are_put_right(access_number: int) -> None:
    telegram = with_keys(rfm_frame(access_number, "00123456"))
    assert telegram.outcome is Outcome.OK
    assert [str(reading.value) for reading in telegram.readings if reading.name == "total_volume"] == ["123.456"]
    assert telegram.security is not None
    assert telegram.security.name == "RFM-TX1 scrambling"


def test_rfm_tx1_with_bytes_that_are_no_digits() -> None:
    telegram = with_keys(rfm_frame(0x21, "00a23456"))
    assert telegram.outcome is Outcome.DAMAGED
    assert telegram.problem == "the bytes of the total are not digits"
    assert telegram.readings == ()


def test_the_same_configuration_word_of_another_maker_stays_reserved() -> None:
    frame = rfm_frame(0x21, "00123456")
    other = frame[:2] + b"\x01\x06" + frame[4:]
    telegram = with_keys(other)
    assert telegram.security is not None
    assert telegram.security.mode == 16
