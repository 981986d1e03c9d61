"""A report of meters as lines, as a table for spreadsheets, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from fieldtool.export.lines import ALARM_GLYPH, OUTCOME_GLYPHS, measured_text, value_text
from fieldtool.export.telegram_json import value_json
from fieldtool.report.rows import NO_VALUE, NOT_HEARD, ReportRow, Sums
from keystore.formats.table_writer import table_cell
from protocols.model import FindingKind, Outcome, Reading
from protocols.plural import counted
from protocols.text import safe_text

NOT_KNOWN: Final = "not known"
"""Of what is worked out from receive times, where a capture has none."""

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
    "not_read",
    "transmissions",
    "median_interval_s",
    "received_percent",
    "received_by",
    "best_rssi_dbm",
    "median_rssi_dbm",
    "installation_request",
    "alarms",
    "findings",
    "security",
    "key_check_value",
    "key_status",
    "profile",
    "actions_done",
)
"""Of the table and of the JSON; times are UTC."""

_GLYPHS: Final = {NOT_HEARD: "·", NO_VALUE: "◌"}
_WHOLE_S: Final = 100
_TO_THE_MINUTE: Final = len("2026-11-20 08:00")
LABEL_WIDTH: Final = 24
_DIGITS: Final = frozenset({"number", "key_check_value"})
"""Columns of digits that a spreadsheet must not take for numbers."""

_OF_TIME: Final = frozenset({"first_heard", "last_heard", "transmissions", "median_interval_s", "received_percent"})


@dataclass(frozen=True, slots=True)
class TableStyle:
    """How a table is written: what is between its cells, and in its numbers before the decimals."""

    delimiter: str = ";"
    decimal_mark: str = ","


def table_heading(style: TableStyle) -> str:
    """Return the first line of the table."""
    return style.delimiter.join(COLUMNS)


def table_row(row: ReportRow, style: TableStyle) -> str:
    """Return one meter as a line of the table; what is not known for want of receive times says so."""
    facts = _facts(row)
    if row.telegrams and row.last_at is None:
        facts |= {name: NOT_KNOWN for name in _OF_TIME if facts[name] == ""}
    return style.delimiter.join(_cell(name, value, style) for name, value in facts.items())


def json_row(row: ReportRow) -> str:
    """Return one meter as an object; values are numbers digit by digit, null is what there is not or is not known."""
    parts = []
    for name, value in _facts(row).items():
        is_value = isinstance(value, Reading | Decimal)
        plain = value.value if isinstance(value, Reading) else value
        text = value_json(plain) if is_value else json.dumps(value)  # type: ignore[arg-type]
        parts.append(f'"{name}": {text if is_value or value != "" else "null"}')
    return f"{{{', '.join(parts)}}}"


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the columns of lines for people are; without labels there is no such column."""

    state: int
    name: int
    label: int

    @classmethod
    def of(cls, rows: Sequence[ReportRow]) -> Widths:
        """As wide as these rows need, so that most fit a terminal of 80 columns."""
        return cls(
            max((len(state_text(row.state)) for row in rows), default=0),
            max((len(name_text(row)) for row in rows), default=0),
            min(LABEL_WIDTH, max((len(row.label) for row in rows), default=0)),
        )


def text_row(row: ReportRow, widths: Widths) -> str:
    """Return one meter as a line for people."""
    rssi = "" if row.rssi_dbm is None else f"{row.rssi_dbm} dBm"
    cells = (
        f"{state_text(row.state):{widths.state}}",
        f"{name_text(row):{widths.name}}",
        f"{safe_text(row.label, widths.label):{widths.label}}" if widths.label else "",
        f"{rssi:>8}",
        f"{received_text(row):>4}",
        measured_text(row.reading) if row.is_ok and row.reading is not None else "",
        "  ".join(remarks(row)),
    )
    return "  ".join(cell for cell in cells if cell).rstrip()


