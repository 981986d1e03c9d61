"""Compact profiles: the examples of EN 13757-3, Annex F, and telegrams of real meters."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from protocols.mbus.records import ParsedRecords, parse_records
from protocols.model import Quality, Value

Row = tuple[int, str, str]


def parse(text: str) -> ParsedRecords:
    data = bytes.fromhex(text)
    return parse_records(data, 0, len(data))


def rows(parsed: ParsedRecords) -> list[Row]:
    """Return storage, time and value of each pair that was spread out."""
    found = [record for record in parsed.records if record.expanded_from is not None]
    pairs = zip(found[::2], found[1::2], strict=True)
    return [(value.storage, _text(when.value), _text(value.value)) for when, value in pairs]


def _text(value: Value) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def test_increments_every_hour() -> None:
    # EN 13757-3, F.2.7
    parsed = parse("84046D00204111 8B0415003012 8D04951F056901030211")
    assert rows(parsed) == [
        (9, "2010-01-01 01:00:00", "12300.3"),
        (10, "2010-01-01 02:00:00", "12300.5"),
        (11, "2010-01-01 03:00:00", "12301.6"),
    ]
    whole = parsed.records[2]
    assert (whole.quantity, whole.value, whole.unit, whole.modifiers) == (
        "volume",
        "6901030211",
        "",
        ("compact_profile",),
    )
    first = parsed.records[4]
    assert (first.expanded_from, first.unit, first.modifiers, first.data) == (2, "m3", (), b"\x03")
    assert (first.start, first.data_start, first.end) == (20, 20, 21)


def test_inverse_profile_runs_backwards() -> None:
    # EN 13757-3, F.2.8
    assert rows(parse("84046D00234111 8B0415163012 8D049513056901110203")) == [
        (9, "2010-01-01 02:00:00", "12300.5"),
        (10, "2010-01-01 01:00:00", "12300.3"),
        (11, "2010-01-01 00:00:00", "12300.0"),
    ]


def test_profiles_with_register_numbers() -> None:
    # EN 13757-3, F.2.6: three base pairs, two of them followed by monthly absolute values of tariff 1.
    parsed = parse(
        "868081006D0000A0411135 8490810003F0490200 8D908100831E0A34FEA0860100D0FB0100"
        "C68181006D0B0C8D59130C C491810003905F0100"
        "868281006D00008041140D 849281000350C30000 8D928100831E0634FE00710200"
    )
    assert rows(parsed) == [
        (33, "2010-02-01 00:00:00", "100.000"),
        (34, "2010-03-01 00:00:00", "130.000"),
        (37, "2010-05-01 00:00:00", "160.000"),
    ]
    assert {record.tariff for record in parsed.records if record.expanded_from is not None} == {1}


def test_signed_differences_of_a_water_meter() -> None:
    # ZRI water meter: monthly differences back from the due date.
    found = rows(
        parse(
            "82046C8121 8C041375440600"
            "8D0493132CFBFE124400514100703500773300754900163600735600915500955700315700284200184700613900564200"
        )
    )
    assert found[:2] == [(9, "2019-12-01", "60.063"), (10, "2019-11-01", "55.912")]
    assert found[-1] == (22, "2018-11-01", "0.421")


def test_unused_elements_are_no_values() -> None:
    # A heat cost allocator whose older months are not there yet.
    parsed = parse("8B046E000000 82046C4132 8D04EE130B3BFE990000520000FFFFFF")
    values = [(r.value, r.quality) for r in parsed.records if r.expanded_from is not None and r.quantity == "hca_units"]
    assert values == [(99, Quality.GOOD), (52, Quality.GOOD), (None, Quality.NOT_AVAILABLE)]


def test_nothing_is_summed_up_behind_an_unused_increment() -> None:
    parsed = parse("84046D00204111 8B0415003012 8D04951F05690103FF11")
    values = [r.value for r in parsed.records if r.expanded_from is not None and r.quantity == "volume"]
    assert values == [Decimal("12300.3"), None, None]


def test_increments_without_base_value_are_unknown() -> None:
    parsed = parse("84046D00204111 8D04951F056901030211")
    values = [r.value for r in parsed.records if r.expanded_from is not None and r.quantity == "volume"]
    assert values == [None, None, None]


def test_absolute_values_without_base_time_have_no_times() -> None:
    parsed = parse("8D04951F 05 29 01 03 02 11")
    found = [r for r in parsed.records if r.expanded_from is not None]
    assert [r.quantity for r in found] == ["volume"] * 3
    assert [r.value for r in found] == [Decimal("0.3"), Decimal("0.2"), Decimal("1.1")]


@pytest.mark.parametrize(
    ("base", "control", "spacing", "expected"),
    [
        ("2020-01-31", "34", "FE", [date(2020, 2, 29), date(2020, 3, 31)]),
        ("2020-04-30", "34", "FE", [date(2020, 5, 31), date(2020, 6, 30)]),
        ("2021-02-28", "24", "FE", [date(2021, 5, 31), date(2021, 8, 31)]),
        ("2020-02-28", "34", "FE", [date(2020, 3, 28), date(2020, 4, 28)]),
        ("2020-01-30", "34", "FE", [date(2020, 2, 29), date(2020, 3, 30)]),
        ("2020-01-01", "24", "FE", [date(2020, 4, 1), date(2020, 7, 1)]),
        ("2020-01-01", "14", "FE", [date(2020, 7, 1), date(2021, 1, 1)]),
        ("2020-01-01", "34", "FD", [date(2020, 1, 16), date(2020, 2, 1)]),
        ("2020-01-01", "34", "07", [date(2020, 1, 8), date(2020, 1, 15)]),
        ("2020-01-01", "24", "06", ["2020-01-01 06:00", "2020-01-01 12:00"]),
        ("2020-01-16", "34", "FD", [date(2020, 2, 1), date(2020, 2, 16)]),
        ("2019-12-31", "34", "FD", [date(2020, 1, 15), date(2020, 1, 31)]),
        ("2020-02-15", "34", "FD", [date(2020, 2, 29), date(2020, 3, 15)]),
        ("2020-01-05", "34", "FD", []),
        ("2020-01-30", "34", "FD", []),
    ],
)
def test_spacing(base: str, control: str, spacing: str, expected: list[date | str]) -> None:
    day = date.fromisoformat(base)
    year = day.year - 2000
    wire = bytes(((year & 7) << 5 | day.day, year >> 3 << 4 | day.month))
    parsed = parse(f"82046C{wire.hex()} 8D04831F 0A {control}{spacing} 01000000 02000000")
    times = [r.value for r in parsed.records if r.expanded_from is not None and r.quantity in ("date", "datetime")]
    assert times == [datetime.fromisoformat(e) if isinstance(e, str) else e for e in expected]


def test_halves_of_months_run_backwards_from_the_last_of_a_month() -> None:
    parsed = parse("82046C7F2C 8404130A000000 8D049313 05 71FD 010203")
    found = [record.value for record in parsed.records if record.expanded_from is not None]
    days = [date(2019, 12, 15), date(2019, 11, 30), date(2019, 11, 15)]
    assert found[::2] == days
    assert [str(value) for value in found[1::2]] == ["0.009", "0.007", "0.004"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("8D04951F 00", "no control and spacing byte"),
        ("8D04951F 03 6D0103", "illegal element type in control byte 6D"),
        ("8D04951F 03 690003", "it is an array without times"),
        ("8D04951F 03 69FB03", "reserved spacing byte FB"),
        ("8D04951F 03 49FE03", "reserved spacing byte FE"),
        ("8404951F 69010302", "its data are not of variable length"),
    ],
)
def test_what_cannot_be_spread_out_is_kept_whole_with_a_note(record: str, reason: str) -> None:
    parsed = parse(record)
    assert len(parsed.records) == 1
    assert parsed.problem is None
    assert parsed.notes == (f"profile {parsed.records[0].source} is not spread out: {reason}",)


def test_the_base_has_the_same_vif_where_the_quantity_is_there_twice() -> None:
    coarse, fine = "0416 05000000", "0413 8C130000"
    for bases in (coarse + fine, fine + coarse):
        parsed = parse(f"046D00204111 {bases} 0D931F 04 6101 0203")
        assert [value for _, _, value in rows(parsed)] == ["5.006", "5.009"]
    assert [value for _, _, value in rows(parse(f"046D00204111 {coarse} 0D931F 03 6101 02"))] == ["5.002"]


def test_a_profile_that_ends_inside_a_value_says_so() -> None:
    parsed = parse("046D00204111 041301000000 0D931F 05 4201 010203")
    assert [value for _, _, value in rows(parsed)] == ["0.514"]
    assert parsed.notes == ("profile 0D931F ends inside a value: 1 byte left over",)
