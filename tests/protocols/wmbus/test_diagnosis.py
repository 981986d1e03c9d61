"""Keys that fit in another way than the header says: named in the next step, and nothing is read."""

from __future__ import annotations

import random
import time

import pytest

from protocols.crypto import aes_cbc_encrypt, aes_cmac, aes_ctr, key_check_value
from protocols.decode import decode
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, Key, Outcome, Rung, Telegram
from protocols.wmbus import diagnosis
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link_session,
    link_frame,
    session_number,
    transport_mode_5,
    transport_mode_7,
)
from protocols.wmbus.security.cbc_address import initial_vector

KEY = bytes(range(1, 17))
METER = Address.of("EFE", "20480057", 0x00, 0x04)
ADAPTER = Address.of("QDS", "11223344", 0x55, 0x37)
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
RECORDS = bytes.fromhex("0406 10270000 0C13 27048502")
PLAINTEXT = (b"\x2f\x2f" + RECORDS).ljust(16, b"\x2f")
AFL_SIZE = 17
"""CI, length, control, MCL, counter and a MAC of eight bytes."""


def refused(frame: bytes, *keys: bytes) -> tuple[Telegram, str]:
    """Decode with wrong keys; checks that nothing was read, and returns the next step."""
    telegram = decode(frame, lambda _: [Key(key, f"key {number}") for number, key in enumerate(keys)])
    assert telegram.outcome is Outcome.WRONG_KEY
    assert telegram.records == ()
    assert telegram.readings == ()
    assert telegram.plain == telegram.data
    step = next(step for step in telegram.verdict if step.rung is Rung.DECRYPTION)
    assert step.next is not None
    return telegram, step.next


def mode_5(records: bytes = RECORDS, key: bytes = KEY) -> bytes:
    return link_frame(
        0x44, METER, transport_mode_5(Content.RECORDS, records, TransportHeader(7), key=key, sender=METER)
    )


def long_header(vector_of: Address) -> bytes:
    """A meter behind a radio adapter, encrypted with the address of either."""
    front = TransportHeader(7, 0, METER).to_bytes(0x72, 0x0510)
    return link_frame(0x44, ADAPTER, front + aes_cbc_encrypt(KEY, initial_vector(vector_of, 7), PLAINTEXT))


def session(cc: int, *, counted_cc: int, key: bytes = KEY) -> bytes:
    """A frame whose counter block holds another CC than the standard's masked one."""
    number = session_number(3, 1000, encrypted=True)
    frame = link_frame(0x44, WATER, extended_link_session(cc, 9, number, b"\x78" + RECORDS, sender=WATER, key=key))
    region = b"\x78" + RECORDS
    region = crc16_en13757(region).to_bytes(2, "little") + region
    block = WATER.to_wire() + bytes((counted_cc,)) + number.to_bytes(4, "little") + bytes(3)
    return frame[: -len(region)] + aes_ctr(key, block, region)


def mode_7(key: bytes = KEY) -> bytes:
    payload = transport_mode_7(Content.RECORDS, RECORDS, TransportHeader(7), key=key, counter=5, sender=METER)
    return link_frame(0x44, METER, payload)


def mode_7_with_the_key_itself(extension: int) -> bytes:
    """Encrypted and signed with the meter's own key, whatever the configuration field extension says."""
    payload = transport_mode_7(Content.RECORDS, RECORDS, TransportHeader(7), key=KEY, counter=5, sender=METER)
    afl, front = bytearray(payload[:AFL_SIZE]), bytearray(payload[AFL_SIZE : AFL_SIZE + 6])
    front[5] = extension
    message = bytes(front) + aes_cbc_encrypt(KEY, bytes(16), PLAINTEXT)
    afl[-8:] = aes_cmac(KEY, bytes(afl[4:9]) + message)[:8]
    return link_frame(0x44, METER, bytes(afl) + message)


@pytest.mark.parametrize(
    "frame", [mode_5(), session(0x20, counted_cc=0x20), mode_7()], ids=["mode 5", "extended link", "mode 7"]
)
def test_reversed_bytes(frame: bytes) -> None:
    backwards = KEY[::-1]
    assert decode(frame, lambda _: [Key(KEY)]).ok
    _, next_step = refused(frame, bytes(16), backwards)
    assert next_step == f"key {key_check_value(backwards)} fits with its bytes reversed: file it the other way round"


def test_the_senders_address_in_place_of_the_meters() -> None:
    assert decode(long_header(METER), lambda _: [Key(KEY)]).ok
    _, next_step = refused(long_header(ADAPTER), KEY)
    assert next_step.startswith(f"key {key_check_value(KEY)} fits with the address QDS 11223344 55/37 of the sender")


