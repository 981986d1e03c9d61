"""PRIOS telegrams under the makers' public keys: opened without asking for filed keys, and only where that is safe."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from Crypto.Cipher import AES

from protocols.decode import decode
from protocols.learned import LearnedDecoder
from protocols.model import Address, Key, Outcome, RawFrame
from protocols.wmbus.security.diehl import PUBLIC_AES_KEY, PUBLIC_KEYS, descramble

OWN_KEY = bytes.fromhex("0011223344556677")
SAP_EXAMPLE = bytes.fromhex("1944304C72242421D401A2013D4013DD8B46A4999C1293E582CC")


def frame_of(
    key: bytes, total: int, due: int | None = 0, number: str = "78563412", maker: str = "2423", version: str = "85"
) -> bytes:
    body = b"\x4b" + struct.pack("<I", total) + (b"" if due is None else struct.pack("<I", due) + b"\x7f\x2c")
    head = bytes.fromhex(f"44{maker} {version}07{number} A2512000 15".replace(" ", ""))
    plain = bytes((len(head) + len(body),)) + head + body
    return plain[:15] + descramble(plain, key)


class NotAtHand:
    """A look-up that has keys only for those who ask a person; `asked` counts them."""

    def __init__(self, *keys: bytes) -> None:
        self._keys = tuple(Key(key, "filed") for key in keys)
        self.asked = 0

    def __call__(self, _: Address) -> Sequence[Key]:
        self.asked += 1
        return self._keys

    def at_hand(self, _: Address) -> Sequence[Key]:
        return ()


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


RECORDS = bytes.fromhex("0C06512600000C131534120002FD170000")


def real_data(header: str, number: int, key: bytes) -> bytes:
    """Behind CI 71 or CI 7A: three bytes, the sum of the records in bits 0-3 and 5-7 of the fourth, the records."""
    head = bytes.fromhex("44" + "2423" + "2004") + struct.pack("<I", number) + bytes.fromhex(header)
    check = sum(RECORDS) & 0xEF | 0x10
    plain = bytes((len(head) + 1 + len(RECORDS),)) + head + bytes((check,)) + RECORDS
    return plain[:15] + descramble(plain, key)


@pytest.mark.parametrize("header", ["71000000", "7A120000"], ids=["CI 71", "CI 7A"])
@pytest.mark.parametrize("number", [0, 1])
def test_real_data_are_records_whatever_the_check_byte_says_by_chance(header: str, number: int) -> None:
    decoder = LearnedDecoder()
    for meter in range(300):
        frame = real_data(header, meter, PUBLIC_KEYS[number])
        telegram = decode(frame)
        assert telegram.ok
        assert {str(reading.value) for reading in telegram.readings} == {"2651", "123.415", "0"}
        assert [span.end for span in telegram.spans] == [*(span.start for span in telegram.spans[1:]), len(frame)]
        assert decoder.decode(RawFrame(frame)) == telegram


@pytest.mark.parametrize("header", ["71000000", "7A120000"], ids=["CI 71", "CI 7A"])
def test_real_data_that_can_be_read_ask_nobody(header: str) -> None:
    scrambled = real_data(header, 1, PUBLIC_KEYS[1])
    clear = scrambled[:15] + descramble(scrambled, PUBLIC_KEYS[1])
    keys = NotAtHand(OWN_KEY)
    for frame in (scrambled, clear):
        assert decode(frame, keys).ok
        assert decode(frame[:-3], keys).readings
    assert keys.asked == 0
    assert decode(real_data(header, 1, OWN_KEY), keys).ok
    assert decode(real_data(header, 1, OWN_KEY)[:-3], keys).readings
    assert keys.asked


def test_a_meter_with_the_key_that_it_left_the_works_with_asks_nobody() -> None:
    plain = (b"\x2f\x2f" + bytes.fromhex("0C1427048502")).ljust(16, b"\x2f")
    address = bytes.fromhex("2423785634120107")
    own = bytes(range(16))

    def mode_5(key: bytes) -> bytes:
        sealed = AES.new(key, AES.MODE_CBC, address + b"\x2a" * 8).encrypt(plain)
        body = b"\x44" + address + bytes.fromhex("7A2A001005") + sealed
        return bytes((len(body),)) + body

    keys = NotAtHand(own)
    assert decode(mode_5(PUBLIC_AES_KEY), keys).ok
    assert LearnedDecoder(keys).decode(RawFrame(mode_5(PUBLIC_AES_KEY))).ok
    assert keys.asked == 0
    assert decode(mode_5(own), keys).ok
    assert keys.asked
    assert decode(mode_5(PUBLIC_AES_KEY), lambda _: (Key(own),)).outcome is Outcome.WRONG_KEY


@pytest.mark.parametrize("size", range(10, 16))
def test_real_data_without_records_are_damaged(size: int) -> None:
    frame = real_data("71000000", 1, PUBLIC_KEYS[0])[:size]
    assert not decode(bytes((size - 1,)) + frame[1:]).ok


def test_real_data_under_no_key_that_is_known_stay_closed() -> None:
    telegrams = [decode(real_data("71000000", meter, OWN_KEY)) for meter in range(500)]
    closed = [telegram for telegram in telegrams if telegram.outcome is Outcome.WRONG_KEY]
    # The sum fits by chance here and there. What is no list of records then shows no values.
    assert len(closed) > 490
    assert not any(telegram.readings for telegram in closed)
    assert Outcome.DAMAGED not in {telegram.outcome for telegram in telegrams}


def test_a_filed_key_opens_real_data_whose_records_are_damaged() -> None:
    frame = real_data("71000000", 1, OWN_KEY)
    plain = bytearray(frame[:15] + descramble(frame, OWN_KEY))
    # The second record is longer than what is left of the frame; the sum stays.
    plain[21] += 1
    plain[23] -= 1
    telegram = decode(bytes(plain[:15]) + descramble(bytes(plain), OWN_KEY), lambda _: (Key(OWN_KEY, "filed"),))
    assert telegram.outcome is Outcome.DAMAGED
    assert str(telegram.readings[0].value) == "2651"


def test_the_key_of_a_sappel_meter_is_found_under_the_number_on_its_front() -> None:
    plain = SAP_EXAMPLE[:15] + descramble(SAP_EXAMPLE, PUBLIC_KEYS[0])
    frame = plain[:15] + descramble(plain, OWN_KEY)
    keys = {"C19UA145842": (Key(OWN_KEY, "filed"),)}
    telegram = decode(frame, lambda address: keys.get(address.number, ()))
    assert telegram.ok
    assert telegram.printed_number == "C19UA145842"
    assert "filed" in telegram.verdict[2].detail


@pytest.mark.parametrize(
    ("maker", "version"),
    [("2423", "87"), ("A511", "63"), ("F416", "01"), ("0C4E", "02")],
    ids=["HYD", "DME", "EWT", "SPL"],
)
def test_prios_is_read_whatever_version_its_maker_gave_the_meter(maker: str, version: str) -> None:
    frame = frame_of(PUBLIC_KEYS[0], 123_456, 120_000, maker=maker, version=version)
    decoder = LearnedDecoder()
    for telegram in (decode(frame), decoder.decode(RawFrame(frame)), decoder.decode(RawFrame(frame))):
        assert telegram.ok
        values = {reading.name: str(reading.value) for reading in telegram.readings}
        assert (values["total_volume"], values["due_date_volume"]) == ("123.456", "120.000")
        assert telegram.status is not None


@pytest.mark.parametrize("ci", [0xB1, 0xB2, 0xB3])
def test_scrambled_prios_is_named_with_the_number_on_the_meter(ci: int) -> None:
    frame = bytearray(frame_of(PUBLIC_KEYS[0], 1))
    frame[10] = ci
    telegram = decode(bytes(frame), locked)
    assert telegram.outcome is Outcome.UNSUPPORTED
    assert telegram.problem == "how scrambled Diehl PRIOS is read is not published"
    assert (telegram.printed_number, telegram.medium) == ("12345678", "water")
