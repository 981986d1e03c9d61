"""Tables that need more than their text: workbooks, archives, and columns that the user has to name."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import ImportBatch, ReadOptions, mapping_of, parse_mapping, read_export
from keystore.formats.csv_columns import Column, KeyColumn
from keystore.model import KeyRole, Ownership
from tests.keystore.kem_files import zipped
from tests.keystore.made_up import NOON, key_of

openpyxl = pytest.importorskip("openpyxl")

KEY = key_of("table").hex().upper()
OTHER = key_of("other").hex().upper()
CSV = f"Serial;Key\n63001468;{KEY}\n".encode()


def read(data: bytes, options: ReadOptions | None = None) -> ImportBatch:
    return read_export(data, "keys", imported_at=NOON, options=options)


def workbook(*sheets: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number + 1}")
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def reason_of(data: bytes, options: ReadOptions | None = None) -> ImportReason:
    with pytest.raises(ImportRejected) as caught:
        read(data, options)
    assert caught.value.hint
    return caught.value.reason


# Workbooks.


def test_the_first_sheet_with_a_table_is_read() -> None:
    rows: list[list[object]] = [
        ["Meters of order 7"],
        [],
        ["Zählernummer", "Hersteller", "OMS-Schlüssel"],
        [63001468, "kam", KEY],
    ]
    batch = read(workbook([["Notes"], ["none"]], rows))
    (record,) = batch.ready
    assert (record.number, record.manufacturer, record.value) == ("63001468", "KAM", key_of("table"))
    assert (record.source.system, record.source.member, record.source.row) == ("xlsx", "Sheet 2", 4)


def test_all_sheets_with_a_table_are_read() -> None:
    header: list[object] = ["Seriennummer", "AES-Schlüssel"]
    batch = read(workbook([header, ["63001468", KEY]], [["Notes"]], [header, ["63001469", OTHER]]))
    assert [(one.number, one.source.member, one.source.row) for one in batch.ready] == [
        ("63001468", "Sheet 1", 2),
        ("63001469", "Sheet 3", 2),
    ]


def test_a_hidden_sheet_is_left_out_and_named() -> None:
    header: list[object] = ["Seriennummer", "AES-Schlüssel"]
    book = openpyxl.load_workbook(io.BytesIO(workbook([header, ["63001468", OTHER]], [header, ["63001469", KEY]])))
    book.worksheets[0].sheet_state = "hidden"
    book.active = 1
    out = io.BytesIO()
    book.save(out)
    batch = read(out.getvalue())
    assert [one.number for one in batch.ready] == ["63001469"]
    assert batch.warnings == ("the hidden sheet Sheet 1 is not read: show it to import its keys",)


def test_a_column_of_a_sheet_that_is_not_read_is_named() -> None:
    header: list[object] = ["Meter no", "Seriennummer", "AES key"]
    batch = read(workbook([header, ["87654321", "63001468", KEY]]))
    assert [one.number for one in batch.ready] == ["63001468"]
    assert len(batch.warnings) == 1


def test_a_cell_that_holds_a_date_is_no_number() -> None:
    header: list[object] = ["Seriennummer", "AES-Schlüssel"]
    batch = read(workbook([header, [datetime(2026, 1, 2), KEY], [True, OTHER]]))  # noqa: DTZ001 - a cell has no zone
    assert [row.record for row in batch.rows] == [None, None]


def test_numbers_that_a_workbook_has_cut_are_refused() -> None:
    digits = 12345678901234567890123456789012
    header = ["Serial", "DevEUI", "OMS key", "AppKey"]
    rows: list[list[object]] = [
        [123456, None, KEY, None],
        ["x1", 7077700000000001, None, OTHER],
        ["x2", None, float(digits), None],
        [63001468.5, None, KEY, None],
        [True, None, KEY, None],
        [None, None, None, None],
        ["=1+1", None, KEY, None],
    ]
    batch = read(workbook([header, *rows]))
    padded, *_ = batch.ready
    assert (padded.number, batch.rows[0].warnings) == (
        "00123456",
        ("the serial number has 6 digits: filed with leading zeros",),
    )
    reasons = {row.row: row.reason for row in batch.quarantined}
    assert "DevEUI was turned into scientific" in reasons[3]
    assert "key was turned into scientific" in reasons[4]
    assert "decimal" in reasons[5]
    assert 7 not in {row.row for row in batch.rows}


def test_a_sheet_of_coloured_empty_rows_is_given_up() -> None:
    assert reason_of(workbook([["Serial", "Key"], *[[None, " "]] * 11_000, ["1", KEY]])) is ImportReason.TOO_LARGE


def test_a_workbook_without_keys_is_rejected() -> None:
    assert reason_of(workbook([["Serial", "Label"], ["1", "x"]])) is ImportReason.NO_COLUMNS
    assert reason_of(workbook([["Serial", "Key"]])) is ImportReason.EMPTY


def rezipped(data: bytes, name: str, content: bytes) -> bytes:
    """The archive with one member replaced."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    return zipped({**members, name: content})


