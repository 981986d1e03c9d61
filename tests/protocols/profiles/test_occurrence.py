"""Which record gets which name: by its order, by its header, or from its payload's decoder."""

from __future__ import annotations

from decimal import Decimal

from protocols.mbus.records import parse_records
from protocols.model import Record
from protocols.profiles.apply import interpret
from protocols.profiles.schema import parse_profile

FILE = """
schema = 1
name = "exa"
title = "An example"
[[match]]
manufacturer = "EXA"
[[reading]]
name = "first"
quantity = "volume"
[[reading]]
name = "second"
quantity = "volume"
occurrence = 2
[[reading]]
name = "third"
quantity = "volume"
occurrence = 3
[[reading]]
name = "tenths"
header = "0414"
"""


def names(records: str) -> list[tuple[str, str]]:
    data = bytes.fromhex(records)
    parsed = parse_records(data, 0, len(data))
    readings = interpret(parsed.records, None, parse_profile(FILE, "exa.toml")).readings
    return [(reading.name, str(reading.value)) for reading in readings]


def test_the_order_gives_the_names() -> None:
    assert names("0213 0100 0213 0200 0213 0300 0213 0400") == [
        ("first", "0.001"),
        ("second", "0.002"),
        ("third", "0.003"),
        ("volume", "0.004"),
    ]


def test_a_record_named_by_its_header_is_not_counted() -> None:
    assert names("0213 0100 0414 02000000 0213 0300") == [("first", "0.001"), ("second", "0.003"), ("tenths", "0.02")]


def test_items_of_a_payload_keep_their_names_and_stand_where_the_file_says() -> None:
    def item(index: int, name: str) -> Record:
        return Record(index, index, index, index + 1, b"", b"\x01", "volume", "m3", Decimal(index), name=name)

    records = (item(0, "unlisted"), item(1, "third"), item(2, "first"))
    readings = interpret(records, None, parse_profile(FILE, "exa.toml")).readings
    assert [(reading.name, reading.value) for reading in readings] == [("first", 2), ("third", 1), ("unlisted", 0)]


ALSO = """
[[reading]]
name = "besides"
quantity = "volume"
occurrence = 2
also = true
[[reading]]
name = "besides_tenths"
header = "0414"
also = true
"""


def test_a_record_can_say_two_things() -> None:
    data = bytes.fromhex("0213 0100 0213 0200 0414 03000000 0213 0400 0213 0500")
    parsed = parse_records(data, 0, len(data))
    readings = interpret(parsed.records, None, parse_profile(FILE + ALSO, "exa.toml")).readings
    assert [(reading.name, str(reading.value), reading.record) for reading in readings] == [
        ("first", "0.001", 0),
        ("second", "0.002", 1),
        ("third", "0.004", 3),
        ("tenths", "0.03", 2),
        ("besides", "0.002", 1),
        ("besides_tenths", "0.03", 2),
        ("volume", "0.005", 4),
    ]


def test_a_rule_that_only_adds_leaves_the_record_its_own_name() -> None:
    data = bytes.fromhex("4213 0100")
    parsed = parse_records(data, 0, len(data))
    added = '\n[[reading]]\nname = "due_date_volume"\nquantity = "volume"\nstorage = 1\nalso = true\n'
    readings = interpret(parsed.records, None, parse_profile(FILE + added, "exa.toml")).readings
    assert [reading.name for reading in readings] == ["due_date_volume", "volume"]


def test_an_item_of_a_payload_can_say_two_things() -> None:
    item = Record(0, 0, 0, 1, b"", b"\x01", "hca_units", "", Decimal(7), storage=1, name="due_date_hca_units")
    added = '\n[[reading]]\nname = "previous"\nquantity = "hca_units"\nstorage = 1\nalso = true\n'
    readings = interpret((item,), None, parse_profile(FILE + added, "exa.toml")).readings
    assert [(reading.name, reading.value) for reading in readings] == [("previous", 7), ("due_date_hca_units", 7)]
