"""Payloads of Apator, Qundis and BMeters: made-up bytes, cut bytes, bytes of other kinds, any bytes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import Truncated, Unsupported
from protocols.mbus.datetypes import encode_g
from protocols.model import Quality, Value
from protocols.profiles.payloads import Payload, payload_decoder
from protocols.profiles.payloads.apator import REGISTER_SIZES

DECODERS = (
    "apator_at_wmbus_16_2",
    "apator_at_wmbus_08",
    "apator_at_wmbus_17_2",
    "apator_e_itn",
    "apator_na_1",
    "bmeters_hydroclima",
    "bmeters_hydrodigit",
    "bmeters_rfm_tx1",
    "qundis_walk_by",
)
HEADER = b"\x30\x44" + bytes(8) + b"\x7a\x11\x00"


def run(name: str, body: bytes, before: bytes = b"\x00\x00") -> Payload:
    start = len(HEADER) + len(before)
    payload = payload_decoder(name)(HEADER + before + body, start, start + len(body))
    starts = [item.start for item in payload.items]
    assert starts == sorted(starts)
    assert all(start - 2 <= item.start < item.end <= start + len(body) for item in payload.items)
    return payload


def values(payload: Payload) -> dict[str, Value]:
    return {item.name: item.value for item in payload.items}


def u(number: int, size: int = 4) -> bytes:
    return number.to_bytes(size, "little", signed=number < 0)


REGISTERS = b"\x0f\x00\x1f\x4c\x9a\x00\x00\x00"


def test_registers_in_any_order() -> None:
    body = REGISTERS + b"\x71\x01" + u(900) + u(800) + b"\xa0" + bytes(4) + b"\x10" + u(1001) + b"\x43" + u(77, 2)
    payload = run("apator_at_wmbus_16_2", body + b"\x89\x43")
    assert payload.problem is None
    assert payload.notes == ()
    assert values(payload) == {
        "meter_date": date(2026, 12, 31),
        "history_1_volume": Decimal("0.900"),
        "history_2_volume": Decimal("0.800"),
        "total_volume": Decimal("1.001"),
        "operating_time": Decimal(77),
    }


@pytest.mark.parametrize("tail", [b"", b"\xff", b"\xff" * 9, b"\x12\x34", b"\xee\x12\x34\x56"])
def test_what_may_stand_behind_the_registers(tail: bytes) -> None:
    payload = run("apator_at_wmbus_16_2", REGISTERS + b"\x10" + u(5) + tail)
    assert payload.problem is None
    assert payload.notes == ()
    assert values(payload)["total_volume"] == Decimal("0.005")


def test_an_unknown_register_behind_the_total_is_a_note() -> None:
    payload = run("apator_at_wmbus_16_2", REGISTERS + b"\x10" + u(5) + b"\xee" + bytes(9))
    assert payload.problem is None
    assert payload.notes == ("register EE is not known, nor where the next one begins",)


def test_an_unknown_register_before_the_total_is_a_problem() -> None:
    payload = run("apator_at_wmbus_16_2", REGISTERS + b"\xee" + bytes(9) + b"\x10" + u(5))
    assert isinstance(payload.problem, Unsupported)
    assert "total_volume" not in values(payload)


def test_a_register_list_without_a_total() -> None:
    assert isinstance(run("apator_at_wmbus_16_2", REGISTERS + b"\x41" + bytes(2)).problem, Truncated)
    assert isinstance(run("apator_at_wmbus_16_2", REGISTERS + b"\x10" + bytes(3)).problem, Truncated)


def test_old_meters_have_another_header() -> None:
    assert "meter_date" not in values(run("apator_at_wmbus_16_2", b"\x07" + REGISTERS[1:] + b"\x10" + u(5)))


def test_the_stored_volumes_of_each_register_fit_its_size() -> None:
    for register in range(0x71, 0x7D):
        body = REGISTERS + bytes((register, 1)) + b"".join(u(n) for n in range(1, register - 0x6E)) + b"\x10" + u(5)
        payload = run("apator_at_wmbus_16_2", body)
        assert values(payload)["total_volume"] == Decimal("0.005")
        assert values(payload)[f"history_{register - 0x6F}_volume"] == (register - 0x6F) * Decimal("0.001")
        assert REGISTER_SIZES[register] == 1 + 4 * (register - 0x6F)


@pytest.mark.parametrize(
    ("decoder", "ticks", "volume"),
    [
        ("apator_at_wmbus_08", 3, "0.001"),
        ("apator_at_wmbus_08", 300002, "100.000667"),
        ("apator_at_wmbus_17_2", 3, "1.000"),
        ("apator_at_wmbus_17_2", 20, "6.666667"),
    ],
)
def test_counters_of_thirds(decoder: str, ticks: int, volume: str) -> None:
    assert values(run(decoder, u(ticks))) == {"total_volume": Decimal(volume)}


def test_a_seal_that_was_never_broken_has_no_date() -> None:
    payload = run("apator_e_itn", b"\xa0" + bytes(15))
    seal = next(item for item in payload.items if item.name == "seal_broken_date")
    assert (seal.value, seal.quality) == (None, Quality.NOT_AVAILABLE)
    assert payload.flags == ()


def na_1(packed: int, delta: int, alarms: int = 0, frame: int = 0) -> bytes:
    clock = int((datetime(2026, 11, 20, 10) - datetime(2000, 1, 1)).total_seconds())  # noqa: DTZ001
    meta = bytes((0x10, 0x04 | delta & 3))
    return bytes((7, frame, 0x2F)) + u(packed) + u(clock) + meta + u(delta >> 2, 3) + bytes((alarms, 0x88))


@pytest.mark.parametrize(("exponent", "step"), [(0, "0.001"), (1, "0.01"), (2, "0.1"), (3, "1")])
def test_na_1_counts_in_steps(exponent: int, step: str) -> None:
    payload = run("apator_na_1", na_1(100 << 8 | exponent << 4 | 5, 605))
    assert values(payload) == {
        "frame_status": "none",
        "total_volume": 1605 * Decimal(step),
        "meter_datetime": datetime(2026, 11, 20, 10),  # noqa: DTZ001
        "history_1_age": Decimal(272),
        "history_1_datetime": datetime(2026, 11, 9, 2),  # noqa: DTZ001
        "history_1_volume": 1000 * Decimal(step),
        "info_code": 0,
        "history_1_status": "minimum_flow leak",
    }
    assert payload.flags == ()


def test_na_1_flags_are_those_of_now() -> None:
    payload = run("apator_na_1", na_1(0, 0, alarms=0x09, frame=0x41))
    assert payload.flags == ("wrong_temperature", "leak", "battery_low")
    assert values(payload)["frame_status"] == "summer_time wrong_temperature"


def test_na_1_says_of_the_past_that_the_battery_was_near_its_end() -> None:
    payload = run("apator_na_1", na_1(0, 0, alarms=0x01)[:-1] + b"\x03")
    assert payload.flags == ("battery_low",)
    assert values(payload)["history_1_status"] == "magnetic_tamper battery_end_of_life"


def test_na_1_never_stored_more_than_the_total() -> None:
    stored = next(item for item in run("apator_na_1", na_1(1 << 8, 17)).items if item.name == "history_1_volume")
    assert (stored.value, stored.quality) == (None, Quality.INVALID)


def test_na_1_without_a_stored_volume_says_nothing_of_its_time() -> None:
    body = na_1(5 << 8, 0)
    payload = run("apator_na_1", body[:11] + b"\xff" * 5 + body[16:])
    names = ("history_1_age", "history_1_datetime", "history_1_volume")
    stored = {item.name: (item.value, item.quality) for item in payload.items if item.name in names}
    assert stored == dict.fromkeys(names, (None, Quality.NOT_AVAILABLE))
    assert values(payload)["total_volume"] == Decimal("0.080")


def walk_by(vif: int, months: tuple[int, ...], family: int = 0xC0, value: str = "00001234") -> bytes:
    bcd = bytes.fromhex(value)[::-1]
    dates = encode_g(date(2025, 12, 31)), encode_g(date(2026, 10, 31))
    head = bytes((0x35, 0, 0x82, 1, 0, 0, 0, 0, 7, family, vif)) + b"\xff\xff" + bcd
    return head + dates[0] + bcd + dates[1] + bcd + b"".join(u(month, 2) for month in months) + b"\x2f"


@pytest.mark.parametrize(
    ("vif", "name", "total", "month"),
    [
        (0x6E, "hca_units", "1234", "7"),
        (0x05, "total_energy", "123.4", "0.7"),
        (0x06, "total_energy", "1234", "7"),
        (0x0D, "total_energy", "123.4", "0.7"),
        (0x0E, "total_energy", "1234", "7"),
        (0x13, "total_volume", "1.234", "0.07"),
    ],
)
def test_a_walk_by_block_counts_as_its_vif_says(vif: int, name: str, total: str, month: str) -> None:
    found = values(run("qundis_walk_by", walk_by(vif, (-32768, *range(1, 11), 7))))
    quantity = name.removeprefix("total_")
    assert found[name] == found[f"due_date_{quantity}"] == found[f"month_end_{quantity}"] == Decimal(total)
    assert found[f"month_1_{quantity}"] == Decimal(month)
    assert found[f"month_12_{quantity}"] is None
    assert found["error_date"] is None
    assert (found["due_date"], found["month_end_date"]) == (date(2025, 12, 31), date(2026, 10, 31))


def test_a_walk_by_value_that_is_no_number() -> None:
    assert values(run("qundis_walk_by", walk_by(0x06, (0,) * 12, value="ffffffff")))["total_energy"] is None


def test_other_blocks_under_the_same_header_are_left_alone() -> None:
    assert run("qundis_walk_by", bytes.fromhex("0c0102030405060708090a0b0c")) == Payload()
    assert run("qundis_walk_by", walk_by(0x06, (0,) * 12)[:-1]) == Payload()
    for block in (walk_by(0xC9, (0,) * 12, family=0xEA), walk_by(0x06, (0,) * 12, family=0xEA)):
        payload = run("qundis_walk_by", block)
        assert payload.items == ()
        assert payload.notes


def test_hydrodigit_sends_what_its_first_byte_names() -> None:
    assert values(run("bmeters_hydrodigit", b"\x00\x01\x02")) == {"contents": "none"}
    payload = run("bmeters_hydrodigit", b"\x82\x40\x26\x12\x31\x26\x11\x30")
    assert values(payload) == {
        "contents": "tamper_date leak_date",
        "tamper_type": "sensor_tamper",
        "tamper_date": date(2026, 12, 31),
        "leak_date": date(2026, 11, 30),
    }
    assert payload.flags == ("sensor_tamper",)


def test_hydrodigit_months_to_come_have_no_value() -> None:
    payload = run("bmeters_hydrodigit", b"\x10" + u(9_999_999, 3) + u(10_000_000, 3) + b"\xff" * 30)
    qualities = [item.quality for item in payload.items[1:]]
    assert payload.items[1].value == Decimal("99999.99")
    assert qualities == [Quality.GOOD, *[Quality.NOT_AVAILABLE] * 11]


@pytest.mark.parametrize("size", range(1, 50))
def test_a_cut_hydrodigit_block_keeps_what_was_read(size: int) -> None:
    body = (b"\x97\x03\x00\x26\x10\x01\x26\x10\x02" + bytes(4 + 36))[:size]
    payload = run("bmeters_hydrodigit", body)
    assert isinstance(payload.problem, Truncated) == (size < 49)
    assert len(payload.items) >= min(size, 3)


def test_rfm_tx1_under_another_configuration_is_not_read() -> None:
    assert run("bmeters_rfm_tx1", bytes(55)).foreign
    assert not run("bmeters_rfm_tx1", bytes(55), before=b"\x06\x10").foreign


def test_an_rfm_tx1_clock_that_is_no_time() -> None:
    body = bytes(13) + bytes.fromhex("610000201126") + bytes(36)
    assert values(run("bmeters_rfm_tx1", body, before=b"\x06\x10"))["meter_datetime"] is None


HCA = b"\x03\x6e\x00\x00\x00\x0f"


def test_hydroclima_blocks_of_unknown_kinds_are_noted() -> None:
    assert run("bmeters_hydroclima", b"\x12" + bytes(30), before=HCA).notes
    assert run("bmeters_hydroclima", b"", before=HCA).notes


def test_hydroclima_status_bits_have_no_names() -> None:
    payload = run("bmeters_hydroclima", b"\x11\x00\x43" + bytes(44), before=HCA)
    assert payload.flags == ("bit_8", "bit_9", "bit_14")
    assert payload.problem is None


@pytest.mark.parametrize("name", DECODERS)
@given(body=st.binary(max_size=80), before=st.sampled_from([b"\x00\x00", b"\x06\x10", b"\x03\x6e\x01\x00\x00\x0f"]))
def test_any_bytes(name: str, body: bytes, before: bytes) -> None:
    run(name, body, before)


@given(body=st.binary(min_size=44, max_size=44), vif=st.sampled_from([0x6E, 0x05, 0x06, 0x0D, 0x0E, 0x13]))
def test_any_walk_by_block(body: bytes, vif: int) -> None:
    head = bytes((0x35, 0, 0x82, 1, 0, 0, 0, 0, 7, 0xC1, vif))
    run("qundis_walk_by", head + body[:43])


@given(body=st.binary(max_size=120))
def test_any_registers(body: bytes) -> None:
    run("apator_at_wmbus_16_2", REGISTERS + body)


@given(body=st.binary(max_size=60), kind=st.sampled_from([b"\x10", b"\x11"]))
def test_any_hydroclima_block(body: bytes, kind: bytes) -> None:
    run("bmeters_hydroclima", kind + body, before=HCA)
