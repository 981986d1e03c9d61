"""A report of meters as one page to print, sign and hand over: no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from fieldtool.export.lines import measured_text
from fieldtool.export.report_text import name_text, state_text, utc_text
from fieldtool.report.rows import ReportRow
from protocols.text import safe_text

_STYLE: Final = """
body { font: 10pt sans-serif; margin: 1.5cm; color: #000; background: #fff }
h1 { font-size: 16pt; margin: 0 0 .6em }
table { border-collapse: collapse; width: 100%; margin: 0 0 1em }
th, td { text-align: left; vertical-align: top; padding: .2em .5em; border-bottom: 1px solid #bbb }
th { border-bottom: 2px solid #000 }
td.value { text-align: right; white-space: nowrap }
td.state { white-space: nowrap }
tr.attention td { font-weight: bold }
table.facts th { width: 10em; border-bottom: 1px solid #bbb }
thead { display: table-header-group }
tr { break-inside: avoid }
p.signature { margin-top: 3em }
p.signature span { display: inline-block; width: 40%; margin-right: 8%; border-top: 1px solid #000 }
"""
_COLUMNS: Final = ("state", "meter", "label", "reading", "due date", "signal", "last heard (UTC)", "key", "remarks")


def report_page(title: str, facts: Sequence[tuple[str, str]], rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield the lines of the page; `facts` are what stands above the table, name and text."""
    yield "<!DOCTYPE html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style></head>'
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
    listed = ["not on the list"] if row.listed is False else []
    remarks = [*listed, *([] if row.is_ok else [row.problem]), *row.alarms, *row.done]
    cells = (
        ("state", state_text(row.state)),
        ("", name_text(row)),
        ("", row.label),
        ("value", "" if row.reading is None else measured_text(row.reading)),
        ("value", "" if row.due is None else measured_text(row.due)),
        ("value", "" if row.rssi_dbm is None else f"{row.rssi_dbm} dBm"),
        ("", utc_text(row.last_at)),
        ("", row.key_check_value),
        ("", "; ".join(filter(None, remarks))),
    )
    shown = "".join(
        f'<td class="{kind}">{_text(text)}</td>' if kind else f"<td>{_text(text)}</td>" for kind, text in cells
    )
    return f'<tr class="attention">{shown}</tr>' if not row.is_ok and row.listed is not False else f"<tr>{shown}</tr>"


def _text(text: str) -> str:
    return escape(safe_text(text, 2000))
