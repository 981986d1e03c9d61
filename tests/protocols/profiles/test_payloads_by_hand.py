"""Telegrams of makers' own payloads and status words, put together byte by byte: empty places, edges, each bit."""

from __future__ import annotations

import struct
from datetime import datetime
from decimal import Decimal

import pytest

from protocols.decode import decode
from protocols.media import manufacturer_code
from protocols.model import Quality, Telegram
from protocols.wmbus.security.diehl import descramble

NUMBER = bytes.fromhex("78563412")


def framed(maker: str, version: int, medium: int, payload: bytes) -> bytes:
    body = b"\x44" + manufacturer_code(maker).to_bytes(2, "little") + NUMBER + bytes((version, medium)) + payload
    return bytes((len(body),)) + body


def records(hex_text: str, status: int = 0) -> bytes:
    return b"\x7a\x11" + bytes((status, 0, 0)) + bytes.fromhex(hex_text)


def flags(telegram: Telegram) -> tuple[str, ...]:
    assert telegram.ok
    return () if telegram.status is None else telegram.status.flags


def reading(telegram: Telegram, name: str) -> tuple[object, Quality]:
    found = next(one for one in telegram.readings if one.name == name)
    return found.value, found.quality


@pytest.mark.parametrize(
    ("maker", "version", "medium", "word", "name", "number", "flag"),
    [
        ("KAM", 0x34, 0x04, "04FF2200000080", "info_code", 0x80000000, "leak_water_penetration_v1_v2"),
        ("KAM", 0x34, 0x04, "02FF220080", "info_code", 0x8000, "bit_15"),
        ("KAM", 0x1B, 0x16, "04FF2300000080", "info_code", 0x80000000, "bit_31"),
        ("APA", 0x40, 0x04, "047F00000080", "info_code", 0x80000000, "bit_31"),
        ("ABB", 0x20, 0x02, "07FFA6000000000000000080", "error_flags", 1 << 63, "bit_63"),
    ],
)
def test_words_of_bits_have_no_sign(
    maker: str, version: int, medium: int, word: str, name: str, number: int, flag: str
) -> None:
    telegram = decode(framed(maker, version, medium, records(word)))
    assert reading(telegram, name) == (number, Quality.GOOD)
    assert flags(telegram) == (flag,)


@pytest.mark.parametrize(
    ("maker", "version", "medium", "record", "name", "number"),
    [
        ("KAM", 0x34, 0x04, "02F9FF1531B2", "identification", 0xB231),
        ("IME", 0x66, 0x02, "02FF922B31B2", "current_transformer_ratio", 0xB231),
    ],
)
def test_what_counts_or_names_a_thing_has_no_sign(
    maker: str, version: int, medium: int, record: str, name: str, number: int
) -> None:
    telegram = decode(framed(maker, version, medium, records(record)))
    assert reading(telegram, name) == (number, Quality.GOOD)


def test_the_longest_durations_of_kamstrup_leave_the_word_positive() -> None:
    telegram = decode(framed("KAM", 0x1B, 0x16, records("02FF20F8FF")))
    assert reading(telegram, "info_code") == (0xFFF8, Quality.GOOD)
    assert [reading(telegram, name)[0] for name in ("dry_duration", "leak_duration", "burst_duration")] == [
        "22-31 d"
    ] * 3
    assert flags(telegram) == ("burst",)


@pytest.mark.parametrize("record", ["02FD170601", "02FD971D0601"], ids=["plain", "standard conform"])
@pytest.mark.parametrize(
    ("maker", "version", "medium", "expected"),
    [
        ("LAS", 0x03, 0x1A, ("battery_low", "smoke", "smoke_sensor_end_of_life")),
        ("LAS", 0x07, 0x1D, ("bit_1", "bit_2", "bit_8")),
        ("WEP", 0x02, 0x1B, ("bit_1", "bit_2", "bit_8")),
        ("LUG", 0x04, 0x04, ("bit_1", "bit_2", "bit_8")),
        ("QDS", 0x21, 0x1A, ("bit_1", "bit_2", "bit_8")),
    ],
)
def test_error_flags_are_named_with_and_without_the_mark_of_conformity(
    maker: str, version: int, medium: int, record: str, expected: tuple[str, ...]
) -> None:
    assert flags(decode(framed(maker, version, medium, records(record)))) == expected


