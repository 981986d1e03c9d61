"""Key tables: headers of many tongues, and everything that spreadsheets do to a cell."""

from __future__ import annotations

import codecs
import csv
import io

import pytest

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import ImportBatch, read_export, write_csv
from keystore.model import KeyRole, Ownership
from tests.keystore.made_up import NOON, key_of, record_of

KEY = key_of("csv").hex().upper()
OTHER_KEY = key_of("other").hex()


def read(text: str | bytes) -> ImportBatch:
    return read_export(text.encode() if isinstance(text, str) else text, "keys.csv", imported_at=NOON)


def reason_of(text: str | bytes) -> ImportReason:
    with pytest.raises(ImportRejected) as caught:
        read(text)
    return caught.value.reason


def only_row(header: str, line: str) -> tuple[str, tuple[str, ...]]:
    """The reason why the only row was quarantined, and its warnings."""
    (row,) = read(f"{header}\n{line}\n").rows
    return row.reason, row.warnings


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("declared", [False, True], ids=["detected", "declared"])
@pytest.mark.parametrize("quoted", [False, True], ids=["bare", "quoted"])
def test_any_delimiter_with_columns_in_any_order(delimiter: str, declared: bool, quoted: bool) -> None:
    header, line = ["OMS key", "Comment", "Hersteller", "Serial number"], [KEY, "a.b", "kam", "63001468"]
    mark = '"' if quoted else ""
    rows = [delimiter.join(f"{mark}{cell}{mark}" for cell in cells) for cells in (header, line)]
    text = "\r\n".join([f"sep={delimiter}", *rows] if declared else rows)
    (record,) = read(text).ready
    assert (record.number, record.manufacturer, record.value) == ("63001468", "KAM", key_of("csv"))
    assert record.source.row == (3 if declared else 2)


def test_a_key_that_a_spreadsheet_has_rounded_is_refused() -> None:
    reason, _ = only_row("Serial;Key", f"63001468;{'123456789012345'.ljust(32, '0')}")
    assert reason == "the key was rounded to 15 digits by a spreadsheet: the others are lost"
    (zero,) = read(f"Serial;Key\n63001468;{'0' * 32}\n").ready
    assert zero.value == bytes(16)


@pytest.mark.parametrize("digits", ["1", "12345678", "000000000000001"])
def test_a_key_with_few_digits_before_its_zeros_is_a_simple_key_and_not_a_rounded_one(digits: str) -> None:
    (simple,) = read(f"Serial;Key\n63001468;{digits.ljust(32, '0')}\n").ready
    assert simple.value.hex() == digits.ljust(32, "0")


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (b"", "cp1252")],
    ids=["utf-8", "byte order mark", "cp1252"],
)
def test_encodings(mark: bytes, encoding: str) -> None:
    text = f"Zählernummer;Schlüssel;Bezeichnung\n63001468;{KEY};Küche\n"
    (record,) = read(mark + text.encode(encoding)).ready
    assert (record.number, record.label) == ("63001468", "Küche")


