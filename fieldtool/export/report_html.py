"""A report of meters as one page to print, sign and hand over: no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from fieldtool.export.lines import measured_text
from fieldtool.export.report_text import (
    NOT_KNOWN,
    interval_text,
    name_text,
    received_text,
    remarks,
    state_text,
    utc_text,
)
from fieldtool.report.rows import ReportRow
from protocols.text import safe_text

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may load for the page, whatever is in it: nothing."""

_STYLE: Final = """
@page { size: A4 landscape; margin: 1.5cm }
body { font: 9pt sans-serif; margin: 1.5cm; color: #000; background: #fff }
@media print { body { margin: 0 } }
h1 { font-size: 16pt; margin: 0 0 .6em }
table { border-collapse: collapse; width: 100%; margin: 0 0 1em }
th, td { text-align: left; vertical-align: top; padding: .2em .5em; border-bottom: 1px solid #bbb }
th { border-bottom: 2px solid #000 }
td { overflow-wrap: anywhere }
td.value { text-align: right; white-space: nowrap }
td.state, td.name { white-space: nowrap }
tr.attention td { font-weight: bold }
table.facts th { width: 10em; border-bottom: 1px solid #bbb }
thead { display: table-header-group }
tr { break-inside: avoid }
p.signature { margin-top: 3em }
p.signature span { display: inline-block; width: 40%; margin-right: 8%; border-top: 1px solid #000 }
"""
_TO_THE_MINUTE: Final = len("2026-11-20 08:00")
_COLUMNS: Final = (
    "state",
    "meter",
    "label",
    "reading",
    "read (UTC)",
    "due date",
    "best signal",
    "sends every",
    "received",
    "last heard (UTC)",
    "key",
    "remarks",
)


def report_page(title: str, facts: Sequence[tuple[str, str]], rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield the lines of the page, in ASCII; `facts` are what stands above the table, name and text."""
    yield "<!DOCTYPE html>"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_text(_POLICY)}">'
    yield f'<html lang="en"><head><meta charset="utf-8">{policy}'
    yield f"<title>{_text(title)}</title><style>{_STYLE}</style></head>"
    yield "<body>"
    yield f"<h1>{_text(title)}</h1>"
    yield '<table class="facts">'
    for name, text in facts:
        yield f"<tr><th>{_text(name)}</th><td>{_text(text)}</td></tr>"
    yield "</table>"
    yield f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in _COLUMNS)}</tr></thead><tbody>"
    yield from map(_row, rows)
    yield "</tbody></table>"
    yield '<p class="signature"><span>date, signature</span><span>date, signature of the customer</span></p>'
    yield "</body></html>"


def _row(row: ReportRow) -> str:
    has_times = not row.telegrams or row.last_at is not None
    cells = (
        ("state", state_text(row.state)),
        ("name", name_text(row)),
        ("", row.label),
        ("value", "" if row.reading is None else measured_text(row.reading)),
        ("", utc_text(row.read_at)[:_TO_THE_MINUTE]),
        ("value", "" if row.due is None else measured_text(row.due)),
        ("value", "" if row.rssi_dbm is None else f"{row.rssi_dbm} dBm"),
        ("value", interval_text(row)),
        ("value", received_text(row)),
        ("", utc_text(row.last_at)[:_TO_THE_MINUTE] if has_times else NOT_KNOWN),
        ("", row.key_check_value),
        ("", "; ".join(remarks(row))),
    )
    shown = "".join(
        f'<td class="{kind}">{_text(text)}</td>' if kind else f"<td>{_text(text)}</td>" for kind, text in cells
    )
    return f'<tr class="attention">{shown}</tr>' if not row.is_ok and row.listed is not False else f"<tr>{shown}</tr>"


def _text(text: str) -> str:
    """Escape; what is not ASCII is named by number, so that the page is the same in whatever encoding it is written."""
    return escape(safe_text(text, 2000)).encode("ascii", "xmlcharrefreplace").decode()
