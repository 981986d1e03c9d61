"""A report of meters as lines, as a table for spreadsheets, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from fieldtool.export.lines import ALARM_GLYPH, OUTCOME_GLYPHS, reading_text, value_text
from fieldtool.export.telegram_json import value_json
from fieldtool.report.rows import NOT_HEARD, ReportRow, Sums
from keystore.formats.table_writer import table_cell
from protocols.model import Outcome, Reading
from protocols.plural import counted
from protocols.text import safe_text

COLUMNS: Final = (
    "number",
    "manufacturer",
    "label",
    "medium",
    "listed",
    "state",
    "problem",
    "reading",
    "value",
    "unit",
    "due_date_value",
    "read_at",
    "first_heard",
    "last_heard",
    "telegrams",
    "best_rssi_dbm",
    "alarms",
    "security",
    "key_check_value",
    "profile",
    "actions_done",
)
"""Of the table and of the JSON; times are UTC."""

_DIGITS: Final = frozenset({"number", "key_check_value"})
"""Columns of digits that a spreadsheet must not take for numbers."""


def table_heading(delimiter: str) -> str:
    """Return the first line of the table."""
    return delimiter.join(COLUMNS)


def table_row(row: ReportRow, delimiter: str) -> str:
    """Return one meter as a line of the table."""
    return delimiter.join(_cell(name, value, delimiter) for name, value in _facts(row).items())


def json_row(row: ReportRow) -> str:
    """Return one meter as an object; values are numbers digit by digit."""
    parts = []
    for name, value in _facts(row).items():
        is_value = isinstance(value, Reading)
        text = value_json(value.value) if isinstance(value, Reading) else json.dumps(value)
        parts.append(f'"{name}": {text if is_value or value != "" else "null"}')
    return f"{{{', '.join(parts)}}}"


def text_row(row: ReportRow) -> str:
    """Return one meter as a line for people."""
    rssi = "" if row.rssi_dbm is None else f"{row.rssi_dbm} dBm"
    raised = "  ".join(f"{ALARM_GLYPH} {safe_text(alarm)}" for alarm in row.alarms)
    reading = "" if row.reading is None else reading_text(row.reading)
    cells = (
        f"{state_text(row.state):13}",
        f"{name_text(row):16}",
        f"{safe_text(row.label, 24):24}",
        f"{rssi:>8}",
        "" if row.listed is not False else "not on the list",
        ", ".join(row.done),
        reading if row.is_ok else safe_text(row.problem),
        raised,
    )
    return "  ".join(cell for cell in cells if cell).rstrip()


def name_text(row: ReportRow) -> str:
    """Return maker and number."""
    return safe_text(f"{row.manufacturer} {row.number}".strip())


def state_text(state: str) -> str:
    """Return sign and word of a state."""
    return "· not heard" if state == NOT_HEARD else f"{OUTCOME_GLYPHS[Outcome(state)]} {state.replace('_', ' ')}"


def sums_text(sums: Sums, *, has_list: bool) -> str:
    """Return how many meters there are of each state, in a sentence."""
    states = (*Outcome, NOT_HEARD)
    parts = [f"{sums.by_state[state]} {str(state).replace('_', ' ')}" for state in states if sums.by_state[state]]
    if sums.with_alarms and sums.by_state[Outcome.OK]:
        parts[0] += f" ({sums.with_alarms} with alarms)"
    whole = f"{counted(sums.listed, 'meter')} {'on the list' if has_list else 'heard'}"
    more = f"; {sums.unlisted} heard that {'is' if sums.unlisted == 1 else 'are'} not on it" if sums.unlisted else ""
    return f"{whole}: {', '.join(parts) or 'none'}{more}"


def utc_text(at: datetime | None) -> str:
    """Return a time to the second, UTC; empty where it is not known."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _facts(row: ReportRow) -> dict[str, object]:
    reading = row.reading
    values: Sequence[object] = (
        safe_text(row.number),
        safe_text(row.manufacturer),
        safe_text(row.label),
        safe_text(row.medium),
        "" if row.listed is None else "yes" if row.listed else "no",
        row.state,
        safe_text(row.problem),
        "" if reading is None else safe_text(reading.name),
        "" if reading is None else reading,
        "" if reading is None else safe_text(reading.unit),
        "" if row.due is None else row.due,
        utc_text(row.read_at),
        utc_text(row.first_at),
        utc_text(row.last_at),
        row.telegrams,
        "" if row.rssi_dbm is None else row.rssi_dbm,
        safe_text(" ".join(row.alarms)),
        row.security,
        row.key_check_value,
        safe_text(row.profile),
        safe_text(", ".join(row.done)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _cell(name: str, value: object, delimiter: str) -> str:
    plain = value.value if isinstance(value, Reading) else value
    if isinstance(plain, int | Decimal):
        # A sign before a number is no formula.
        return value_text(plain)
    text = value_text(value.value) if isinstance(value, Reading) else str(value)
    return table_cell(text, delimiter, quote=name in _DIGITS)
