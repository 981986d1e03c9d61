"""Lines of `MAKER;NUMBER;KEY`, as reading services take them; maker and number may be missing.

A key that stands alone belongs to some meter: it cannot be filed, but it can be tried on meters that are heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from keystore.formats.batch import ExportFile, ImportRow, ImportStream, RowVerdict, quarantined
from keystore.formats.csv_cells import cell_text
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, filled
from keystore.formats.key_text import NO_KEY_WORDS, key_from_text, looks_like_key, written_key
from keystore.formats.table_text import first_line, is_text, text_lines
from keystore.model import KeyRecord, KeyRole

SYSTEM: Final = "maker_id_key"
PARTS: Final = 3

_SPLIT: Final = re.compile(r"[;,\t|]")
_BY_BLANKS: Final = re.compile(r"(?:([A-Za-z]{3})\s+)?([0-9]{8})\s+(\S.*)")
_NUMBER: Final = re.compile(r"[0-9A-Fa-f]{8}")
_ALMOST: Final = re.compile(r"[A-Za-z]{3};[0-9]{8};(?:[0-9A-Fa-f]{16,})?")
"""Such a line whose key is missing or has a wrong length; with other text it is the title of a table."""
_LENGTHS: Final = (8, 16)
_KEY: Final = KeyColumn(KeyRole.WMBUS_DEK)


def sniff(data: bytes) -> bool:
    """True when the first line is a key, with or without number and maker before it."""
    return is_text(data) and _is_line(first_line(data).strip())


def read(file: ExportFile) -> ImportStream:
    """Read such lines; keys without a number are quarantined with their key at hand. `row` is the line number."""
    source = file.provenance(SYSTEM)
    rows = filled(_rows(text_lines(file.data), RowReader(source)), file.shown_name)
    return ImportStream(source, rows, (), file.data.count(b"\n") + 1)


def write(record: KeyRecord) -> bytes:
    """Return the line of one wireless M-Bus key; `ValueError` for a meter without such a number."""
    if not record.is_radio_number:
        raise ValueError("a line needs an identification number of eight digits")
    return f"{record.manufacturer or ''};{record.number.upper()};{written_key(record)}\r\n".encode()


def _rows(lines: Iterator[tuple[int, str]], reader: RowReader) -> Iterator[ImportRow]:
    for number, line in lines:
        parts = _parts(line)
        if len(parts) > PARTS:
            yield quarantined(number, "", f"the line has {len(parts)} parts: at most maker, number and key")
            continue
        maker, serial, key = [""] * (PARTS - len(parts)) + parts
        if serial:
            found: dict[ColumnMeaning, str] = {Column.MANUFACTURER: maker, Column.SERIAL: serial, _KEY: key}
            yield from reader.rows(number, found)
        else:
            yield _loose(number, key)


def _parts(line: str) -> list[str]:
    """Return what stands between the delimiters; blanks are some only where there are no others."""
    if _SPLIT.search(line):
        parts = [cell_text(part) for part in _SPLIT.split(line)]
        while len(parts) > PARTS and not parts[-1]:
            parts.pop()
        return parts
    match = None if _is_key(line) else _BY_BLANKS.fullmatch(line)
    return [line] if match is None else [match[1] or "", match[2], match[3]]


def _is_line(line: str) -> bool:
    """True for a key, with or without number and maker before it, and for almost that."""
    parts = _parts(line)
    if len(parts) > PARTS:
        return False
    maker, number, key = [""] * (PARTS - len(parts)) + parts
    if _is_key(key):
        return (not number or _NUMBER.fullmatch(number) is not None) and not looks_like_key(maker)
    return _ALMOST.fullmatch(f"{maker};{number};{key}") is not None


def _is_key(text: str) -> bool:
    if text.casefold() in NO_KEY_WORDS:
        return True
    try:
        return len(key_from_text(text, _LENGTHS)) in _LENGTHS
    except ValueError:
        return False


def _loose(row: int, text: str) -> ImportRow:
    try:
        key = key_from_text(text)
    except ValueError as error:
        return quarantined(row, "", str(error))
    reason = "a key without its meter: try it with `fieldtool keys check --try FILE`"
    return ImportRow(row, RowVerdict.QUARANTINED, reason=reason, loose_key=key)
