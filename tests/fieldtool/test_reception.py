"""Rows, counters, and which telegrams are kept of what was heard."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fieldtool.pipeline.main_reading import main_reading
from fieldtool.pipeline.reception import Reception
from protocols.decode import decode
from protocols.model import (
    Address,
    Function,
    Outcome,
    RawFrame,
    Reading,
    Status,
    Telegram,
)

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
HEAT = Address.of("KAM", "71000002", 0x34, 0x04)


def telegram(
    meter: Address | None = WATER,
    data: bytes = b"\x01",
    outcome: Outcome = Outcome.OK,
    seconds: float = 0,
    readings: tuple[Reading, ...] = (),
    status: Status | None = None,
    profile: str | None = None,
) -> Telegram:
    frame = RawFrame(data, at=START + timedelta(seconds=seconds), source="test", mode="C1", rssi_dbm=-70)
    return Telegram(
        frame=frame,
        data=data,
        plain=data,
        outcome=outcome,
        problem=None if outcome is Outcome.OK else "a problem",
        verdict=(),
        meter=meter,
        readings=readings,
        status=status,
        profile=profile,
    )


def reading(quantity: str, value: str, unit: str = "m3", storage: int = 0) -> Reading:
    return Reading(name=quantity, value=Decimal(value), unit=unit, quantity=quantity, storage=storage)


def test_one_row_a_meter_in_order_of_first_hearing() -> None:
    reception = Reception()
    reception.accept(telegram(WATER, b"\x01"))
    reception.accept(telegram(HEAT, b"\x02", seconds=1))
    reception.accept(telegram(WATER, b"\x03", seconds=2))
    assert [(row.address, row.telegrams) for row in reception.rows()] == [(WATER, 2), (HEAT, 1)]
    row = reception.row(WATER)
    assert row is not None
    assert (row.first_at, row.last_at) == (START, START + timedelta(seconds=2))
    assert [t.data for t in reception.telegrams(WATER)] == [b"\x01", b"\x03"]
    assert [t.data for t in reception.telegrams(HEAT)] == [b"\x02"]


def test_counters_add_up() -> None:
    reception = Reception()
    for number, outcome in enumerate(Outcome):
        reception.accept(telegram(WATER, bytes([number]), outcome))
    reception.accept(telegram(WATER, b"\x00"))
    reception.accept(telegram(None, b"\xff", Outcome.DAMAGED))
    reception.add_lost(3)
    counters = reception.counters
    assert counters.received == 8
    assert counters.shown == counters.no_key == counters.wrong_key == counters.unsupported == 1
    assert counters.not_permitted == counters.duplicates == counters.no_address == 1
    assert counters.damaged == 2
    assert counters.dropped == 3


def test_frames_without_address_share_one_row() -> None:
    reception = Reception()
    reception.accept(telegram(None, b"\x01", Outcome.DAMAGED))
    reception.accept(telegram(None, b"\x02", Outcome.DAMAGED))
    row = reception.row(None)
    assert row is not None
    assert row.telegrams == 2
    assert len(reception.telegrams(None)) == 2


def test_the_same_bytes_later_are_a_telegram_of_their_own() -> None:
    reception = Reception()
    assert reception.accept(telegram(seconds=0))
    assert not reception.accept(telegram(seconds=9))
    assert reception.accept(telegram(seconds=30))
    assert reception.counters.duplicates == 1


@pytest.mark.parametrize(
    ("first", "copy", "counted"),
    [
        (Outcome.NO_KEY, Outcome.OK, True),
        (Outcome.UNSUPPORTED, Outcome.OK, True),
        (Outcome.OK, Outcome.NO_KEY, False),
        (Outcome.OK, Outcome.UNSUPPORTED, False),
        (Outcome.NO_KEY, Outcome.WRONG_KEY, False),
    ],
)
def test_a_copy_counts_where_it_is_read_and_the_first_was_not(first: Outcome, copy: Outcome, counted: bool) -> None:
    reception = Reception()
    reception.accept(telegram(outcome=first))
    assert reception.accept(telegram(outcome=copy, seconds=1)) is counted
    row = reception.row(WATER)
    assert row is not None
    assert row.outcome is (copy if counted else first)
    assert reception.counters.received == 2
    assert reception.counters.duplicates == (not counted)


def test_a_damaged_telegram_keeps_the_last_reading_of_its_own_meter_only() -> None:
    reception = Reception()
    reception.accept(telegram(WATER, b"\x01", readings=(reading("volume", "12.345"),)))
    reception.accept(telegram(WATER, b"\x02", Outcome.DAMAGED))
    reception.accept(telegram(HEAT, b"\x03", Outcome.NO_KEY))
    water, heat = reception.rows()
    assert water.outcome is Outcome.DAMAGED
    assert water.main_reading is not None
    assert water.main_reading.value == Decimal("12.345")
    assert heat.main_reading is None
    assert dict(water.by_outcome) == {Outcome.OK: 1, Outcome.DAMAGED: 1}


def test_main_reading_by_medium_without_a_profile() -> None:
    reception = Reception()
    rs = (reading("volume", "1.5"), reading("energy", "7", "kWh", storage=1), reading("energy", "9", "kWh"))
    reception.accept(telegram(HEAT, b"\x01", readings=rs))
    reception.accept(telegram(WATER, b"\x02", readings=rs))
    heat, water = reception.rows()
    assert heat.main_reading == rs[2]
    assert water.main_reading == rs[0]


def test_main_reading_is_the_first_of_a_profile() -> None:
    reception = Reception()
    rs = (reading("volume", "1.5"), reading("energy", "9", "kWh"))
    reception.accept(telegram(HEAT, b"\x01", readings=rs, profile="some_heat"))
    assert reception.rows()[0].main_reading == rs[0]


@pytest.mark.parametrize(
    ("frame", "name", "value"),
    [
        ("19442423860775035048A251520015BEB6B2E1ED623A18FC74A5", "total_volume", "521.602"),
        ("1944304C72242421D401A2013D4013DD8B46A4999C1293E582CC", "total_volume", "3.488"),
        (
            "32446850059605416980A0019F334805400CFE029808B1080000000000060F4F3467AEA9A88D7B8D503E" + 18 * "0",
            "hca_units",
            "766",
        ),
        ("154468503132333474 62A2067F24590010083100 000003", "total_volume", "13.8"),
        ("1944685065492358 27C3A2129F25383300A82600008200800A2A", "total_energy", None),
    ],
    ids=["Hydrometer", "Sappel", "FHKV data III", "MK Radio 3", "vario 4"],
)
def test_main_reading_of_makers_own_payloads_is_what_the_meter_is_bought_for(
    frame: str, name: str, value: str | None
) -> None:
    data = bytes.fromhex(frame)
    main = main_reading(decode(bytes((len(data) - 1,)) + data[1:]))
    assert main is not None
    assert main.name == name
    assert value is None or main.value == Decimal(value)


def test_alarms_are_status_flags_and_error_flags() -> None:
    flags = Reading(
        name="error_flags", value=5, unit="", quantity="error_flags", function=Function.INSTANTANEOUS, source="02FD17"
    )
    clear = Reading(name="error_flags", value=0, unit="", quantity="error_flags")
    reception = Reception()
    reception.accept(telegram(WATER, b"\x01", status=Status(4, ("battery_low",)), readings=(flags,)))
    reception.accept(telegram(HEAT, b"\x02", readings=(clear,)))
    water, heat = reception.rows()
    assert water.alarms == ("battery_low", "error_flags 0x5")
    assert heat.alarms == ()


def test_histories_are_bounded() -> None:
    reception = Reception(history_size=5, meter_history_size=3)
    for number in range(20):
        reception.accept(telegram(WATER, bytes([number])))
    assert [t.data for t in reception.telegrams(WATER)] == [b"\x11", b"\x12", b"\x13"]


def test_what_is_kept_of_many_meters_is_bounded_as_a_whole() -> None:
    reception = Reception(history_size=10)
    meters = [Address.of("KAM", f"{number:08d}", 0x1B, 0x16) for number in range(30)]
    for turn in range(5):
        for number, meter in enumerate(meters):
            reception.accept(telegram(meter, bytes([turn, number]), seconds=turn))
    kept = [reception.telegrams(meter) for meter in meters]
    assert all(telegrams for telegrams in kept), "the newest telegram of each meter is always kept"
    assert sum(map(len, kept)) <= len(meters) + 10
    assert [telegrams[-1].data[0] for telegrams in kept] == [4] * 30
    reception.accept(telegram(meters[0], b"\x09", seconds=9))
    assert [t.data for t in reception.telegrams(meters[0])] == [b"\x04\x00", b"\x09"]


def test_a_meter_that_sends_much_pushes_out_its_own_telegrams_first() -> None:
    reception = Reception(history_size=8, meter_history_size=4)
    reception.accept(telegram(HEAT, b"\xff"))
    for number in range(7):
        reception.accept(telegram(WATER, bytes([number])))
    assert [t.data for t in reception.telegrams(WATER)] == [bytes([number]) for number in (3, 4, 5, 6)]
    assert len(reception.telegrams(HEAT)) == 1


def test_version_grows_with_every_change() -> None:
    reception = Reception()
    versions = [reception.version]
    reception.accept(telegram())
    versions.append(reception.version)
    reception.accept(telegram())
    versions.append(reception.version)
    reception.add_lost(1)
    versions.append(reception.version)
    reception.add_lost(0)
    assert versions == sorted(set(versions))
    assert reception.version == versions[-1]


def test_readers_see_whole_states_while_one_thread_writes() -> None:
    reception = Reception(history_size=100)
    done = threading.Event()
    torn: list[str] = []

    def read() -> None:
        while not done.is_set():
            counters = reception.counters
            if counters.received != counters.shown + counters.damaged:
                torn.append(repr(counters))
            if any(row.telegrams != sum(row.by_outcome.values()) for row in reception.rows()):
                torn.append("row")

    reader = threading.Thread(target=read, name="reader-of-test")
    reader.start()
    for number in range(2_000):
        outcome = Outcome.OK if number % 2 else Outcome.DAMAGED
        reception.accept(telegram(WATER, number.to_bytes(2, "big"), outcome))
    done.set()
    reader.join(5)
    assert not reader.is_alive()
    assert torn == []