def remarks(row: ReportRow) -> list[str]:
    """Return what else is to be said of a meter, the most important first."""
    said = []
    if not row.is_ok:
        said.append(safe_text(row.problem))
        if row.reading is not None:
            at = "earlier" if row.read_at is None else f"at {utc_text(row.read_at)[:_TO_THE_MINUTE]} UTC"
            said.append(f"read {at}: {measured_text(row.reading)}")
    elif row.is_stale:
        said.append(f"{ALARM_GLYPH} heard since, and not read after {utc_text(row.read_at)[:_TO_THE_MINUTE]} UTC")
    if row.has_old_key:
        said.append(f"{ALARM_GLYPH} opens with a superseded key")
    said += [f"{ALARM_GLYPH} {safe_text(alarm)}" for alarm in row.alarms]
    told = [(kind, count) for kind, count in row.findings if kind is not FindingKind.ERROR_STATE or not row.alarms]
    said += [f"{ALARM_GLYPH} {kind}{f' x{count}' if count > 1 else ''}" for kind, count in told]
    if row.is_ok and row.not_read:
        said.append(f"not read: {_counts(row.not_read)}")
    if row.listed is False:
        said.append("not on the list")
    said.append(row.installation_request)
    return [text for text in (*said, safe_text(", ".join(row.done))) if text]


def received_text(row: ReportRow) -> str:
    """Return the share of transmissions that was received; empty where it is not known."""
    share = row.reception.received
    return "" if share is None else f"{share:.0%}"


def interval_text(row: ReportRow) -> str:
    """Return how often a meter sends; empty where it is not known."""
    interval_s = row.reception.interval_s
    return "" if interval_s is None else f"{interval_s:.0f} s" if interval_s >= _WHOLE_S else f"{interval_s:.1f} s"


def name_text(row: ReportRow) -> str:
    """Return maker and number."""
    return safe_text(f"{row.manufacturer} {row.number}".strip())


def state_text(state: str) -> str:
    """Return sign and word of a state."""
    glyph = _GLYPHS.get(state) or OUTCOME_GLYPHS[Outcome(state)]
    return f"{glyph} {state.replace('_', ' ')}"


def sums_text(sums: Sums, *, has_list: bool) -> str:
    """Return how many meters there are of each state, in a sentence."""
    states = (*Outcome, NO_VALUE, NOT_HEARD)
    parts = [f"{sums.by_state[state]} {str(state).replace('_', ' ')}" for state in states if sums.by_state[state]]
    if sums.with_warnings and sums.by_state[Outcome.OK]:
        parts[0] += f" ({sums.with_warnings} with warnings)"
    whole = f"{counted(sums.listed, 'meter')} {'on the list' if has_list else 'heard'}"
    more = f"; {sums.unlisted} heard that {'is' if sums.unlisted == 1 else 'are'} not on it" if sums.unlisted else ""
    return f"{whole}: {', '.join(parts) or 'none'}{more}"


def utc_text(at: datetime | None) -> str:
    """Return a time to the second, UTC; empty where it is not known."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _facts(row: ReportRow) -> dict[str, object]:
    reading, reception = row.reading, row.reception
    share = reception.received
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
        _counts(row.not_read),
        "" if reception.transmissions is None else reception.transmissions,
        "" if reception.interval_s is None else Decimal(f"{reception.interval_s:.1f}"),
        "" if share is None else Decimal(f"{100 * share:.1f}"),
        "" if share is None else "numbers" if reception.by_numbers else "intervals",
        "" if row.rssi_dbm is None else row.rssi_dbm,
        "" if reception.median_rssi_dbm is None else reception.median_rssi_dbm,
        row.installation_request,
        safe_text(" ".join(row.alarms)),
        _counts(row.findings),
        row.security,
        row.key_check_value,
        "superseded" if row.has_old_key else "",
        safe_text(row.profile),
        safe_text(", ".join(row.done)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _counts(counted_things: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted_things)


def _cell(name: str, value: object, style: TableStyle) -> str:
    plain = value.value if isinstance(value, Reading) else value
    if isinstance(plain, int | Decimal):
        # A sign before a number is no formula.
        return value_text(plain).replace(".", style.decimal_mark)
    text = value_text(value.value) if isinstance(value, Reading) else str(value)
    return table_cell(text, style.delimiter, quote=name in _DIGITS)
