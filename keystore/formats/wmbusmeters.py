"""Meter files of wmbusmeters: `key=value` lines, one file a meter; several in a row when each begins with `name=`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from keystore.formats.batch import ExportFile, ImportRow, ImportStream, quarantined
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, filled
from keystore.formats.key_text import NO_KEY, shown_text, written_key
from keystore.formats.table_text import first_line, is_text, text_lines
from keystore.model import KeyRecord, KeyRole
from protocols.text import safe_text

SYSTEM: Final = "wmbusmeters"

_LINE: Final = re.compile(r"\s*([a-z_]+)\s*=(.*)", re.DOTALL)
_KNOWN: Final = frozenset({"name", "driver", "type", "id", "key"})
_ADDRESS: Final = re.compile(
    r"(?P<number>[0-9A-Fa-f]{8})(?:\.M=(?P<maker>[A-Za-z]{3}))?(?P<rest>(?:\.[VT]=[0-9A-Fa-f]{2})*)"
)
_UNSAFE_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def sniff(data: bytes) -> bool:
    """True when the first line sets a name, driver, id or key."""
    if not is_text(data):
        return False
    match = _LINE.fullmatch(first_line(data))
    return match is not None and match[1] in _KNOWN


def read(file: ExportFile) -> ImportStream:
    """Read meter files; one row for each identification number. `row` is the line of the meter's first setting."""
    source = file.provenance(SYSTEM)
    rows = filled(_rows(text_lines(file.data), RowReader(source)), file.shown_name)
    return ImportStream(source, rows, (), file.data.count(b"\n") + 1)


def write(record: KeyRecord) -> bytes:
    """Return the meter file of one wireless M-Bus key; `ValueError` for a meter without such a number."""
    if not record.is_radio_number:
        raise ValueError("a meter file needs an identification number of eight digits")
    name = _UNSAFE_NAME.sub("_", record.label).strip("_.") or _made_name(record.number)
    return f"name={name}\ndriver=auto\nid={record.number}\nkey={written_key(record)}\n".encode()


def _made_name(number: str) -> str:
    """The name of a meter that nobody has named; a file needs one."""
    return f"meter_{number}"


def file_name(record: KeyRecord) -> str:
    """Return the name of a meter's file: its maker and number, which are one of a kind."""
    return f"{record.manufacturer or 'meter'}_{record.number}"


def _rows(lines: Iterator[tuple[int, str]], reader: RowReader) -> Iterator[ImportRow]:
    settings: dict[str, str] = {}
    first = 0
    for number, line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            yield quarantined(number, "", "the line is not a setting (name=value)")
            continue
        if match[1] == "name" and "name" in settings:
            yield from _meter(first, settings, reader)
            settings = {}
        first = first if settings else number
        settings[match[1]] = match[2].strip()
    if settings:
        yield from _meter(first, settings, reader)


def _meter(row: int, settings: dict[str, str], reader: RowReader) -> Iterator[ImportRow]:
    addresses = [text.strip() for text in settings.get("id", "").split(",") if text.strip()]
    if not addresses:
        yield quarantined(row, shown_text(settings.get("name", "")), "the meter has no id")
    for text in addresses:
        match = _ADDRESS.fullmatch(text)
        if match is None:
            reason = "the id is not a single identification number: patterns name no meter"
            yield quarantined(row, shown_text(text), reason)
            continue
        name = settings.get("name", "")
        rest = dict(part.split("=") for part in match["rest"].split(".") if part)
        found: dict[ColumnMeaning, str] = {
            Column.SERIAL: match["number"],
            Column.MANUFACTURER: match["maker"] or "",
            Column.VERSION: f"{rest['V']}h" if "V" in rest else "",
            Column.MEDIUM: f"{rest['T']}h" if "T" in rest else "",
            Column.LABEL: "" if name == _made_name(match["number"]) else safe_text(name),
            Column.TYPE: settings.get("driver") or settings.get("type", ""),
            KeyColumn(KeyRole.WMBUS_DEK): settings.get("key") or NO_KEY,
        }
        yield from reader.rows(row, found)