def test_bits_of_the_header_and_of_a_word_stand_side_by_side() -> None:
    telegram = decode(framed("KAM", 0x34, 0x04, records("04FF2203000000", status=0x0C)))
    assert flags(telegram) == ("power_low", "permanent_error", "voltage_interrupted", "battery_low")
    assert telegram.status is not None
    assert telegram.status.raw == 0x0C


@pytest.mark.parametrize(
    ("maker", "version", "medium", "status", "expected"),
    [
        ("BMT", 0x10, 0x1B, 0x01, ("application_busy",)),
        ("BMT", 0x10, 0x1B, 0x02, ("application_error",)),
        ("BMT", 0x10, 0x1B, 0x43, ("application_busy", "application_error", "humidity_out_of_range")),
        ("BMT", 0x18, 0x07, 0x43, ("alarm", "tamper")),
        ("ECM", 0x05, 0x07, 0x23, ("alarm", "leak_flow_low")),
    ],
)
def test_two_bits_that_a_maker_names_apart_are_no_alarm(
    maker: str, version: int, medium: int, status: int, expected: tuple[str, ...]
) -> None:
    assert flags(decode(framed(maker, version, medium, records("026596 00", status=status)))) == expected


def test_all_32_error_flags_of_a_room_sensor_are_reported() -> None:
    telegram = decode(framed("PII", 0x01, 0x1B, records("04FD1700000080")))
    assert flags(telegram) == ("bit_31",)


def test_temperatures_that_an_allocator_has_not_got_are_no_numbers() -> None:
    payload = bytes.fromhex("A0 0F 9F2F 0300 B005 0000 00".replace(" ", "")) + struct.pack("<hh", -1250, -32768)
    telegram = decode(framed("TCH", 0x94, 0x80, payload))
    assert reading(telegram, "room_temperature") == (Decimal("-12.50"), Quality.GOOD)
    assert reading(telegram, "radiator_temperature") == (None, Quality.NOT_AVAILABLE)


def test_an_allocator_without_a_first_due_date_has_no_dates() -> None:
    payload = bytes.fromhex("A0 11 0000 0000 0000 0000 6608 FBFF".replace(" ", ""))
    telegram = decode(framed("TCH", 0x69, 0x80, payload))
    assert reading(telegram, "previous_period_date") == (None, Quality.NOT_AVAILABLE)
    assert reading(telegram, "current_period_date") == (None, Quality.NOT_AVAILABLE)
    assert reading(telegram, "radiator_temperature") == (Decimal("-0.05"), Quality.GOOD)


def test_a_season_that_an_e_itn_has_not_seen_has_no_temperature() -> None:
    record = bytes.fromhex("3F 1122 5900 0000 0100 322D FFFF B415".replace(" ", ""))
    telegram = decode(framed("APA", 0x04, 0x08, b"\xa0" + record))
    assert reading(telegram, "previous_period_average_room_temperature") == (None, Quality.NOT_AVAILABLE)
    assert reading(telegram, "average_room_temperature") == (Decimal("21.703125"), Quality.GOOD)


def test_months_that_an_at_wmbus_16_2_has_not_stored_are_no_volumes() -> None:
    body = "2F2F 0F141F0C9F000000 7201 03000000 FFFFFFFF 00000000 10 87D61200 FFFF8A8A".replace(" ", "")
    telegram = decode(framed("APA", 0x05, 0x07, records(body)))
    assert reading(telegram, "total_volume") == (Decimal("1234.567"), Quality.GOOD)
    assert reading(telegram, "history_1_volume") == (Decimal("0.003"), Quality.GOOD)
    assert reading(telegram, "history_2_volume") == (None, Quality.NOT_AVAILABLE)
    assert reading(telegram, "history_3_volume") == (Decimal("0.000"), Quality.GOOD)


