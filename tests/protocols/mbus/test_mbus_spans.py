"""What the leaves of the explanation say."""

from __future__ import annotations

import pytest

from protocols.mbus.compact import expand_compact, shipped_formats
from protocols.mbus.records import parse_records
from protocols.mbus.spans import application_spans, record_spans

Leaf = tuple[str, str, str]


def explain(text: str, *, downlink: bool = False) -> list[Leaf]:
    """Return bytes, name and meaning of each leaf."""
    data = bytes.fromhex(text)
    parsed = parse_records(data, 0, len(data), downlink=downlink)
    leaves = application_spans(parsed.records, 0, len(data), data, parsed.tail)
    return [(data[leaf.start : leaf.end].hex().upper(), leaf.name, leaf.meaning) for leaf in leaves]


def test_a_plain_record() -> None:
    assert explain("441308190000") == [
        ("44", "DIF", "32-bit integer, storage 1"),
        ("13", "VIF", "volume, m3, x 10^-3"),
        ("08190000", "data", "volume: 6.408 m³"),
    ]


def test_extensions() -> None:
    assert explain("B4D001FB82F53C01000000") == [
        ("B4", "DIF", "32-bit integer, value during error state, storage 32, tariff 1, subunit 1"),
        ("D0", "DIFE", "tariff + 1, subunit + 1"),
        ("01", "DIFE", "storage + 32"),
        ("FB", "VIF", "extension table FB"),
        ("82", "VIFE", "reactive energy, kvarh"),
        ("F5", "VIFE", "x 10^-1"),
        ("3C", "VIFE", "backward flow"),
        ("01000000", "data", "reactive energy backward flow: 0.1 kvarh (error state)"),
    ]


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("FC0348522574", [("FC", "VIF"), ("03485225", "plain text"), ("74", "VIFE")]),
        ("FC7403485225", [("FC", "VIF"), ("74", "VIFE"), ("03485225", "plain text")]),
    ],
    ids=["field order", "standard order"],
)
def test_plain_text(text: str, leaves: list[tuple[str, str]]) -> None:
    found = explain(f"02{text}440D")
    assert [leaf[:2] for leaf in found[1:-1]] == leaves
    assert found[-1] == ("440D", "data", "plain text unit: 33.96 %RH")


def test_variable_length() -> None:
    assert explain("0D78083430363030383332")[2:] == [
        ("08", "LVAR", "8 bytes of text or raw data"),
        ("3430363030383332", "data", "fabrication number: 23800604"),
    ]
    assert explain("0D06C20500")[2] == ("C2", "LVAR", "2 bytes, positive BCD")
    assert explain("0D06E0")[2:] == [("E0", "LVAR", "0 bytes, binary")]


def test_fillers_tail_and_damage() -> None:
    assert explain("2F2F 0113052F 1F 1234")[::4] == [
        ("2F2F", "filler", "idle filler 2F"),
        ("2F", "filler", "idle filler 2F"),
    ]
    assert explain("2F2F 0113052F 1F 1234")[-2:] == [
        ("1F", "DIF", "manufacturer specific data follow, more records in the next telegram"),
        ("1234", "manufacturer data", "manufacturer specific"),
    ]
    assert explain("011305 0413")[-1] == ("0413", "undecoded", "not decoded")
    assert explain("7F")[0] == ("7F", "DIF", "global readout request 7F")


def test_a_profile_is_explained_once() -> None:
    leaves = explain("8D04951F056901030211")
    assert [leaf[0] for leaf in leaves] == ["8D", "04", "95", "1F", "05", "6901030211"]


def test_an_element_of_a_profile_is_its_bytes() -> None:
    data = bytes.fromhex("84046D00204111 8B0415003012 8D04951F056901030211")
    parsed = parse_records(data, 0, len(data))
    (leaf,) = record_spans(parsed.records[4])
    assert (leaf.start, leaf.end, leaf.meaning) == (20, 21, "volume: 12300.3 m³")


def test_a_compact_frames_record_is_its_data() -> None:
    data = bytes.fromhex("EDA8E475710009190000091900007F16")
    found = expand_compact(data, 0, len(data), shipped_formats())
    leaves = [leaf for record in found.records for leaf in record_spans(record)]
    assert [(leaf.start, leaf.end, leaf.name) for leaf in leaves] == [
        (4, 6, "data"),
        (6, 10, "data"),
        (10, 14, "data"),
        (14, 15, "data"),
        (15, 16, "data"),
    ]
    assert leaves[1].meaning == "volume: 6.409 m³"


def test_actions_are_actions_only_towards_the_meter() -> None:
    assert explain("04930108190000", downlink=True)[2] == ("01", "VIFE", "action add")
    assert explain("04930108190000")[2] == ("01", "VIFE", "record error too many dife")


def test_a_key_is_withheld() -> None:
    assert explain("0DFD1902ABCD")[-1] == ("ABCD", "data", "security key: withheld")


def test_no_value_says_why() -> None:
    assert explain("4413FFFFFFFF")[-1] == ("FFFFFFFF", "data", "volume: no value (not available)")


def test_hostile_text_is_defused() -> None:
    leaves = explain("0DFD0F041B5D305B 017C021B5B00")
    assert all(leaf[2].isprintable() for leaf in leaves)
