"""Payloads of Techem, BFW, GWF, Zenner and Ei Electronics: made-up bytes, cut bytes, any bytes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import Truncated
from protocols.model import Quality, Value
from protocols.profiles.payloads import Payload, payload_decoder
from protocols.profiles.payloads.techem import VERSION, date_behind, date_in_word

DECODERS = (
    "bfw_240",
    "diehl_prios",
    "ei_head_word",
    "gwf_block",
    "techem_allocator",
    "techem_heat_kwh",
    "techem_heat_mj",
    "techem_mk_radio_3a",
    "techem_smoke_detector",
    "techem_water",
    "zenner_0b",
)
HEADER = 11


def word_of(day: date) -> bytes:
    return (day.year - 2000 << 9 | day.month << 5 | day.day).to_bytes(2, "little")


def word_without_year(month: int, day: int) -> bytes:
    return (month << 9 | day << 4).to_bytes(2, "little")


def run(name: str, body: bytes, version: int = 0) -> Payload:
    header = bytes(VERSION) + bytes((version,)) + bytes(HEADER - VERSION - 1)
    payload = payload_decoder(name)(header + body, HEADER, HEADER + len(body))
    starts = [item.start for item in payload.items if not item.name.startswith("total_")]
    assert starts == sorted(starts)
    return payload


def values(payload: Payload) -> dict[str, Value]:
    return {item.name: item.value for item in payload.items}


def bytes_of(payload: Payload, name: str) -> tuple[int, int]:
    item = next(item for item in payload.items if item.name == name)
    return item.start - HEADER, item.end - HEADER


WATER = b"\x06" + word_of(date(2025, 12, 31)) + b"\x59\x01" + word_without_year(6, 4) + b"\x31\x00" + bytes(20)


def test_water_of_two_periods() -> None:
    payload = run("techem_water", WATER)
    assert payload.problem is None
    assert values(payload) == {
        "previous_period_date": date(2025, 12, 31),
        "previous_period_volume": Decimal("34.5"),
        "current_period_date": date(2026, 6, 4),
        "current_period_volume": Decimal("4.9"),
        "total_volume": Decimal("39.4"),
    }
    assert bytes_of(payload, "current_period_volume") == (7, 9)


@pytest.mark.parametrize(
    ("end", "month", "day", "expected"),
    [
        (date(2025, 3, 31), 4, 1, date(2025, 4, 1)),
        (date(2025, 3, 31), 3, 31, date(2026, 3, 31)),
        (date(2025, 3, 31), 1, 2, date(2026, 1, 2)),
        (date(2025, 3, 31), 0, 2, None),
        (date(2025, 3, 31), 2, 30, None),
    ],
)
def test_the_first_such_day_behind_the_period(end: date, month: int, day: int, expected: date | None) -> None:
    assert date_behind(end, month, day)[0] == expected


def test_no_year_without_the_end_of_the_period() -> None:
    assert date_behind(None, 4, 1) == (None, Quality.NOT_AVAILABLE)


@given(st.dates(date(2000, 1, 1), date(2127, 12, 31)))
def test_whole_dates(day: date) -> None:
    assert date_in_word(word_of(day)) == (day, Quality.GOOD)


ALLOCATOR = WATER[:9]


def test_allocators_of_different_versions() -> None:
    temperatures = bytes.fromhex("980885fe")
    plain = values(run("techem_allocator", ALLOCATOR + temperatures, 0x64))
    assert plain["previous_period_hca_units"] == 345
    assert plain["hca_units"] == 49
    assert "room_temperature" not in plain
    for version, gap in ((0x69, b""), (0x94, b"\xbd")):
        found = values(run("techem_allocator", ALLOCATOR + gap + temperatures, version))
        assert (found["room_temperature"], found["radiator_temperature"]) == (Decimal("22"), Decimal("-3.79"))


@pytest.mark.parametrize(("version", "shift"), [(0x45, 0), (0x39, 1)])
@pytest.mark.parametrize(("decoder", "unit"), [("techem_heat_kwh", "kWh"), ("techem_heat_mj", "MJ")])
def test_heat_meters(decoder: str, unit: str, version: int, shift: int) -> None:
    day = bytes(shift) + (21 << 7).to_bytes(2, "little")
    body = b"\x10" + word_of(date(2025, 7, 31)) + bytes.fromhex("40e201") + bytes((9 << 3,)) + b"\x8f\x1d\x00" + day
    payload = run(decoder, body, version)
    assert values(payload) == {
        "previous_period_date": date(2025, 7, 31),
        "previous_period_energy": Decimal(123456),
        "current_period_energy": Decimal(7567),
        "current_period_date": date(2025, 9, 21),
        "total_energy": Decimal(131023),
    }
    assert {item.unit for item in payload.items if item.quantity == "energy"} == {unit}


def radio_3a(day: date, length: int = 44) -> bytes:
    groups = b"".join(bytes((0, 10 * n + 1, 10 * n + 2)) for n in range(12))
    return (b"\x0c\x00" + word_of(day) + b"\x10\x25\x00" + groups + b"\x00")[:length]


def test_radio_3a_in_the_second_half_of_a_month() -> None:
    found = values(run("techem_mk_radio_3a", radio_3a(date(2026, 11, 16))))
    assert found["meter_date"] == date(2026, 11, 16)
    assert found["total_volume"] == Decimal("948.8")
    assert found["current_month_volume"] == Decimal("0.3")
    assert found["month_1_volume"] == Decimal("2.3")
    assert found["month_11_volume"] == Decimal("22.3")


def test_radio_3a_in_the_first_half_of_a_month() -> None:
    payload = run("techem_mk_radio_3a", radio_3a(date(2026, 11, 15)))
    found = values(payload)
    assert found["current_month_volume"] == Decimal("0.1")
    assert found["month_1_volume"] == Decimal("1.3")
    assert found["month_11_volume"] == Decimal("21.3")
    assert bytes_of(payload, "current_month_volume") == (8, 9)
    assert bytes_of(payload, "month_1_volume") == (9, 12)


def test_radio_3a_cut_keeps_what_is_there() -> None:
    payload = run("techem_mk_radio_3a", radio_3a(date(2026, 11, 16), 12))
    assert isinstance(payload.problem, Truncated)
    assert set(values(payload)) == {"meter_date", "total_volume", "current_month_volume"}


def test_radio_3a_without_a_date_has_no_months() -> None:
    payload = run("techem_mk_radio_3a", b"\x0c\x00\x00\x00" + radio_3a(date(2026, 11, 16))[4:])
    assert set(values(payload)) == {"meter_date", "total_volume"}
    assert payload.notes


@pytest.mark.parametrize(("state", "flags"), [(0, ()), (1, ("smoke",)), (0x71, ("code_113",))])
def test_smoke_detector(state: int, flags: tuple[str, ...]) -> None:
    payload = run("techem_smoke_detector", bytes((state,)) + word_of(date(2025, 12, 31)) + word_of(date(2026, 11, 2)))
    assert payload.flags == flags
    assert values(payload) == {
        "info_code": state,
        "previous_period_date": date(2025, 12, 31),
        "meter_date": date(2026, 11, 2),
    }


def test_a_smoke_detector_is_heard_even_when_its_dates_are_missing() -> None:
    payload = run("techem_smoke_detector", b"\x01\x9f")
    assert payload.problem is None
    assert payload.flags == ("smoke",)
    assert payload.notes == ("the payload ends before previous period date and meter date",)


BFW = bytes.fromhex("101f 0144 0100 1470") + bytes(21) + bytes.fromhex("21 43 65 ff 0f ab 210226")


@pytest.mark.parametrize("check", [b"", b"\x2f\x2f"])
def test_bfw_240(check: bytes) -> None:
    payload = run("bfw_240", check + BFW)
    found = values(payload)
    assert found["previous_period_hca_units"] == 0x144
    assert found["hca_units"] == 0x100
    assert found["history_4_hca_units"] == 0x421
    assert found["history_3_hca_units"] == 0x365
    assert found["history_2_hca_units"] == 0x0FF
    assert found["history_1_hca_units"] == 0xFAB
    assert found["history_18_hca_units"] == 0
    assert found["meter_date"] == date(2026, 2, 21)


def test_bfw_240_months_that_were_never_stored_are_no_counts() -> None:
    payload = run("bfw_240", BFW[:8] + b"\xff" * 3 + BFW[11:])
    qualities = {item.name: item.quality for item in payload.items if item.value is None}
    assert qualities == dict.fromkeys(("history_18_hca_units", "history_17_hca_units"), Quality.NOT_AVAILABLE)


def test_bfw_240_with_an_impossible_date() -> None:
    payload = run("bfw_240", BFW[:-3] + b"\x32\x02\x26")
    assert payload.items[-1].quality is Quality.INVALID


def test_gwf_block() -> None:
    payload = run("gwf_block", b"\x01\x2b\xe3")
    assert payload.flags == ("bit_0", "continuous_flow", "burst", "battery_low")
    assert values(payload) == {"info_code": 0x2B, "power_mode": "saving", "battery_lifetime_remaining": Decimal(14)}


def test_gwf_block_of_another_type() -> None:
    payload = run("gwf_block", b"\x02\x2b\xe3")
    assert payload.items == ()
    assert payload.notes == ("manufacturer's data of type 02 are not known here",)


@pytest.mark.parametrize("check", [b"", b"\x2f\x2f"])
def test_zenner_0b(check: bytes) -> None:
    payload = run("zenner_0b", check + b"\x0f" + b"\x04\x00\x00\x00" + b"\x00\xe8\x03\x00" + b"\x80\xd0\x07\x00\x00")
    assert payload.flags == ("bit_2",)
    assert values(payload) == {"info_code": 4, "month_end_volume": Decimal(1), "total_volume": Decimal("2.0005")}


def test_zenner_0b_without_its_marker_is_left_to_the_records() -> None:
    assert run("zenner_0b", b"\x2f\x2f\x04\x13" + bytes(12)) == Payload(foreign=True)


def head_word(*bits: int) -> bytes:
    return sum(1 << bit for bit in bits).to_bytes(4, "little")


def test_head_word() -> None:
    payload = run("ei_head_word", head_word(2, 3, 4, 6, 8, 9, 10, 11, 16, 20, 21, 23))
    assert payload.flags == ("cleaning_recommended", "tamper_while_removed", "bit_23")
    assert values(payload) == {"dust_level": 28, "battery_voltage": Decimal("3.00"), "obstacle_distance": "38-53 cm"}


def test_head_word_before_the_first_self_test() -> None:
    payload = run("ei_head_word", bytes(4))
    assert payload.flags == ("obstacle_test_not_completed",)
    assert values(payload)["battery_voltage"] == Decimal("2.25")
    assert payload.items[-1].quality is Quality.NOT_AVAILABLE


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "techem_smoke_detector"])
def test_cut_payloads_say_so(name: str) -> None:
    payload = run(name, b"\x0f" if name == "zenner_0b" else b"\x01")
    assert isinstance(payload.problem, Truncated)


@pytest.mark.parametrize("name", DECODERS)
@given(frame=st.binary(max_size=80), start=st.integers(0, 30), version=st.sampled_from((0x27, 0x39, 0x69, 0x94)))
def test_any_bytes(name: str, frame: bytes, start: int, version: int) -> None:
    plain = frame[:VERSION] + bytes((version,)) + frame[VERSION:]
    for end in (len(plain), min(start, len(plain))):
        payload = payload_decoder(name)(plain, min(start, end), end)
        assert all(0 <= item.start < item.end <= len(plain) for item in payload.items)