def test_hostile_workbooks_are_rejected() -> None:
    good = workbook([["Serial", "Key"], ["63001468", KEY]])
    sheet = "xl/worksheets/sheet1.xml"
    dtd = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><worksheet/>'
    assert reason_of(rezipped(good, sheet, dtd)) is ImportReason.FORBIDDEN_XML
    assert reason_of(rezipped(good, sheet, dtd.decode().encode("utf-16"))) is ImportReason.FORBIDDEN_XML
    assert reason_of(rezipped(good, sheet, b"<worksheet><sheetData><row>")) is ImportReason.DAMAGED
    assert reason_of(rezipped(good, "xl/workbook.xml", b"")) is ImportReason.DAMAGED
    assert reason_of(rezipped(good, "xl/workbook.xml", b"<a/>")) in {ImportReason.DAMAGED, ImportReason.NO_COLUMNS}
    bomb = b"<worksheet><sheetData>" + b"<row/>" * 3_000_000
    assert reason_of(rezipped(good, sheet, bomb)) is ImportReason.TOO_LARGE


def test_without_openpyxl_a_workbook_is_rejected_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = workbook([["Serial", "Key"], ["63001468", KEY]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportRejected) as caught:
        read(data)
    assert "CSV" in caught.value.hint


# Archives.


def test_a_zip_with_one_table_is_that_table() -> None:
    data = zipped({"folder/keys.CSV": CSV, "readme.md": b"x"})
    (record,) = read(data).ready
    assert (record.number, record.source.member) == ("63001468", "keys.CSV")
    assert record.source.file_sha256 == read(data).source.file_sha256 != read(CSV).source.file_sha256
    (record,) = read(zipped({"keys.xlsx": workbook([["Serial", "Key"], ["63001468", KEY]])})).ready
    assert record.source.member == "keys.xlsx"


def test_what_stands_beside_the_table_in_a_zip_is_no_key_file() -> None:
    beside = {"__MACOSX/._keys.csv": b"\0\5\x16\7", ".hidden.csv": b"x", "readme.txt": b"hello", "note.pdf": b"%PDF"}
    assert len(read(zipped({**beside, "keys.csv": CSV})).ready) == 1


def test_archives_that_hold_anything_else_are_rejected() -> None:
    assert reason_of(zipped({"a.csv": CSV, "b.csv": CSV})) is ImportReason.SEVERAL_MEMBERS
    assert reason_of(zipped({"a.csv": zipped({"a.csv": CSV})})) is ImportReason.UNKNOWN_FORMAT
    assert reason_of(zipped({"a.csv": b""})) is ImportReason.EMPTY
    assert reason_of(zipped({"a.csv": b" " * 200_000_000})) is ImportReason.TOO_LARGE


# Columns that the user names.


def test_columns_by_number_pass_over_a_header_if_there_is_one() -> None:
    options = ReadOptions(mapping=parse_mapping("serial=3,key=1,label=2"))
    with_header = f"Geheim,Ort,Nr\n{KEY},cellar,63001468\n"
    without = f"{KEY},cellar,63001468,more\n{OTHER},attic,63001469\n"
    (record,) = read(with_header.encode(), options).ready
    assert (record.number, record.label, record.source.row) == ("63001468", "cellar", 2)
    assert [r.number for r in read(without.encode(), options).ready] == ["63001468", "63001469"]
    (record,) = read(workbook([["Geheim", "Ort", "Nr"], [KEY, "cellar", 63001468]]), options).ready
    assert (record.number, record.label) == ("63001468", "cellar")


def test_a_column_number_that_the_table_does_not_have_is_told() -> None:
    for data in (f"KAM;63001468;{KEY}\n".encode(), workbook([["KAM", "63001468", KEY]])):
        with pytest.raises(ImportRejected) as caught:
            read(data, ReadOptions(mapping=parse_mapping("serial=2,key=9")))
        assert caught.value.reason is ImportReason.NO_COLUMNS
        assert "column 9" in caught.value.message
    cover = workbook([["Meters"]], [["KAM", "63001468", KEY]])
    assert len(read(cover, ReadOptions(mapping=parse_mapping("serial=2,key=3"))).ready) == 1


def test_any_character_may_be_the_thousands_separator() -> None:
    data = f"Serial;Key\n63#001#468;{KEY}\n".encode()
    assert [one.number for one in read(data, ReadOptions(thousands="#")).ready] == ["63001468"]


def test_columns_by_header_text() -> None:
    options = ReadOptions(mapping=parse_mapping("serial=Nr.,gpk:2=Geheim"))
    (record,) = read(f"x;nr;geheim;key\n1;63001468;{KEY};{OTHER}\n".encode(), options).ready
    assert (record.number, record.role_text, record.value) == ("63001468", "gpk:2", key_of("table"))
    assert reason_of(f"x;number;geheim\n1;63001468;{KEY}\n".encode(), options) is ImportReason.NO_COLUMNS


def test_a_mapping_speaks_of_a_table_whatever_its_lines_look_like() -> None:
    options = ReadOptions(mapping=parse_mapping("serial=2,key=3"))
    (record,) = read(f"KAM;63001468;{KEY}\n".encode(), options).ready
    assert (record.source.system, record.manufacturer) == ("csv", None)


def test_mappings_are_kept_and_read_back() -> None:
    mapping = parse_mapping("serial=3, OMS key=7 ,hersteller=1,other:HAN port=9,gpk:1=Key 1")
    assert dict(mapping.places) == {
        Column.SERIAL: 3,
        KeyColumn(KeyRole.WMBUS_DEK): 7,
        Column.MANUFACTURER: 1,
        KeyColumn(KeyRole.OTHER, "HAN port"): 9,
        KeyColumn(KeyRole.GPK, "1"): "Key 1",
    }
    assert mapping_of(mapping.as_texts()) == mapping


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "serial=3,key=7"),
        ("serial", "serial=3,key=7"),
        ("serial=,key=2", "serial=3,key=7"),
        ("serial=0,key=2", "1 to 1000"),
        ("serial=9999,key=2", "1 to 1000"),
        ("serial=1", "no column is mapped to a key"),
        ("key=1", "serial or dev_eui"),
        ("serial=1,key=2,aes key=3", "two columns"),
        ("serial=1,serial=2,key=3", "twice"),
        ("seral=1,key=2", "did you mean serial?"),
    ],
)
def test_mappings_that_make_no_sense_are_told(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        parse_mapping(text)


def test_a_key_in_a_mapping_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="long hex text"):
        parse_mapping(f"{KEY}=1")