def test_utf_16_as_spreadsheets_save_unicode_text() -> None:
    text = f"Zählernummer\tSchlüssel\tBezeichnung\r\n63001468\t{KEY}\tKüche\r\n"
    for encoding, mark in (("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)):
        (record,) = read(mark + text.encode(encoding)).ready
        assert (record.number, record.label) == ("63001468", "Küche")


def test_a_guessed_encoding_is_said() -> None:
    text = f"Serial;Key;Label\n63001468;{KEY};Küche\n"
    assert any("UTF-8" in warning for warning in read(text.encode("cp1252")).warnings)
    assert read(text).warnings == ()
    assert len(read(text.encode("cp1252").replace(b"\xfc", b"\x81")).ready) == 1


@pytest.mark.parametrize(
    "cell",
    [
        *(KEY, KEY.lower(), f"0x{KEY}", f"{KEY}h", f" {KEY} ", f'"{KEY}"', f'="{KEY}"', f"'{KEY}"),
        *("-".join(KEY[i : i + 2] for i in range(0, 32, 2)), ":".join(KEY[i : i + 2] for i in range(0, 32, 2))),
        *(" ".join(KEY[i : i + 4] for i in range(0, 32, 4)), f"{KEY[:16]}_{KEY[16:]}"),
    ],
)
def test_keys_in_any_spelling(cell: str) -> None:
    (record,) = read(f"Serial;Key\n63001468;{cell}\n").ready
    assert record.value == key_of("csv")


@pytest.mark.parametrize(
    "cell",
    [
        *(f"{KEY}]", f"[{KEY}]", f"\u200b{KEY}", "\u2013".join(KEY[i : i + 8] for i in range(0, 32, 8))),
        " ".join(f"0x{KEY[i : i + 2]}" for i in range(0, 32, 2)),
        "{" + ", ".join(f"0x{KEY[i : i + 2]}" for i in range(0, 32, 2)) + "}",
    ],
    ids=["stray bracket", "brackets", "invisible blank", "dashes of a text", "bytes", "array of a program"],
)
def test_keys_as_texts_and_programs_have_them(cell: str) -> None:
    (record,) = read(f'Serial;Key\n63001468;"{cell}"\n').ready
    assert record.value == key_of("csv")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (KEY[:-1], "the key has 31 hex digits, not 16, 32, 48, 64"),
        (f"{KEY}0", "the key has 33 hex digits, not 16, 32, 48, 64"),
        *(("-", "no key"), ("n/a", "no key"), ("********", "the key is masked: export it in clear")),
    ],
    ids=["31 digits", "33 digits", "dash", "n/a", "masked"],
)
def test_why_a_key_is_none_is_said(cell: str, reason: str) -> None:
    assert only_row("Serial;Key", f"63001468;{cell}") == (reason, ())


@pytest.mark.parametrize("cell", ["TRUE", "falsch", "#NAME?", "2026-01-02T00:00:00"])
def test_what_a_spreadsheet_made_of_a_number_is_no_number(cell: str) -> None:
    batch = read(f"Key;Serial\n{KEY};{cell}\n")
    assert not batch.ready
    assert "lost" in batch.rows[0].reason


def test_a_number_behind_an_equals_sign_is_that_number() -> None:
    (record,) = read(f"Serial;Key\n=63001468;{KEY}\n").ready
    assert record.number == "63001468"


@pytest.mark.parametrize("width", [4, 8], ids=["fours", "eights"])
@pytest.mark.parametrize("mark", [" ", "-", "\u2013"], ids=["blank", "hyphen", "dash"])
def test_a_key_in_groups_in_the_wrong_column_is_not_shown(width: int, mark: str) -> None:
    grouped = mark.join(KEY[i : i + width] for i in range(0, 32, width))
    (row,) = read(f"Serial;Key;Label\n63001468;flat 3;{grouped}\n").rows
    assert KEY[-width:] not in f"{row.said}{row.meter}{row.reason}{row.warnings}"
    (record,) = read(f"Serial;Key;Label\n63001468;{OTHER_KEY};{grouped}\n").ready
    assert record.label == "(long hex text)"


def test_a_program_s_bytes_in_the_wrong_column_are_not_shown() -> None:
    listed = ", ".join(f"0x{KEY[i : i + 2]}" for i in range(0, 32, 2))
    (record,) = read(f'Serial;Key;Label\n63001468;{OTHER_KEY};"{listed}"\n').ready
    assert record.label == "(long hex text)"


def test_a_line_break_in_a_label_is_a_blank() -> None:
    (record,) = read(f'Serial;Key;Label\r\n63001468;{KEY};"Haus 3\r\nOG"\r\n').ready
    assert record.label == "Haus 3 OG"


def test_a_key_in_base64() -> None:
    (record,) = read("Serial;Key\n63001468;AAECAwQFBgcICQoLDA0ODw==\n").ready
    assert record.value == bytes(range(16))


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (KEY[:-1], "31 hex digits"),
        (KEY[:-2], "30 hex digits"),
        (KEY + "00", "34 hex digits"),
        ("G" * 32, "not hexadecimal"),
        ("1.23457E+15", "scientific"),
        ("1,23E+31", "scientific"),
        ("12345E12", "8 hex digits"),
        ("see delivery note", "not hexadecimal"),
    ],
)
def test_keys_that_are_none_are_quarantined_and_not_shown(cell: str, reason: str) -> None:
    found, _ = only_row("Serial;Key", f"63001468;{cell}")
    assert reason in found
    assert cell not in found


