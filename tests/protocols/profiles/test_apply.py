"""How rules turn records into readings, where the generic decoder alone would say something else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from protocols.mbus.records import parse_records
from protocols.model import Quality, Reading
from protocols.profiles.apply import interpret
from protocols.profiles.schema import parse_profile

FILE = """
schema = 1
name = "exa"
title = "An example"
[[match]]
manufacturer = "EXA"
[[reading]]
"""


def read(rule: str, records: str) -> Reading:
    data = bytes.fromhex(records)
    parsed = parse_records(data, 0, len(data))
    assert parsed.problem is None
    return interpret(parsed.records, None, parse_profile(FILE + rule, "exa.toml")).readings[0]


@pytest.mark.parametrize(
    ("rule", "records", "name", "value"),
    [
        ('name = "f"\nheader = "05FF5A"\nscale = "0.1"\ncoding = "real"', "05ff5a 0000fa43", "f", Decimal("50.0")),
        ('name = "f"\nheader = "05FF5A"\nscale = "0.1"\ncoding = "real"', "05ff5a 0000c07f", "f", None),
        ('name = "f"\nheader = "02FF5A"\nscale = "0.1"\ncoding = "signed"', "02ff5a feff", "f", Decimal("-0.2")),
        ('name = "f"\nheader = "02FF5A"\nscale = "0.1"\ncoding = "signed"', "02ff5a 0080", "f", None),
        ('name = "f"\nheader = "02FF5A"\nscale = "0.1"', "02ff5a ffff", "f", None),
        ('name = "f"\nheader = "02FF5A"\nscale = "0.1"', "02ff5a 0080", "f", Decimal("3276.8")),
        ('name = "p"\nheader = "0DFF10"\ncoding = "text"', "0dff10 03 434241", "p", "ABC"),
        ('name = "p"\nheader = "0DFF10"\ncoding = "text_in_order"', "0dff10 03 414243", "p", "ABC"),
        ('name = "p"\nheader = "03FF10"\ncoding = "text"', "03ff10 434241", "p", "ABC"),
        ('name = "v"\nquantity = "volume"\ninvalid = "FEFE"', "0213 fefe", "v", None),
        ('name = "v"\nquantity = "volume"\ninvalid = ["FDFD", "FEFE"]', "0213 fcfe", "v", Decimal("-0.260")),
        (
            'name = "v_{n}"\nquantity = "volume"\nstorage = "2,4..8"\nn_first = 1',
            "820313 0100",
            "v_3",
            Decimal("0.001"),
        ),
        (
            'name = "v_{n}"\nquantity = "volume"\nstorage = "2..8"\nn_first = 7\nn_step = -1',
            "820313 0100",
            "v_3",
            Decimal("0.001"),
        ),
    ],
    ids=[
        "real",
        "not-a-number",
        "signed",
        "signed-no-value",
        "unsigned-no-value",
        "unsigned",
        "text",
        "text-in-order",
        "fixed-text",
        "no-value",
        "value",
        "steps",
        "downwards",
    ],
)
def test_a_rule(rule: str, records: str, name: str, value: object) -> None:
    reading = read(rule, records)
    assert reading.name == name
    assert reading.value == value
    assert (reading.quality is Quality.INVALID) == (value is None)


@pytest.mark.parametrize("rule", ['scale = "0.1"', 'coding = "text"'])
def test_a_value_during_an_error_state_stays_one(rule: str) -> None:
    reading = read(f'name = "f"\nheader = "32FF5A"\n{rule}', "32ff5a 3132")
    assert reading.value is not None
    assert reading.quality is Quality.ERROR_STATE


def test_a_storage_between_the_steps_keeps_its_generic_name() -> None:
    reading = read('name = "v_{n}"\nquantity = "volume"\nstorage = "2,4..8"\nn_first = 1', "c20113 0100")
    assert (reading.name, reading.storage) == ("volume", 3)
