"""Telegrams built by hand from the tables of the standards, where what they say is easily read wrongly."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from Crypto.Cipher import AES, DES
from Crypto.Hash import CMAC

from protocols.decode import decode, learn
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.wired import LongFrame
from protocols.model import Address, Key, Outcome, Quality, RawFrame, Rung, RungState, Telegram
from protocols.plausibility import NO_HISTORY, judge

MASTER_KEY = bytes(range(16))
DES_KEY = bytes.fromhex("0102030405060708")
ADDRESS = bytes.fromhex("9315785634123303")
LONG = bytes.fromhex("7856341293153303")
GATEWAY = "9315112233440131"
VOLUME = bytes.fromhex("0C1427048502")


def framed(payload: bytes, control: int = 0x44, address: bytes = ADDRESS) -> bytes:
    body = bytes((control,)) + address + payload
    return bytes((len(body),)) + body


def to_meter(records: str) -> bytes:
    return framed(b"\x5b" + LONG + bytes(4) + bytes.fromhex(records), 0x53, bytes.fromhex(GATEWAY))


def opened(frame: bytes | RawFrame, key: bytes = MASTER_KEY) -> Telegram:
    return decode(frame, lambda _: (Key(key),))


def failed(telegram: Telegram) -> dict[Rung, str]:
    return {step.rung: step.detail for step in telegram.verdict if step.state is RungState.FAILED}


@pytest.mark.parametrize(
    ("records", "name", "value"),
    [
        ("01FD9F0001", "remote_control_action_write", 1),
        ("04930700000000", "volume_action_clear", Decimal("0.000")),
        ("04930AE8030000", "volume_action_delayed", Decimal("1.000")),
    ],
    ids=["write", "clear", "delayed"],
)
def test_commands_to_a_meter_say_what_it_is_to_do(records: str, name: str, value: object) -> None:
    telegram = decode(to_meter(records))
    assert telegram.ok
    assert [(reading.name, reading.value, reading.quality) for reading in telegram.readings] == [
        (name, value, Quality.GOOD)
    ]


def test_wired_commands_are_read_as_commands_too() -> None:
    frame = LongFrame(0x53, 0xFE, 0x51, bytes.fromhex("049301E8030000")).to_bytes()
    assert [reading.name for reading in decode(frame).readings] == ["volume_action_add"]


def test_commands_teach_no_format_and_no_layout() -> None:
    frame = to_meter("04930AE8030000")
    empty = FormatLibrary()
    assert learn(empty, decode(frame)) is empty
    decoder = LearnedDecoder()
    assert [decoder.decode(RawFrame(frame)) for _ in range(3)] == [decode(frame)] * 3


def test_records_of_a_dynamic_application_error_are_read() -> None:
    telegram = decode(framed(bytes.fromhex("6E01000000F0") + VOLUME))
    assert telegram.ok
    assert [(reading.name, reading.value) for reading in telegram.readings] == [("volume", Decimal("28504.27"))]
    assert telegram.notes == ("the meter reports an application error: dynamic application error",)
    ends = [span.end for span in telegram.spans]
    assert [span.start for span in telegram.spans] == [0, *ends[:-1]]
    assert ends[-1] == len(telegram.data)


def mode_5_frame(ci: int, payload: str) -> bytes:
    plain = bytes.fromhex("2F2F" + payload)
    plain += b"\x2f" * (-len(plain) % 16)
    encrypted = AES.new(MASTER_KEY, AES.MODE_CBC, ADDRESS + b"\x2a" * 8).encrypt(plain)
    return framed(bytes((ci, 0x2A, 0x00)) + struct.pack("<H", 0x500 | len(plain)) + encrypted)


@pytest.mark.parametrize(
    ("ci", "payload", "notes", "leaves"),
    [
        (0x6E, "10", ("the meter reports an application error: access denied",), ["2f2f", "10", "2f" * 13]),
        (0x74, "0500", ("alarm flags 0500",), ["2f2f", "0500", "2f" * 12]),
        (0x6A, "08313B02020215022A", (), ["2f2f", "08313b02020215022a", "2f" * 5]),
    ],
    ids=["application error", "alarm", "format frame"],
)
def test_check_bytes_and_fillers_are_no_part_of_errors_and_alarms(
    ci: int, payload: str, notes: tuple[str, ...], leaves: list[str]
) -> None:
    telegram = opened(mode_5_frame(ci, payload))
    assert (telegram.ok, telegram.notes) == (True, notes)
    spans = [span for span in telegram.spans if span.layer == "application"]
    assert [telegram.plain[span.start : span.end].hex() for span in spans] == leaves
    assert [span.name for span in spans][::2] == ["filler", "filler"]


def test_the_reserved_mode_6_is_in_the_clear_only_where_its_payload_reads() -> None:
    header = bytes.fromhex("7A75002006")
    garbage = opened(framed(header + bytes(range(100, 132))))
    assert (garbage.outcome, garbage.readings) == (Outcome.UNSUPPORTED, ())
    assert garbage.problem == "security mode 6 (reserved) cannot be decrypted"
    assert opened(framed(header + b"\x2f\x2f" + VOLUME)).ok
    assert opened(framed(header + VOLUME)).ok
    assert opened(framed(bytes.fromhex("8A75000006"))).ok


def des_frame(vector: bytes, records: str) -> bytes:
    plain = bytes.fromhex("2F2F" + records)
    plain += b"\x2f" * (-len(plain) % 8)
    encrypted = DES.new(DES_KEY, DES.MODE_CBC, vector).encrypt(plain)  # noqa: S304
    return framed(b"\x7a\x2a\x00" + struct.pack("<H", 0x300 | len(plain)) + encrypted)


def type_g(day: date) -> bytes:
    year = day.year % 100
    return bytes((day.day | (year & 7) << 5, day.month | (year >> 3) << 4))


FIELD_ORDERS = {"number first": ADDRESS[2:6] + ADDRESS[:2], "manufacturer first": ADDRESS[:6]}


@pytest.mark.parametrize("fields", FIELD_ORDERS.values(), ids=FIELD_ORDERS)
def test_mode_3_without_a_receive_time_says_what_is_missing(fields: bytes) -> None:
    frame = des_frame(fields + type_g(date(2026, 11, 20)), "0413E8030000")
    telegram = opened(frame, DES_KEY)
    assert (telegram.outcome, telegram.readings) == (Outcome.UNSUPPORTED, ())
    assert failed(telegram) == {
        Rung.DECRYPTION: "the key fits, but mode 3 needs the day on which the frame was received, and it has no time"
    }
    assert opened(frame, bytes(8)).outcome is Outcome.WRONG_KEY


@pytest.mark.parametrize("fields", FIELD_ORDERS.values(), ids=FIELD_ORDERS)
@pytest.mark.parametrize("days_later", [0, 1, 2])
def test_mode_3_takes_the_day_that_the_payload_itself_names(fields: bytes, days_later: int) -> None:
    day = date(2026, 11, 20)
    frame = des_frame(fields + type_g(day), "0413E8030000026C" + type_g(day).hex())
    at = datetime(2026, 11, 20 + days_later, 10, tzinfo=UTC)
    telegram = opened(RawFrame(frame, at=at), DES_KEY)
    assert [reading.value for reading in telegram.readings] == [Decimal("1.000"), day]
    assert "initial vector of 2026-11-20" in telegram.notes[0]


def test_mode_3_says_when_nothing_proves_the_day() -> None:
    frame = des_frame(FIELD_ORDERS["number first"] + type_g(date(2026, 11, 20)), "0413E8030000")
    telegram = opened(RawFrame(frame, at=datetime(2026, 11, 20, 10, tzinfo=UTC)), DES_KEY)
    assert [reading.value for reading in telegram.readings] == [Decimal("1.000")]
    assert telegram.notes == (
        "initial vector of 2026-11-20, number before manufacturer, date of type G; nothing proves the day, "
        "and bytes 7 and 8 of the payload depend on it",
    )


def test_mode_7_without_a_counter_is_a_matter_of_decryption() -> None:
    telegram = opened(framed(bytes.fromhex("7A7500200710") + bytes(32)))
    assert telegram.outcome is Outcome.UNSUPPORTED
    assert failed(telegram) == {
        Rung.DECRYPTION: "this mode derives its keys from a message counter, and this message has none"
    }


@pytest.mark.parametrize("covered", [b"", LONG], ids=["address in the nonce only", "address covered again"])
def test_mode_10_with_a_long_header_is_read_in_both_ways(covered: bytes) -> None:
    counter = struct.pack("<I", 7)
    derivation = b"\x00" + counter + ADDRESS[2:6] + b"\x07" * 7
    key = CMAC.new(MASTER_KEY, derivation, ciphermod=AES).digest()
    fields = bytes.fromhex("7500FF0A1001")
    header = b"\x72" + covered + fields
    ccm = AES.new(key, AES.MODE_CCM, nonce=ADDRESS + b"\0" + counter[::-1], mac_len=8)
    ccm.update(header)
    encrypted = ccm.encrypt(VOLUME) + ccm.digest()
    telegram = opened(framed(b"\x72" + LONG + fields + counter + encrypted))
    assert telegram.ok
    assert telegram.security is not None
    assert telegram.security.authenticated
    assert [reading.value for reading in telegram.readings] == [Decimal("28504.27")]


@pytest.mark.parametrize(
    ("frame", "message"),
    [("E5", "ACK"), ("1040014116", "SND-NKE"), ("107B017C16", "REQ-UD2, FCB 1")],
    ids=["single character", "reset", "request"],
)
def test_wired_frames_without_data_are_named(frame: str, message: str) -> None:
    telegram = decode(bytes.fromhex(frame))
    assert (telegram.ok, telegram.message) == (True, message)


def test_a_damaged_crc_of_format_b_is_named_as_what_it_may_be() -> None:
    frame = framed(bytes.fromhex("7A01000000") + VOLUME)
    with_crc = bytes((frame[0] + 2,)) + frame[1:]
    crc = crc16_en13757(with_crc)
    good = decode(with_crc + crc.to_bytes(2, "big"))
    bad = decode(with_crc + (crc ^ 0x0400).to_bytes(2, "big"))
    assert (good.ok, good.notes) == (True, ())
    assert bad.outcome is Outcome.DAMAGED
    assert (
        bad.problem == "2 bytes after the last record are not a record: if they are a CRC (format B), it does not fit"
    )


def test_old_codes_of_the_wired_bus_have_names() -> None:
    variable = LongFrame(0x08, 1, 0x76, LONG + bytes(4)).to_bytes()
    assert decode(variable).problem == "full frame with the most significant byte first is not decoded"


def test_one_byte_is_not_called_bytes() -> None:
    telegram = decode(framed(bytes.fromhex("7A01000000") + VOLUME) + b"\x4a")
    assert telegram.notes == ("1 byte after the frame ignored",)


def test_the_address_of_the_sender_is_kept_beside_the_meters_in_commands() -> None:
    telegram = decode(to_meter("01FD9F0001"))
    assert telegram.meter == Address.from_wire(ADDRESS)
    assert telegram.link_address == Address.from_wire(bytes.fromhex(GATEWAY))


PUBLIC_KEYS = {
    "Diehl": ("A511785634127007", bytes.fromhex("51728910E66D83F8") * 2),
    "Apator": ("0106785634127707", bytes(16)),
}


def public_frame(maker: str) -> bytes:
    address, key = bytes.fromhex(PUBLIC_KEYS[maker][0]), PUBLIC_KEYS[maker][1]
    plain = bytes.fromhex("2F2F0C1327048502") + b"\x2f" * 8
    encrypted = AES.new(key, AES.MODE_CBC, address + b"\x05" * 8).encrypt(plain)
    return framed(bytes.fromhex("7A05001005") + encrypted, address=address)


@pytest.mark.parametrize("maker", PUBLIC_KEYS)
def test_the_makers_default_key_is_tried_where_no_key_is_filed(maker: str) -> None:
    telegram = decode(public_frame(maker))
    assert telegram.ok
    assert [(reading.quantity, reading.value) for reading in telegram.readings] == [("volume", Decimal("2850.427"))]
    assert "the maker's default key" in telegram.verdict[2].detail
    decoder = LearnedDecoder()
    assert [decoder.decode(RawFrame(public_frame(maker))) for _ in range(3)] == [telegram] * 3


def test_a_filed_key_stands_in_place_of_the_makers_default_key() -> None:
    telegram = opened(public_frame("Diehl"))
    assert telegram.outcome is Outcome.WRONG_KEY
    assert telegram.security is not None
    assert len(telegram.security.tried) == 1


def test_no_other_makers_telegrams_are_tried_with_default_keys() -> None:
    frame = public_frame("Diehl")
    other = framed(frame[10:], address=ADDRESS)
    assert decode(other).problem == "encrypted with AES-128-CBC, and no key is filed for 12345678"
    damaged = framed(frame[10:-1] + bytes((frame[-1] ^ 1,)), address=bytes.fromhex(PUBLIC_KEYS["Diehl"][0]))
    assert decode(damaged).outcome is Outcome.NO_KEY


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("2025", "security mode 5 (AES-128-CBC), 2 encrypted blocks, synchronous"),
        (
            "19C5",
            "security mode 5 (AES-128-CBC), 1 encrypted block, "
            "bidirectional, accessible, repeated by a hop, static message",
        ),
        ("0280", "security mode 0 (none), bidirectional, repeated access"),
        ("1002", "security mode 2 (DES-CBC, IV 0), 16 encrypted bytes"),
        ("0003", "security mode 3 (DES-CBC), 0 encrypted bytes"),
        ("0008", "security mode 8 (AES-128-CTR with CMAC)"),
    ],
)
def test_every_bit_of_the_configuration_word_is_explained(word: str, words: str) -> None:
    telegram = decode(framed(bytes.fromhex(f"7A0100{word}") + bytes(32)))
    assert [span.meaning for span in telegram.spans if span.name == "CF"] == [words]


def test_mode_10_says_how_much_is_encrypted() -> None:
    telegram = decode(framed(bytes.fromhex("7A0100FF0A100107000000") + bytes(32)))
    assert [span.meaning for span in telegram.spans if span.name == "CF"] == [
        "security mode 10 (AES-128-CCM), all bytes encrypted"
    ]


def counted_frame(counter: int, litres: int) -> bytes:
    """Security mode 7 with a message counter and a MAC in the AFL."""
    wire = struct.pack("<I", counter)
    encryption, mac = (
        CMAC.new(MASTER_KEY, bytes((constant,)) + wire + ADDRESS[2:6] + b"\x07" * 7, ciphermod=AES).digest()
        for constant in (0, 1)
    )
    plain = b"\x2f\x2f\x04\x13" + struct.pack("<I", litres) + b"\x2f" * 8
    message = bytes.fromhex("7A7500100710") + AES.new(encryption, AES.MODE_CBC, bytes(16)).encrypt(plain)
    signed = CMAC.new(mac, b"\x25" + wire + message, ciphermod=AES).digest()[:8]
    return framed(bytes.fromhex("900F002C25") + wire + signed + message)


def test_a_message_counter_that_comes_again_says_whether_the_message_is_the_same() -> None:
    history = NO_HISTORY
    for counter, litres in ((10, 5000), (11, 5001), (10, 5000), (11, 5001)):
        history, found = judge(history, opened(counted_frame(counter, litres)))
    assert [finding.detail for finding in found] == ["message counter 11 came before, and others since"]
    _, found = judge(history, opened(counted_frame(11, 5002)))
    assert [finding.detail for finding in found] == ["message counter 11 came before, with another content"]


@pytest.mark.parametrize("record", ["01FD09FF", "02FD0AFFFF"], ids=["device type", "manufacturer"])
def test_a_device_type_or_manufacturer_of_all_ones_is_none(record: str) -> None:
    (reading,) = decode(framed(bytes.fromhex("7A01000000" + record))).readings
    assert (reading.value, reading.quality) == (None, Quality.INVALID)


@pytest.mark.parametrize(
    ("frame", "words"),
    [("1040014216", "check cable, baud rate"), ("680303680801707917", "an M-Bus frame at all")],
    ids=["checksum", "stop byte"],
)
def test_a_damaged_wired_frame_is_not_a_matter_of_antennas(frame: str, words: str) -> None:
    telegram = decode(bytes.fromhex(frame))
    assert telegram.outcome is Outcome.DAMAGED
    (step,) = (step.next for step in telegram.verdict if step.next)
    assert words in step


def test_a_damaged_frame_of_format_b_is_not_only_taken_for_a_wrong_key() -> None:
    stripped = mode_5_frame(0x7A, VOLUME.hex())
    frame = bytes((stripped[0] + 2,)) + stripped[1:]
    frame += crc16_en13757(frame).to_bytes(2, "big")
    assert opened(frame).ok
    damaged = opened(frame[:20] + bytes((frame[20] ^ 1,)) + frame[21:])
    assert damaged.outcome is Outcome.WRONG_KEY
    (step,) = (step.next for step in damaged.verdict if step.next)
    assert step.startswith("receive it again: its last two bytes may be a CRC of format B that does not fit")
    wrong = opened(stripped, bytes(16))
    assert not any("CRC" in step.next for step in wrong.verdict if step.next)


@pytest.mark.parametrize(
    ("frame", "notes", "readings"),
    [
        ("68030368 53FE50 A1 16", ("resets the application",), []),
        ("68040468 53FE5030 D1 16", ("selects application 3, enhanced billing",), []),
        ("68040468 53FE5092 33 16", ("selects application 9, testing, part 2",), []),
        ("680B0B68 53FD52 78563412 9315 3303 94 16", ("selects ELS 12345678, version 51, gas",), []),
        ("680B0B68 53FD52 FFFFFF1F FFFFFFFF BA 16", ("selects number 1fffffff (f any digit)",), []),
        (
            "68111168 53FD52 78563412 FFFFFFFF 0C7804030201 40 16",
            ("selects number 12345678",),
            [("fabrication_number", "01020304")],
        ),
        ("68030368 53FEBB 0C 16", (), []),
    ],
    ids=["reset", "select", "select part", "device", "wildcards", "enhanced", "baud rate"],
)
def test_requests_of_the_wired_bus_are_read(
    frame: str, notes: tuple[str, ...], readings: list[tuple[str, object]]
) -> None:
    telegram = decode(bytes.fromhex(frame))
    assert (telegram.outcome, telegram.problem) == (Outcome.OK, None)
    assert telegram.notes == notes
    assert [(reading.name, reading.value) for reading in telegram.readings] == readings
    ends = [span.end for span in telegram.spans]
    assert [span.start for span in telegram.spans] == [0, *ends[:-1]]


def test_a_baud_rate_is_said_by_its_number() -> None:
    telegram = decode(bytes.fromhex("6803036853FEBB0C16"))
    assert telegram.verdict[4].detail == "set baud rate 2400: 0 records"


def test_a_cut_selection_of_a_device_is_damage() -> None:
    telegram = decode(LongFrame(0x53, 0xFD, 0x52, bytes(5)).to_bytes())
    assert telegram.problem == "a selection has 8 bytes of address, 5 are there"
