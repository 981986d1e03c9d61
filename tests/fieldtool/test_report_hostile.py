"""Texts from the air, from labels and from lists: they stay texts on the page, in spreadsheets and on terminals."""

from __future__ import annotations

import csv
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from fieldtool.export.report_html import report_page
from fieldtool.export.report_text import TableStyle, Widths, json_row, table_heading, table_row, text_row
from fieldtool.report.reception import Reception
from fieldtool.report.rows import NOT_HEARD, ReportRow
from protocols.model import FindingKind, Outcome, Reading

HOSTILE = "\"'><script src=//evil.example>alert(1)</script><img onerror=x>&amp;\x1b[2J\u202e\n\r\x9b1m\ud800"
FORMULAS = ("=1+1", "+1", "-1+1", "@sum(1)", "\t=1", "\r=1", '=HYPERLINK("//evil.example")', '";=1')


def row_with(text: str) -> ReportRow:
    return ReportRow(
        number=text,
        manufacturer=text,
        label=text,
        medium=text,
        state="wrong_key",
        listed=False,
        problem=text,
        telegrams=3,
        reading=Reading(text, text, text, "text"),
        due=Reading(text, text, text, "text"),
        alarms=(text, text),
        findings=((FindingKind.JUMP, 2),),
        not_read=((Outcome.WRONG_KEY, 3),),
        profile=text,
        done=(text,),
    )


class Page(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(*rows: ReportRow, title: str = "title", facts: tuple[tuple[str, str], ...] = ()) -> tuple[str, Page]:
    text = "\n".join(report_page(title, facts, rows))
    page = Page()
    page.feed(text)
    return text, page


def test_the_page_has_no_element_and_no_attribute_that_came_from_outside() -> None:
    text, page = page_of(row_with(HOSTILE), title=HOSTILE, facts=((HOSTILE, HOSTILE),))
    _, harmless = page_of(row_with("x"), title="x", facts=(("x", "x"),))
    assert page.elements == harmless.elements
    assert {name for _, attributes in page.elements for name in attributes} == {
        *("lang", "charset", "http-equiv", "content", "class")
    }
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.elements}
    assert "\x1b" not in text
    assert text.isascii(), "so that it is the same whatever encoding the shell writes"
    assert "alert(1)" in page.text, "it is shown as what it is"


def test_the_page_may_load_nothing_and_is_printed_on_a4() -> None:
    text, page = page_of(row_with("x"))
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "size: A4" in text
    assert "//" not in text
    assert "url(" not in text


@pytest.mark.parametrize("text", FORMULAS, ids=[f"formula {n}" for n in range(len(FORMULAS))])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"], ids=["semicolon", "comma", "tab"])
def test_no_cell_is_a_formula(text: str, delimiter: str) -> None:
    style = TableStyle(delimiter, ",")
    lines = [table_heading(style), table_row(row_with(text), style)]
    heading, cells = csv.reader(lines, delimiter=delimiter)
    assert len(cells) == len(heading)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_no_line_steers_the_terminal() -> None:
    row = row_with(HOSTILE)
    for text in (text_row(row, Widths.of([row])), json_row(row), table_row(row, TableStyle())):
        assert not [c for c in text if not c.isprintable()]


@pytest.mark.parametrize(("style", "shown"), [(TableStyle(), "-0,0125"), (TableStyle(",", "."), "-0.0125")])
def test_decimals_are_written_as_the_spreadsheet_wants_them(style: TableStyle, shown: str) -> None:
    """A German spreadsheet takes 412.307 for four hundred thousand, and says nothing."""
    row = ReportRow("1", "", "", "", "ok", True, reading=Reading("power", Decimal("-0.0125"), "kW", "power"))
    (cells,) = csv.DictReader([table_heading(style), table_row(row, style)], delimiter=style.delimiter)
    assert cells["value"] == shown
    assert '"value": -0.0125' in json_row(row)


def test_a_usual_line_fits_a_terminal() -> None:
    value = Reading("total_volume", Decimal("412.307"), "m3", "volume")
    received = Reception(10, 16.0, 1.0, True, -60)
    rows = [
        ReportRow("70000000", "KAM", "flat 12, left", "water", "ok", True, "", 9, None, None, None, -101, value),
        ReportRow("70b3d5a840000001", "", "flat 7", "", NOT_HEARD, True),
    ]
    for row in rows:
        assert len(text_row(replace(row, reception=received), Widths.of(rows))) <= 80