def test_a_record_knows_all_of_its_files_origin_and_its_row() -> None:
    batch = read(CSV, ReadOptions(imported_by="kim"))
    assert batch.ready[0].source == replace(batch.source, row=2)
    assert (batch.source.imported_by, batch.source.imported_at) == ("kim", NOON)


# What the portal's user has set.


def test_the_users_delimiter_and_thousands_separator() -> None:
    text = f"Serial|Label;x|Key\n63.001.468|a;b|{KEY}\n1,234|c|{KEY}\n".encode()
    batch = read(text, ReadOptions(delimiter="|", thousands="."))
    (record,) = batch.ready
    assert (record.number, record.source.row) == ("63001468", 2)
    assert "decimal" in batch.quarantined[0].reason
    blank = f"Serial;Key\n63\u202f001\u202f468;{KEY}\n".encode()
    assert len(read(blank, ReadOptions(thousands=" ")).ready) == 1


def test_whoever_else_a_device_was_transferred_to_has_it_now() -> None:
    text = f"Serial;Transferred to;Key\n1;Us;{KEY}\n2;Them;{OTHER}\n3;Them;\n".encode()
    ours, theirs, listed = read(text, ReadOptions(organisation="us")).ready
    assert (ours.ownership, ours.owner) == (Ownership.UNKNOWN, "Us")
    assert (theirs.ownership, theirs.owner, theirs.has_key) == (Ownership.TRANSFERRED, "Them", True)
    assert (listed.ownership, listed.has_key) == (Ownership.TRANSFERRED, False)
    assert {record.ownership for record in read(text).ready} == {Ownership.UNKNOWN}