@pytest.mark.parametrize(
    ("version", "medium", "ticks", "total"),
    [
        (0x03, 0x03, "02000000", "0.000667"),
        (0x0F, 0x0F, "B9E52700", "871.571"),
        (0x04, 0x11, "21000000", "11.000"),
        (0x04, 0x11, "22000000", "11.333333"),
    ],
)
def test_thirds_lose_nothing_that_a_small_total_would_show(version: int, medium: int, ticks: str, total: str) -> None:
    telegram = decode(framed("APT", version, medium, bytes.fromhex("A0" + ticks + "4C40")))
    assert reading(telegram, "total_volume") == (Decimal(total), Quality.GOOD)
    assert str(reading(telegram, "total_volume")[0]) == total


def test_a_count_that_a_hydroclima_has_not_stored_is_none() -> None:
    block = bytearray(47)
    block[0] = 0x11
    block[21:29] = struct.pack("<hhhh", -221, 2265, 0, -32768)
    telegram = decode(framed("BMP", 0x53, 0x08, records("2F2F036E5402000F" + block.hex())))
    assert reading(telegram, "history_1_hca_units") == (Decimal(-221), Quality.GOOD)
    assert reading(telegram, "history_4_hca_units") == (None, Quality.NOT_AVAILABLE)


def test_a_tamper_date_of_zeros_is_none() -> None:
    telegram = decode(framed("BMT", 0x13, 0x07, records("0C13663800000F0220000000")))
    assert flags(telegram) == ("removal",)
    assert reading(telegram, "tamper_date") == (None, Quality.NOT_AVAILABLE)


NO_VALUE = (None, Quality.NOT_AVAILABLE)


@pytest.mark.parametrize(
    ("maker", "version", "medium", "payload", "empty", "kept"),
    [
        ("TCH", 0x74, 0x62, "A2 06 9F33 FFFF 4017 3A00", ["previous_period_volume", "total_volume"], "5.8"),
        ("TCH", 0x95, 0x72, "A2 06 9F33 3A00 4017 FFFF", ["current_period_volume", "total_volume"], "5.8"),
        ("TCH", 0x69, 0x80, "A0 11 9F33 FFFF 4017 0800 6608 FBFF", ["previous_period_hca_units"], "8"),
        ("TCH", 0x94, 0x80, "A2 0F 9F33 0800 4017 FFFF 00 6608 FBFF", ["hca_units"], "8"),
        ("TCH", 0x39, 0x43, "A2 10 9F33 FFFFFF 58 070000 00 0A00", ["previous_period_energy", "total_energy"], "7"),
        ("TCH", 0x50, 0x72, "A2 0C00 7435 FFFFFF" + "000A05" * 12 + "00", ["total_volume"], "1.5"),
        ("APT", 0x03, 0x03, "A0 FFFFFFFF", ["total_volume"], None),
        ("APT", 0x04, 0x11, "A0 FFFFFFFF", ["total_volume"], None),
        ("APT", 0x04, 0x08, "A0 3F 1122 FFFF 0000 0100 322D 0014 B415", ["previous_period_hca_units"], "1"),
        ("ZRI", 0x0B, 0x16, "7A 11000000 0F 00000000 FFFFFFFF 00E80300", ["month_end_volume"], "1"),
        ("BMT", 0x13, 0x07, "7A 11000000 0C1334120000 0F 04 FFFFFFFF", ["total_volume_backward"], "1.234"),
        ("BMP", 0x53, 0x08, "7A 11000000 036E080000 0F 10" + "00" * 12 + "FFFF" + "00" * 6 + "FFFFFF",
         ["measurement_count", "total_hca_units"], "8"),
        ("BMP", 0x53, 0x08, "78 0F D300 FFFF" + "0000" * 11 + "0000", ["history_2_hca_units"], "21.1"),
    ],
)  # fmt: skip
def test_counts_of_ones_only_are_no_values(
    maker: str, version: int, medium: int, payload: str, empty: list[str], kept: str | None
) -> None:
    telegram = decode(framed(maker, version, medium, bytes.fromhex(payload.replace(" ", ""))))
    assert telegram.ok
    assert [reading(telegram, name) for name in empty] == [NO_VALUE] * len(empty)
    assert kept is None or Decimal(kept) in [one.value for one in telegram.readings]


