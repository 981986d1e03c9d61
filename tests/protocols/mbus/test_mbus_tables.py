"""The tables are complete, consistent, and say what the standard's own examples say."""

from __future__ import annotations

import re

import pytest

from protocols.mbus import tables_fb, tables_fd, tables_primary, tables_vife
from protocols.mbus.tables import DATA_FIELDS, Coding, VifCode, VifRange, vif_table

QUANTITY_WORD = re.compile(r"[a-z][a-z0-9_]*")

RESERVED_FB = {0x06, 0x07, 0x0A, 0x0B, 0x12, 0x13, 0x1C, 0x1D, 0x1E, 0x1F, 0x27, 0x32, 0x33, 0x6F, *range(0x38, 0x58)}
"""The factor of 06 (COP) rests on a single source and is reserved in the edition of 2018."""

RESERVED_FD = {*range(0x77, 0x80)}
TABLES = {
    "primary": tables_primary.PRIMARY,
    "FB": tables_fb.FB,
    "FD": tables_fd.FD,
    "FD FD": tables_fd.FD_FD,
}


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        # 6F, 7B and 7D announce other tables.
        (tables_primary.PRIMARY, {0x6F, 0x7B, 0x7D}),
        (tables_fb.FB, RESERVED_FB),
        (tables_fd.FD, RESERVED_FD),
    ],
    ids=["primary", "FB", "FD"],
)
def test_every_code_has_a_row_but_the_reserved_ones(table: dict[int, VifCode], missing: set[int]) -> None:
    assert set(range(0x80)) - set(table) == missing


@pytest.mark.parametrize("name", TABLES)
def test_words_and_units(name: str) -> None:
    for code, row in TABLES[name].items():
        assert QUANTITY_WORD.fullmatch(row.quantity), f"{code:02X}"
        assert row.unit.isascii(), f"{code:02X}"
        assert row.clause.startswith("EN 13757-3")


def test_two_rows_for_one_code_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows for VIF 07"):
        vif_table((VifRange(0x00, 8, "energy"), VifRange(0x07, 1, "volume")), "test")


@pytest.mark.parametrize(
    ("table", "code", "quantity", "unit", "exponent"),
    [
        # The ends of each range of EN 13757-3, Table 10: 0.001 Wh to 10 kWh, 1 J to 10 MJ, and so on.
        ("primary", 0x00, "energy", "kWh", -6),
        ("primary", 0x07, "energy", "kWh", 1),
        ("primary", 0x08, "energy", "MJ", -6),
        ("primary", 0x0F, "energy", "MJ", 1),
        ("primary", 0x10, "volume", "m3", -6),
        ("primary", 0x17, "volume", "m3", 1),
        ("primary", 0x1B, "mass", "kg", 0),
        ("primary", 0x1F, "mass", "kg", 4),
        ("primary", 0x20, "on_time", "s", 0),
        ("primary", 0x27, "operating_time", "d", 0),
        ("primary", 0x2B, "power", "kW", -3),
        ("primary", 0x37, "power", "MJ/h", 1),
        ("primary", 0x3F, "volume_flow", "m3/h", 1),
        ("primary", 0x40, "volume_flow", "m3/min", -7),
        ("primary", 0x4F, "volume_flow", "m3/s", -2),
        ("primary", 0x57, "mass_flow", "kg/h", 4),
        ("primary", 0x5B, "flow_temperature", "C", 0),
        ("primary", 0x5F, "return_temperature", "C", 0),
        ("primary", 0x63, "temperature_difference", "K", 0),
        ("primary", 0x67, "external_temperature", "C", 0),
        ("primary", 0x6B, "pressure", "bar", 0),
        ("FB", 0x01, "energy", "kWh", 3),
        ("FB", 0x09, "energy", "MJ", 3),
        ("FB", 0x0C, "energy", "Mcal", -1),
        ("FB", 0x11, "volume", "m3", 3),
        ("FB", 0x19, "mass", "kg", 6),
        ("FB", 0x23, "volume", "gal", 0),
        ("FB", 0x29, "power", "kW", 3),
        ("FB", 0x2F, "frequency", "Hz", 0),
        ("FB", 0x31, "power", "MJ/h", 3),
        ("FB", 0x7F, "cumulative_maximum_power", "kW", 1),
        ("FD", 0x03, "credit", "currency", 0),
        ("FD", 0x29, "storage_interval", "year", 0),
        ("FD", 0x33, "tariff_duration", "d", 0),
        ("FD", 0x39, "tariff_period", "year", 0),
        ("FD", 0x49, "voltage", "V", 0),
        ("FD", 0x4F, "voltage", "V", 6),
        ("FD", 0x5C, "current", "A", 0),
        ("FD", 0x6F, "battery_operating_time", "year", 0),
        ("FD", 0x71, "rf_level", "dBm", 0),
        ("FD", 0x74, "battery_lifetime_remaining", "d", 0),
        ("FD FD", 0x03, "battery_lifetime_remaining", "year", 0),
    ],
)
def test_rows(table: str, code: int, quantity: str, unit: str, exponent: int) -> None:
    row = TABLES[table][code]
    assert (row.quantity, row.unit, row.exponent) == (quantity, unit, exponent)


