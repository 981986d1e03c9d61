"""Lists of meters as offices and spreadsheets write them."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from fieldtool.errors import InputError
from fieldtool.report.expected import ExpectedMeter, expected_of_file

LIST = "number;place\nELS 12345678;Küche\nKAM 87654321;attic\n"
DEV_EUI = "70b3d5a840000001"
KEY = "0102030405060708090A0B0C0D0E0F11"


def read(tmp_path: Path, data: bytes | str) -> tuple[list[ExpectedMeter], list[str]]:
    path = tmp_path / "list.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    told: list[str] = []
    return expected_of_file(path, told.append), told


def shown(meters: list[ExpectedMeter]) -> list[tuple[str | None, str, str]]:
    return [(meter.manufacturer, meter.number, meter.label) for meter in meters]


@pytest.mark.parametrize(
    "data",
    [
        LIST.encode("utf-8-sig"),
        LIST.replace("\n", "\r\n").encode("cp1252"),
        codecs.BOM_UTF16_LE + LIST.replace(";", "\t").encode("utf-16-le"),
        codecs.BOM_UTF16_BE + LIST.encode("utf-16-be"),
        f"sep=|\r\n{LIST.replace(';', '|')}".encode(),
        f"# tour 7\n\nHill Street, from 3 to 9\n{LIST}".encode(),
        LIST.replace("\n", "\r").encode(),
        f"Meter;place\n;\n{LIST}".encode(),
    ],
    ids=[
        "UTF-8 with a mark",
        "Windows",
        "UTF-16 of Excel",
        "UTF-16 BE",
        "sep",
        "below a title",
        "old Mac",
        "two headings",
    ],
)
def test_whatever_a_spreadsheet_writes_is_read(tmp_path: Path, data: bytes) -> None:
    assert shown(read(tmp_path, data)[0]) == [("ELS", "12345678", "Küche"), ("KAM", "87654321", "attic")]


@pytest.mark.parametrize(
    ("text", "maker", "number"),
    [
        ("12 34 56 78", None, "12345678"),
        ("kam-12345678", "KAM", "12345678"),
        ("6ELS0112345678", "ELS", "12345678"),
        ('="01234567"', None, "01234567"),
        ("21n001052", None, "21N001052"),
        ("70-B3-D5-A8-40-00-00-01", None, DEV_EUI),
        ("12ABCDEF", None, "12abcdef"),
    ],
    ids=["blanks", "letters", "label of the meter", "text of a spreadsheet", "serial", "DevEUI", "hex digits"],
)
def test_a_number_is_taken_in_any_spelling(tmp_path: Path, text: str, maker: str | None, number: str) -> None:
    assert shown(read(tmp_path, f"{text}\n")[0]) == [(maker, number, "")]


def test_zeros_that_a_spreadsheet_took_are_not_missed(tmp_path: Path) -> None:
    (meter,), _ = read(tmp_path, "1234567\n")
    assert {"1234567", "01234567"} <= meter.names


def test_columns_are_found_by_their_headings(tmp_path: Path) -> None:
    text = f"Wohnung;Key;Hersteller;Zählernummer;Funkmodul;DevEUI\nflat 1204;{KEY};ELS;12345678;11112222;{DEV_EUI}\n"
    (meter,), _ = read(tmp_path, text)
    assert shown([meter]) == [("ELS", "12345678", "flat 1204")]
    assert {"12345678", DEV_EUI} <= meter.names
    assert meter.adapters == {"11112222"}


def test_a_key_is_no_name(tmp_path: Path) -> None:
    assert shown(read(tmp_path, f"12345678;{KEY}\n")[0]) == [(None, "12345678", "")]


def test_a_comma_in_a_name_is_no_column(tmp_path: Path) -> None:
    text = "12345678;left, back, top\n87654321;right, front, top\n"
    assert shown(read(tmp_path, text)[0])[0] == (None, "12345678", "left, back, top")


def test_a_meter_that_comes_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    meters, told = read(tmp_path, "ELS 12345678;cellar\n87654321\nELS12345678;attic\n")
    assert shown(meters) == [("ELS", "12345678", "attic"), (None, "87654321", "")]
    assert told == ["list.csv, line 3: ELS 12345678 is in line 1 already, and counts once"]


def test_a_meter_with_and_without_its_maker_is_one_and_two_makers_are_two(tmp_path: Path) -> None:
    meters, told = read(tmp_path, "12345678;cellar\nELS 12345678\nKAM 12345678\n")
    assert shown(meters) == [("ELS", "12345678", "cellar"), ("KAM", "12345678", "")]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("12345678\n1.23457E+07\n", "line 2: the serial number was turned into scientific notation"),
        ("12345678;a\nflat 12;b\n", "line 2: 'flat 12' is no meter number"),
        (f"12345678;a\n{KEY};b\n", "line 2: a key is no meter number"),
        ("flat 1;12345678\nflat 2;87654321\n", "line 1: 'flat 1' is no meter number"),
        ("1O;a\n12345678;b\n", "line 1: '1O' is no meter number"),
        (";flat 1\n12345678;flat 2\n", "line 1: there is no meter number"),
        ("gizmo;flat\nO0O1;a\n12345678;b\n", "line 2: 'O0O1' is no meter number"),
        ("number;flat\nlOOO;a\n12345678;b\n", "line 2: 'lOOO' is no meter number"),
        ('12345678;"flat 1\n87654321;flat 2\n87654322;flat 3\n', "line 1: a quote there has no end before line 2"),
    ],
    ids=[
        "scientific",
        "no number",
        "key",
        "number in another column",
        "mistyped first row",
        "first row without number",
        "mistyped row below another heading",
        "mistyped row below the heading",
        "quote without end",
    ],
)
def test_a_line_that_names_no_meter_is_told(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, text)
    assert problem in raised.value.message
    assert KEY not in raised.value.message


def test_what_is_taken_for_headings_is_told(tmp_path: Path) -> None:
    meters, told = read(tmp_path, "Gizmo;flat\n12345678;a\n")
    assert shown(meters) == [(None, "12345678", "a")]
    assert told == ["list.csv, line 1: 'Gizmo' is taken for a heading, and not for a meter"]
    assert read(tmp_path, LIST)[1] == []


def test_a_cell_may_have_several_lines(tmp_path: Path) -> None:
    meters, _ = read(tmp_path, '12345678;"flat 1\n2nd floor; left"\n87654321;attic\n')
    assert [meter.number for meter in meters] == ["12345678", "87654321"]