@pytest.mark.parametrize("cell", ["NOKEY", "nokey", "No key", "none", "unencrypted"])
def test_no_key_is_something_else_than_a_missing_one(cell: str) -> None:
    (record,) = read(f"Serial;Key\n63001468;{cell}\n").ready
    assert record.no_key
    assert record.value == b""
    assert only_row("Serial;Key", "63001468;")[0] == "no key"


@pytest.mark.parametrize("cell", ["", OTHER_KEY], ids=["without key", "with key"])
def test_a_meter_that_is_not_claimed_is_listed_without_its_key(cell: str) -> None:
    (row,) = read(f"Serial;Key;Claim status\n63001468;{cell};UNCLAIMED\n").rows
    assert row.record is not None
    assert (row.record.ownership, row.record.is_listing) == (Ownership.UNCLAIMED, True)
    assert "not claimed" in row.warnings[0]


@pytest.mark.parametrize(
    ("cell", "number", "warning"),
    [
        ("63001468", "63001468", ""),
        ('="00123456"', "00123456", ""),
        ("'00123456", "00123456", ""),
        ("123456", "00123456", "leading zeros"),
        ("KAM63001468", "63001468", ""),
        ("KAM 63001468", "63001468", ""),
        ("63 001 468", "63001468", "thousands separators"),
        ("63\u00a0001\u00a0468", "63001468", "thousands separators"),
        ("63\u202f001\u202f468", "63001468", "thousands separators"),
        ("63\u2019001\u2019468", "63001468", "thousands separators"),
        ("63'001'468", "63001468", "thousands separators"),
        ("63.001.468", "63001468", "thousands separators"),
        ("63,001,468", "63001468", "thousands separators"),
        ("1.234", "00001234", "thousands separators"),
        ("6300 1468", "63001468", ""),
        ("21N001052", "21N001052", ""),
        ("Y20TA010056", "Y20TA010056", ""),
        ("6300146A", "6300146a", ""),
    ],
)
def test_serial_numbers_of_radio_meters(cell: str, number: str, warning: str) -> None:
    (row,) = read(f"Serial;Key\n{cell};{KEY}\n").rows
    assert row.record is not None
    assert row.record.number == number
    assert (warning in " ".join(row.warnings)) if warning else row.warnings == ()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("6.30015E+07", "scientific"),
        ("6,30015E+07", "scientific"),
        ("6E+07", "scientific"),
        ("63001468.0", "decimal"),
        ("63001468,00", "decimal"),
        ("", "names no meter"),
        (KEY, "looks like a key"),
    ],
)
def test_serial_numbers_that_lost_digits_are_refused(cell: str, reason: str) -> None:
    assert reason in only_row("Serial;Key", f"{cell};{OTHER_KEY}")[0]


@pytest.mark.parametrize("cell", ["8SEN0212345678", "8 SEN 02 12345678", "8 SEN02 1234 5678", "8-sen-02-1234-5678"])
def test_the_number_on_a_label_is_filed_under_the_number_on_the_air(cell: str) -> None:
    (record,) = read(f"Seriennummer;Schlüssel\n{cell};{KEY}\n").ready
    assert (record.number, record.manufacturer, record.serial) == ("12345678", "SEN", cell)
    (portal,) = read(f"Serial number;Claim status;Batch reference;OMS key\n{cell};CLAIMED;B;{KEY}\n").ready
    assert portal.number == cell.upper().replace(" ", "").replace("-", "")


def test_a_makers_own_serial_is_never_padded() -> None:
    (record,) = read(f"Serial;DevEUI;AppKey\n9999990;70-B3-D5-E7-5E-00-00-01;{KEY}\n").ready
    assert (record.number, record.serial, record.dev_eui) == ("9999990", "9999990", "70b3d5e75e000001")
    assert record.role is KeyRole.LORAWAN_APP_KEY


