"""PRIOS telegrams under the makers' public keys: opened without asking for filed keys, and only where that is safe."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from protocols.decode import decode
from protocols.learned import LearnedDecoder
from protocols.model import Address, Key, Outcome, RawFrame
from protocols.wmbus.security.diehl import PUBLIC_KEYS, descramble

OWN_KEY = bytes.fromhex("0011223344556677")
SAP_EXAMPLE = bytes.fromhex("1944304C72242421D401A2013D4013DD8B46A4999C1293E582CC")


def frame_of(key: bytes, total: int, due: int | None = 0, number: str = "78563412") -> bytes:
    body = b"\x4b" + struct.pack("<I", total) + (b"" if due is None else struct.pack("<I", due) + b"\x7f\x2c")
    head = bytes.fromhex(f"442423 8507{number} A2512000 15".replace(" ", ""))
    plain = bytes((len(head) + len(body),)) + head + body
    return plain[:15] + descramble(plain, key)


class Asked(Exception):
    """A filed key was asked for."""


def locked(_address: Address) -> Sequence[Key]:
    raise Asked


@pytest.mark.parametrize("number", [0, 1])
def test_a_public_key_whose_volumes_can_be_true_needs_no_filed_key(number: int) -> None:
    frame = frame_of(PUBLIC_KEYS[number], 99_999_999, 99_999_999)
    for telegram in (decode(frame, locked), LearnedDecoder(locked).decode(RawFrame(frame))):
        assert telegram.ok
        assert telegram.readings[0].name == "total_volume"
        assert str(telegram.readings[0].value) == "99999.999"
    assert decode(SAP_EXAMPLE, locked).ok


@pytest.mark.parametrize(
    ("total", "due"), [(5, 6), (100_000_000, 0), (5, None)], ids=["due above total", "too much", "no due volume"]
)
def test_the_check_byte_alone_is_no_reason_to_pass_filed_keys_over(total: int, due: int | None) -> None:
    frame = frame_of(PUBLIC_KEYS[0], total, due)
    with pytest.raises(Asked):
        decode(frame, locked)
    assert decode(frame).ok


def test_a_filed_key_wins_where_a_public_key_or_none_fits_the_check_byte_by_chance() -> None:
    by_chance = 0
    for number in range(2_000):
        key = struct.pack("<Q", 0x9E3779B97F4A7C15 * number % 2**64)
        frame = frame_of(key, 123_456, 120_000)
        by_chance += frame[15] == 0x4B or any(descramble(frame, public)[0] == 0x4B for public in PUBLIC_KEYS)
        telegram = decode(frame, lambda _, key=key: (Key(key, "filed"),))  # type: ignore[misc]
        assert telegram.ok
        assert str(telegram.readings[0].value) == "123.456"
    assert by_chance > 5


def test_a_scrambled_body_that_begins_like_a_clear_one_is_descrambled() -> None:
    frames = [frame_of(PUBLIC_KEYS[1], 123_456, 120_000, struct.pack("<I", number).hex()) for number in range(2_000)]
    alike = [frame for frame in frames if frame[15] == 0x4B]
    assert len(alike) > 1
    for frame in alike:
        assert str(decode(frame).readings[0].value) == "123.456"


@pytest.mark.parametrize("due", [120_000, None])
@pytest.mark.parametrize("already_decrypted", [False, True])
def test_bodies_in_the_clear_are_read_as_they_are(due: int | None, already_decrypted: bool) -> None:
    scrambled = frame_of(PUBLIC_KEYS[0], 123_456, due)
    clear = scrambled[:15] + descramble(scrambled, PUBLIC_KEYS[0])
    telegram = decode(clear, already_decrypted=already_decrypted)
    assert telegram.ok
    assert str(telegram.readings[0].value) == "123.456"


def test_without_any_key_that_fits_nothing_is_read() -> None:
    telegram = decode(frame_of(OWN_KEY, 123_456, 120_000))
    assert telegram.outcome is Outcome.WRONG_KEY
    assert telegram.security is not None
    assert len(telegram.security.tried) == 2
