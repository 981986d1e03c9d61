"""Order and filter of the reception list, without a screen."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fieldtool.pipeline.reception import MeterRow, Reception
from fieldtool.tui.meter_columns import COLUMNS, gap_of, heading_line, place_columns, row_line
from fieldtool.tui.meter_filter import BadFilter, parse_filter
from fieldtool.tui.meter_table import MeterTable, SortBy
from protocols.decode import decode
from protocols.model import Address, Outcome, Status, Telegram
from tests.fieldtool.tui.tui_scenes import NOW, address, some_meters, telegram


def _rows(telegrams: list[Telegram]) -> list[MeterRow]:
    reception = Reception()
    for one in telegrams:
        reception.accept(one)
    return reception.rows()


def _numbers(table: MeterTable) -> list[str]:
    return [shown.number if isinstance(shown, Address) else "none" for shown in table.shown]


def test_newcomers_are_put_in_their_place_and_no_address_stands_last() -> None:
    table = MeterTable()
    reception = Reception()
    for one in (telegram(None, Outcome.DAMAGED), telegram(address(30)), telegram(address(10)), telegram(address(20))):
        reception.accept(one)
        table.update(reception.rows())
    assert _numbers(table) == ["00000010", "00000020", "00000030", "none"]


def test_places_are_kept_until_sorted_again() -> None:
    reception = Reception()
    table = MeterTable()
    reception.accept(telegram(address(1), rssi_dbm=-90))
    reception.accept(telegram(address(2), rssi_dbm=-50))
    table.update(reception.rows())
    table.sort(SortBy.RSSI)
    assert _numbers(table) == ["00000002", "00000001"]
    reception.accept(telegram(address(1), rssi_dbm=-40, access_number=2, at=NOW + timedelta(seconds=20)))
    table.update(reception.rows())
    assert _numbers(table) == ["00000002", "00000001"]
    table.sort(SortBy.RSSI)
    assert _numbers(table) == ["00000001", "00000002"]


def test_what_needs_somebody_comes_first_by_outcome() -> None:
    table = MeterTable()
    table.update(_rows(some_meters()))
    table.sort(SortBy.OUTCOME)
    outcomes = [table.row_at(index).outcome for index in range(len(table))]
    assert outcomes[0] is Outcome.WRONG_KEY
    assert outcomes[-2:] == [Outcome.OK, Outcome.DAMAGED]


def test_sort_orders_go_round() -> None:
    by, seen = SortBy.NUMBER, []
    for _ in SortBy:
        seen.append(by)
        by = by.following
    assert by is SortBy.NUMBER
    assert set(seen) == set(SortBy)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(Outcome)), max_size=60))
def test_every_meter_is_shown_exactly_once(heard: list[tuple[int, Outcome]]) -> None:
    reception = Reception()
    table = MeterTable()
    for count, (number, outcome) in enumerate(heard):
        reception.accept(telegram(address(number), outcome, access_number=count))
        table.update(reception.rows())
    assert sorted(_numbers(table)) == _numbers(table) == sorted({f"{number:08d}" for number, _ in heard})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", 7),
        ("kam", 2),
        ("KAM outcome:ok", 1),
        ("-kam", 5),
        ("medium:heat", 2),
        ("no_key", 1),
        ("outcome:wrong", 1),
        ("rssi>-80", 4),
        ("rssi<-80", 2),
        ("telegrams<2", 7),
        ("telegrams>1", 0),
        ("alarm:low", 1),
        ("68140063", 1),
        ("key:a1b2", 2),
        ("mode:t1", 7),
    ],
)
def test_filter_finds(text: str, numbers: int) -> None:
    table = MeterTable()
    table.update(_rows(some_meters()))
    table.set_filter(parse_filter(text))
    assert len(table) == numbers
    assert table.meters == 7


@pytest.mark.parametrize(
    "text",
    [
        "63001468",
        "6300 1468",
        "63.001.468",
        "63-001-468",
        "63/001/468",
        "1468",
        "KAM63001468",
        "KAM-63001468",
        "kam.63001468",
        "KAM 63001468",
        "8KAM0063001468",
        "8KAM 00 6300 1468",
        "0063001468",
        "68140063",
        "68 14 00 63",
        "2D 2C 68 14 00 63",
        "2D2C681400631B16",
        "630014682D2C1B16",
        "number:63.001.468",
        "number:KAM63001468",
        "70:b3:d5:00:00:00:00:01",
        "A8-40-41-00-00-00-00-01",
        "ac:1f:09:ff:fe:00:00:01",
        "70B3D50000000001",
    ],
)
def test_filter_finds_a_number_however_it_is_written(text: str) -> None:
    meters = [*some_meters(), telegram(address(73001468)), telegram(address(63001466))]
    euis = ("70b3d50000000001", "a840410000000001", "ac1f09fffe000001")
    rows = _rows(meters)
    devices = [replace(rows[0], sender=eui, address=None, number=None) for eui in euis]
    wanted = parse_filter(text)
    found = [row.number or row.sender for row in (*rows, *devices) if wanted.passes(row)]
    plain = text.lower().replace(":", "").replace("-", "")
    assert found == ([plain] if plain in euis else ["63001468", "73001468"] if text == "1468" else ["63001468"])


@pytest.mark.parametrize("text", ["-ab:cd:ef:01:23:45:67:89", "-AB-CD-EF-01-23-45-67-89", "-01:cd:ef:01:23:45:67:89"])
def test_a_device_is_left_out_however_its_number_begins(text: str) -> None:
    row = _rows(some_meters())[0]
    plain = text[1:].lower().replace(":", "").replace("-", "")
    assert parse_filter(text).passes(row)
    assert not parse_filter(text).passes(replace(row, sender=plain, address=None, number=None))


@pytest.mark.parametrize("text", ["63001467", "63.001.467", "QDS63001468", "-63.001.468", "0163001468", "2D2C68140064"])
def test_filter_finds_no_other_number(text: str) -> None:
    assert not parse_filter(text).passes(_rows(some_meters())[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rssi>", "nothing to look for after 'rssi>'"),
        ("rssi>loud", "'loud' is not a whole number"),
        ("makr:kam", "no field 'makr': did you mean 'maker'?"),
        ("zzz<5", "no field 'zzz': numbers are in: rssi, telegrams"),
        ("kam medium:", "nothing to look for after 'medium:'"),
    ],
)
def test_filter_that_cannot_be_understood_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadFilter, match=re.escape(reason)):
        parse_filter(text)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    rows = _rows(some_meters())
    try:
        wanted = parse_filter(text)
    except BadFilter:
        return
    assert all(isinstance(wanted.passes(row), bool) for row in rows)


def test_meter_comes_into_sight_when_it_begins_to_pass() -> None:
    reception = Reception()
    table = MeterTable()
    table.set_filter(parse_filter("outcome:ok"))
    reception.accept(telegram(address(1), Outcome.NO_KEY))
    assert not table.update(reception.rows())
    reception.accept(telegram(address(1), access_number=2))
    assert table.update(reception.rows())
    assert _numbers(table) == ["00000001"]


@pytest.mark.parametrize("width", range(36, 260, 7))
def test_columns_share_the_width_exactly_whatever_the_rows_hold(width: int) -> None:
    columns, gap = place_columns(width), gap_of(width)
    assert {"number", "outcome", "reading"} <= {placed.column.key for placed in columns}
    lines = [heading_line(columns, gap), *(row_line(row, columns, gap, NOW) for row in _rows(some_meters()))]
    if width >= 60:
        assert {cell_len("".join(text for text, _ in line)) for line in lines} == {width}
    else:
        assert len({cell_len("".join(text for text, _ in line)) for line in lines}) == 1


def test_all_of_the_brief_is_seen_at_80_columns() -> None:
    kept = {placed.column.key for placed in place_columns(78)}
    assert kept == {column.key for column in COLUMNS} - {"mode", "key", "label"}


@pytest.mark.parametrize("width", range(36, 260, 7))
def test_labels_share_the_width_too(width: int) -> None:
    columns, gap = place_columns(width, labels=True), gap_of(width)
    rows = [replace(row, label="flat 12, behind the washing machine") for row in _rows(some_meters())]
    lines = [heading_line(columns, gap), *(row_line(row, columns, gap, NOW) for row in rows)]
    assert len({cell_len("".join(text for text, _ in line)) for line in lines}) == 1
    shown = any(placed.column.key == "label" for placed in columns)
    assert shown == (width >= 100)
    assert any("flat 12" in text for text, _ in lines[1]) == shown


def test_a_meter_is_found_by_its_label_where_no_column_shows_it() -> None:
    reception = Reception(label_of=lambda names, maker: "Flat 12 left" if names == ["00000002"] else None)
    for number in (1, 2):
        reception.accept(telegram(address(number)))
    table = MeterTable()
    table.update(reception.rows())
    for text in ("flat", "label:12", "left flat"):
        table.set_filter(parse_filter(text))
        assert _numbers(table) == ["00000002"], text
    assert table.filed == 1
    for text, found in (("filed:yes", "00000002"), ("filed:no", "00000001"), ("-filed:yes", "00000001")):
        table.set_filter(parse_filter(text))
        assert _numbers(table) == [found], text
    table.set_filter(parse_filter("no"))
    assert _numbers(table) == [], "only where the field is named"


def test_the_meter_whose_button_was_pressed_is_marked_and_found() -> None:
    reception = Reception()
    pressed = replace(telegram(address(1)), message="SND-IR", status=Status(0, ("power_low",)))
    for one in (pressed, telegram(address(2)), replace(telegram(address(3), Outcome.DAMAGED), message="SND-IR")):
        reception.accept(one)
    later = replace(telegram(address(1), access_number=2, at=NOW + timedelta(minutes=4)), message="SND-NR")
    reception.accept(later)
    asked, other, damaged = reception.rows()
    for width, shown in ((60, "→"), (140, "→ install")):
        columns = place_columns(width)
        texts = [
            "".join(text for text, _ in row_line(row, columns, 1, later.frame.at or NOW)) for row in (asked, other)
        ]
        assert shown in texts[0]
        assert "→" not in texts[1]
        assert "→" not in "".join(text for text, _ in row_line(asked, columns, 1, NOW + timedelta(minutes=6)))
    assert damaged.asked_at is None
    table = MeterTable()
    table.update(reception.rows())
    for text, found in (
        ("asked:yes", ["00000001"]),
        ("message:snd-ir", ["00000003"]),
        ("message:snd-nr", ["00000001"]),
    ):
        table.set_filter(parse_filter(text))
        assert _numbers(table) == found, text


def test_outcomes_differ_without_colours() -> None:
    base = _rows([telegram(address(1))])[0]
    texts = {
        "".join(text for text, _ in row_line(replace(base, outcome=outcome), place_columns(78), 1, NOW))
        for outcome in Outcome
    }
    assert len(texts) == len(Outcome)


def test_index_of_a_meter_that_is_hidden_is_none() -> None:
    table = MeterTable()
    table.update(_rows([telegram(address(1)), telegram(address(2))]))
    table.set_filter(parse_filter("00000002"))
    assert table.index_of(address(1)) is None
    assert table.index_of(address(2)) == 0
    hidden: Address | None = None
    assert table.index_of(hidden) is None


SAP = "1944304C72242421D401A2013D4013DD8B46A4999C1293E582CC"
HYDROMETER = "19442423860775035048A251520015BEB6B2E1ED623A18FC74A5"


def test_diehl_meters_are_listed_sorted_and_found_by_the_number_on_their_front() -> None:
    table = MeterTable()
    table.update(_rows([decode(bytes.fromhex(text)) for text in (SAP, HYDROMETER)]))
    rows = [table.row_at(index) for index in range(len(table))]
    assert [row.number for row in rows] == ["48500375", "C19UA145842"]
    assert [row.medium for row in rows] == ["water", "water"]
    lines = ["".join(text for text, _ in row_line(row, place_columns(140), gap_of(140), NOW)) for row in rows]
    assert lines[0].startswith("48500375 ")
    assert lines[1].startswith("…9UA145842 ")
    for word, found in (
        ("48500375", 0),
        ("c19ua145842", 1),
        ("number:145842", 1),
        ("21242472", 1),
        ("medium:water", 0),
    ):
        table.set_filter(parse_filter(word))
        assert table.row_at(0) is rows[found], word
    damaged = replace(rows[1].last, outcome=Outcome.DAMAGED, printed_number=None, identity=None, data=b"")
    table.set_filter(parse_filter(""))
    assert [row.number for row in _rows([rows[1].last, damaged])] == ["C19UA145842"]