def test_one_line_with_several_keys_gives_several_rows() -> None:
    header = "Serial number;Device type;Claim status;Label;Batch reference;DevEUI;JoinEUI;AppKey;OMS key;GPK1;Comment"
    line = f"63001468;water;claimed;=cellar;B7;70B3D5E75E000001;70B3D5E75E000002;{OTHER_KEY};{KEY};{KEY};x"
    first, second, third = read(f"{header}\n{line}\n").ready
    assert (first.role, second.role, third.role_text) == (KeyRole.LORAWAN_APP_KEY, KeyRole.WMBUS_DEK, "gpk:1")
    assert first.value.hex() == OTHER_KEY
    for record in (first, second):
        assert (record.label, record.batch_reference, record.meter_type) == ("=cellar", "B7", "water")
        assert (record.dev_eui, record.join_eui) == ("70b3d5e75e000001", "70b3d5e75e000002")


def test_a_device_without_a_serial_is_filed_under_its_eui() -> None:
    (record,) = read(f"dev_eui,join_eui,app_key\n70B3D5E75E000001,70B3D5E75E000002,{KEY}\n").ready
    assert (record.number, record.dev_eui) == ("", "70b3d5e75e000001")
    assert "scientific" in only_row("dev_eui,app_key", f"7.0E+15,{KEY}")[0]
    assert "EUI" in only_row("dev_eui,app_key", f"70B3,{KEY}")[0]


def test_hints_that_are_wrong_keep_no_key_out() -> None:
    header = "Serial;Key;Manufacturer;Version;Medium;JoinEUI"
    (row,) = read(f"{header}\n63001468;{KEY};Kamstrup A/S;999;lava;7\n").rows
    assert row.record is not None
    assert (row.record.manufacturer, row.record.version, row.record.medium_code) == (None, None, None)
    assert len(row.warnings) == 4


@pytest.mark.parametrize(
    ("version", "medium", "expected"),
    [
        ("27", "22", (27, 22)),
        ("1B", "16h", (27, 22)),
        ("0x1b", "cold water", (27, 0x16)),
        ("", "Heat", (None, 4)),
    ],
)
def test_versions_and_media(version: str, medium: str, expected: tuple[int | None, int]) -> None:
    (record,) = read(f"Serial;Key;Version;Medium\n63001468;{KEY};{version};{medium}\n").ready
    assert (record.version, record.medium_code) == expected


def test_an_eight_byte_key_is_the_old_64_bit_scheme() -> None:
    (record,) = read("Serial;Key\n63001468;0011223344556677\n").ready
    assert record.role is KeyRole.PRIOS64


def test_a_sigfox_list_has_codes_instead_of_keys() -> None:
    batch = read(f"Device PAC\tMeter Number\n{'0A' * 12}\t63001468\n{'0A' * 5}\t63001469\n")
    (record,) = batch.ready
    assert (record.role, record.value, record.number) == (KeyRole.SIGFOX_PAC, b"\x0a" * 12, "63001468")
    assert "10 hex digits, not 16, 24" in batch.quarantined[0].reason


def test_a_line_with_more_cells_than_the_header_is_quarantined() -> None:
    reason, _ = only_row("Serial,Key", f"63,001,468,{KEY}")
    assert "4 cells, the header 2" in reason
    assert len(read(f"Serial;Key\n63001468;{KEY};;;\n").ready) == 1


def test_titles_comments_and_empty_lines_are_passed_over() -> None:
    text = f"Meters of order 7\n\nSerial;Key\n# a comment;\n;;\n\n63001468;{KEY}\n"
    (record,) = read(text).ready
    assert record.source.row == 7


def test_a_quoted_cell_may_hold_line_breaks() -> None:
    records = read(f'Serial;Label;Key\n63001468;"two\nlines";{KEY}\n00000002;x;{OTHER_KEY}\n').ready
    assert records[0].label == "two lines"
    assert [record.source.row for record in records] == [2, 4]
    noted = read(f'Serial;Key;Note\n63001468;{KEY};"was:\n{OTHER_KEY}"\n00000002;{OTHER_KEY};x\n').ready
    assert [record.value for record in noted] == [record.value for record in records]