def test_a_due_date_volume_that_a_prios_meter_has_not_stored_is_none() -> None:
    key = bytes.fromhex("39BC8A10E66D83F8")
    head = b"\x19\x44\x24\x23\x85\x07" + NUMBER + bytes.fromhex("A2 512000 15")
    plain = head + b"\x4b" + struct.pack("<II", 5_000, 0xFFFFFFFF) + b"\xff\xff"
    telegram = decode(plain[:15] + descramble(plain, key))
    assert reading(telegram, "total_volume") == (Decimal("5.000"), Quality.GOOD)
    assert reading(telegram, "due_date_volume") == NO_VALUE


@pytest.mark.parametrize("maker", ["QDS", "LSE"])
def test_water_that_runs_backwards_has_a_negative_flow(maker: str) -> None:
    telegram = decode(framed(maker, 0x18, 0x07, records("02BB56FEFF")))
    assert reading(telegram, "volume_flow") == (Decimal("-0.002"), Quality.GOOD)


def test_records_of_a_meter_that_sends_a_payload_of_its_own_as_well_are_read() -> None:
    telegram = decode(framed("ZRI", 0x0B, 0x16, records("2F2F 0413 DC690D00 426C 3F3C")))
    assert telegram.ok
    assert reading(telegram, "total_volume") == (Decimal("879.068"), Quality.GOOD)


def test_a_gwf_block_that_ends_behind_its_alarms_tells_them() -> None:
    telegram = decode(framed("GWF", 0x3C, 0x07, records("0413DC690D000F0122")))
    assert flags(telegram) == ("continuous_flow", "battery_low")
    assert reading(telegram, "info_code") == (0x22, Quality.GOOD)


_TABLES = (
    (122, 112, 185, 121, 7, 50, 156, 180, 10, 240, 22, 12, 74, 119, 189, 57),
    (16, 19, 11, 7, 154, 161, 126, 196, 206, 5, 152, 201, 72, 46, 120, 111),
    (26, 34, 142, 74, 203, 57, 96, 128, 25, 165, 17, 125, 228, 138, 87, 40),
    (10, 19, 153, 22, 105, 14, 153, 163, 3, 134, 94, 162, 31, 232, 140, 5),
)


@pytest.mark.parametrize("access", [0, 5, 15, 16, 255])
@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("595923311299", (datetime(2099, 12, 31, 23, 59, 59), Quality.GOOD)),  # noqa: DTZ001
        ("000000010100", (datetime(2000, 1, 1), Quality.GOOD)),  # noqa: DTZ001
        ("000000000000", (None, Quality.NOT_AVAILABLE)),
        ("000000310226", (None, Quality.INVALID)),
    ],
)
def test_years_of_an_rfm_tx1_count_from_2000(access: int, clock: str, expected: tuple[object, Quality]) -> None:
    digits = bytes(
        digit ^ access ^ table[access & 15] for digit, table in zip(bytes.fromhex("78563402"), _TABLES, strict=True)
    )
    months = (9_999_999).to_bytes(3, "little") + b"\xff" * 33
    payload = bytes((0x7A, access, 0)) + bytes.fromhex("06101115") + digits + bytes(7) + bytes.fromhex(clock) + months
    telegram = decode(framed("BMT", 0x05, 0x07, payload))
    assert telegram.ok
    assert reading(telegram, "total_volume") == (Decimal("2345.678"), Quality.GOOD)
    assert reading(telegram, "meter_datetime") == expected
    assert reading(telegram, "month_end_january_volume") == (Decimal("99999.99"), Quality.GOOD)
    assert reading(telegram, "month_end_december_volume") == (None, Quality.NOT_AVAILABLE)