def test_data_fields_have_the_lengths_of_the_standard() -> None:
    lengths = [0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6]
    assert [field.length for field in DATA_FIELDS if field is not None] == lengths
    assert DATA_FIELDS[15] is None


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x12, "average"),
        (0x22, "per_hour"),
        (0x3A, "uncorrected"),
        (0x3C, "backward_flow"),
        (0x40, "limit_lower"),
        (0x49, "exceedings_of_upper_limit"),
        (0x42, "date_of_begin_of_first_lower_limit_exceed"),
        (0x4F, "date_of_end_of_last_upper_limit_exceed"),
        (0x50, "duration_of_first_lower_limit_exceed"),
        (0x5F, "duration_of_last_upper_limit_exceed"),
        (0x60, "duration_of_first"),
        (0x67, "duration_of_last"),
        (0x68, "during_lower_limit_exceed"),
        (0x6A, "date_of_begin_of_first"),
        (0x6C, "during_upper_limit_exceed"),
        (0x6F, "date_of_end_of_last"),
        (0x7E, "future_value"),
        (0x10, "reserved_10"),
        (0x45, "reserved_45"),
    ],
)
def test_combinable_names(code: int, name: str) -> None:
    assert tables_vife.combinable(code).name == name


def test_directions_of_the_low_codes_differ() -> None:
    assert tables_vife.combinable(0x01).name == "record_error_too_many_dife"
    assert tables_vife.combinable(0x01, downlink=True).name == "action_add"
    assert tables_vife.combinable(0x15).name == "record_error_no_data_available"


def test_combinable_table_leaves_only_the_reserved_codes_out() -> None:
    known = set(tables_vife.COMBINABLE) | set(tables_vife.RECORD_ERRORS)
    # 7C and 7F are read before the table is asked.
    expected = {0x08, 0x09, 0x0A, 0x10, 0x11, 0x19, 0x1A, 0x1B, 0x44, 0x45, 0x4C, 0x4D, 0x7C, 0x7F}
    assert set(range(0x80)) - known == expected


def test_multiplicative_corrections_run_from_millionth_to_thousand() -> None:
    exponents = [tables_vife.combinable(code).exponent for code in (*range(0x70, 0x78), 0x7D)]
    assert exponents == [-6, -5, -4, -3, -2, -1, 0, 1, 3]


def test_extension_of_the_combinable_table() -> None:
    assert tables_vife.extension(0x01).name == "phase_l1"
    assert tables_vife.extension(0x10).name == "absolute_flow"
    assert tables_vife.extension(0x11).coding is Coding.UNSIGNED
    assert tables_vife.extension(0x55).name == "reserved_fc_55"