@pytest.mark.parametrize("end", ['";', ";"], ids=["closed in a later line", "never closed"])
@pytest.mark.parametrize("header", ["Serial;Label;Key", "dev_eui;name;app_key"], ids=["table", "server"])
def test_a_quote_that_swallows_lines_gives_no_meter_the_key_of_another(header: str, end: str) -> None:
    numbers = ["70B3D5E75E00000" + str(number) for number in range(3)] if "eui" in header else ["11111111"] * 3
    lines = (f'{numbers[0]};"flat;{KEY}', f"{numbers[1]};flat;{OTHER_KEY}", f"{numbers[2]};flat{end}{KEY}")
    with pytest.raises(ImportRejected) as caught:
        read("\r\n".join([header, *lines]))
    assert caught.value.reason is ImportReason.DAMAGED
    assert "line 2" in caught.value.message


def test_tables_that_cannot_be_used_are_rejected() -> None:
    assert reason_of("") is ImportReason.EMPTY
    assert reason_of("\r\n \n") is ImportReason.EMPTY
    assert reason_of("Serial;Key\n\n") is ImportReason.EMPTY
    assert reason_of("Serial;Label\n1;x\n") is ImportReason.NO_COLUMNS
    assert reason_of(f"Key\n{KEY}\n") is ImportReason.NO_COLUMNS
    assert reason_of(f"{KEY};63001468\n") is ImportReason.NO_COLUMNS
    assert reason_of(b"\x7fELF\0\0\0\0") is ImportReason.UNKNOWN_FORMAT
    assert reason_of("Serial;Key\n63001468;" + "x" * 200_000) is ImportReason.DAMAGED


def test_a_headerless_table_is_rejected_without_showing_its_keys() -> None:
    with pytest.raises(ImportRejected) as caught:
        read(f"{KEY};63001468;KAM\n")
    assert KEY not in caught.value.message + caught.value.hint + repr(caught.value)


def test_no_key_stands_in_the_repr_of_a_batch() -> None:
    batch = read(f"Serial;Key;Label;Order\n63001468;{KEY};{OTHER_KEY};x\n1;{KEY[:-1]};;\n")
    assert KEY[:-1] not in repr(batch).upper()
    assert OTHER_KEY not in repr(batch)


# Writing.


def test_what_is_written_is_read_back() -> None:
    records = [
        record_of(1, label="cellar; left", meter_type="MC603", batch_reference='B"7'),
        record_of(1, role=KeyRole.LORAWAN_APP_KEY, value=key_of("lora"), label="cellar; left"),
        record_of(1, role=KeyRole.GPK, role_detail="60", value=key_of("gpk")),
        record_of(1, value=key_of("second")),
        record_of("21N001052", manufacturer=None, dev_eui="70b3d5e75e000001", join_eui="70b3d5e75e000002"),
        record_of(3, no_key=True),
        record_of(4, role=KeyRole.OTHER, role_detail="HAN"),
    ]
    for delimiter in ";,\t|":
        again = read(write_csv(records, delimiter=delimiter, bom=True)).ready
        assert sorted((r.number, r.role_text, r.value, r.no_key, r.manufacturer or "") for r in again) == sorted(
            (r.number, r.role_text, r.value, r.no_key, r.manufacturer or "") for r in records
        )
        assert (again[0].label, again[0].batch_reference, again[0].meter_type) == ("cellar; left", 'B"7', "MC603")


def test_the_header_is_the_portals_and_ids_are_quoted() -> None:
    lines = write_csv([record_of(1)]).decode().split("\r\n")
    assert lines == [
        "Serial number;Manufacturer;Device type;Claim status;Label;Batch reference;DevEUI;JoinEUI;AppKey;OMS key",
        f'"00000001";KAM;;;;;"";"";;"{key_of("00000001").hex().upper()}"',
        "",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_cell_begins_a_formula(text: str) -> None:
    data = write_csv([record_of(1, label=text, serial="=2+3", meter_type=text, batch_reference=text)])
    cells = list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=";"))[1]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