def test_reversed_and_the_senders_address() -> None:
    _, next_step = refused(long_header(ADAPTER), KEY[::-1])
    assert "of the sender, its bytes reversed" in next_step


def test_mode_5_under_the_name_of_mode_7() -> None:
    front = TransportHeader(7).to_bytes(0x7A, 0x0710) + b"\x10"
    afl = mode_7()[10 : 10 + AFL_SIZE]
    frame = link_frame(0x44, METER, afl + front + aes_cbc_encrypt(KEY, initial_vector(METER, 7), PLAINTEXT))
    _, next_step = refused(frame, KEY)
    assert "under security mode 5, not 7 as the header says" in next_step


def test_a_key_that_is_not_derived() -> None:
    assert decode(mode_7_with_the_key_itself(0x00), lambda _: [Key(KEY)]).ok
    _, next_step = refused(mode_7_with_the_key_itself(0x10), KEY)
    assert "fits as it is, without the derivation that the header announces" in next_step


def test_cc_as_a_repeater_left_it() -> None:
    changed = session(0x30, counted_cc=0x30)
    assert decode(session(0x30, counted_cc=0x20), lambda _: [Key(KEY)]).ok
    _, next_step = refused(changed, KEY)
    assert "with the bits of CC that a repeater changes" in next_step


def test_a_stranger_fits_in_no_way() -> None:
    for frame in (mode_5(), session(0x30, counted_cc=0x20), mode_7(), long_header(METER)):
        _, next_step = refused(frame, bytes(range(100, 116)))
        assert next_step.startswith("compare the key check value")


def test_check_bytes_alone_prove_nothing() -> None:
    records = bytes.fromhex("0406 10270000 0259 1027 0E13")
    assert not decode(mode_5(records), lambda _: [Key(KEY)]).ok
    _, next_step = refused(mode_5(records), KEY[::-1])
    assert next_step.startswith("compare the key check value")


def test_no_more_than_eight_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    strangers = [rng.randbytes(16) for _ in range(8)]
    _, next_step = refused(mode_5(), *strangers, KEY[::-1])
    assert next_step.startswith("compare the key check value")
    monkeypatch.setattr(diagnosis, "MAX_KEYS", 9)
    _, next_step = refused(mode_5(), *strangers, KEY[::-1])
    assert "reversed" in next_step


def test_it_does_not_take_long() -> None:
    rng = random.Random(2)
    strangers = [Key(rng.randbytes(16)) for _ in range(64)]
    frames = [long_header(METER), session(0x30, counted_cc=0x20), mode_7()]
    decode(frames[0], lambda _: strangers)
    began = time.perf_counter()
    for frame in frames:
        assert not decode(frame, lambda _: strangers).ok
    assert time.perf_counter() - began < 0.2


def test_no_key_in_what_is_said() -> None:
    for frame in (mode_5(), long_header(ADAPTER)):
        telegram, _ = refused(frame, KEY[::-1], KEY[::-1])
        assert KEY.hex() not in repr(telegram).lower()
        assert KEY[::-1].hex() not in repr(telegram).lower()


def test_an_initial_vector_of_zeros_is_found() -> None:
    front = TransportHeader(7).to_bytes(0x7A, 0x0510)
    frame = link_frame(0x44, METER, front + aes_cbc_encrypt(KEY, bytes(16), PLAINTEXT))
    _, step = refused(frame, KEY)
    assert step.startswith(f"key {key_check_value(KEY)} fits with an initial vector of zeros, as in security mode 4: ")


def test_a_damaged_frame_of_format_b_under_a_session_is_not_only_taken_for_a_wrong_key() -> None:
    frame = session(0x20, counted_cc=0x20)
    with_crc = bytes((frame[0] + 2,)) + frame[1:]
    with_crc += crc16_en13757(with_crc).to_bytes(2, "big")
    assert decode(with_crc, lambda _: [Key(KEY)]).ok
    in_payload = bytearray(with_crc)
    in_payload[-6] ^= 0x10
    _, next_step = refused(bytes(in_payload), KEY)
    assert next_step.startswith(f"receive it again: with key {key_check_value(KEY)} the payload begins as it should")
    in_crc = bytearray(with_crc)
    in_crc[-1] ^= 0x10
    _, next_step = refused(bytes(in_crc), KEY)
    assert "without its last two bytes, which look like a CRC of format B that does not fit" in next_step
    assert next_step.endswith("receive it again")
