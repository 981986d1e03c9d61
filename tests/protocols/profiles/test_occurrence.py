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
