"""Key tables as text: any delimiter, any known header in any order, whatever a spreadsheet has done to the cells."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.batch import ExportFile, ImportBatch, ImportRow, RowVerdict, quarantined
from keystore.formats.csv_cells import (
    cell_text,
    is_scientific,
    manufacturer_cell,
    medium_cell,
    serial_cell,
    version_cell,
)
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn, meaning_of
from keystore.formats.key_text import NO_KEY_WORDS, key_from_text, looks_like_key, shown_text
from keystore.matching import normal_eui
from keystore.model import WMBUS_ROLES, KeyRecord, KeyRole, Provenance
from protocols.text import safe_text

SYSTEM: Final = "csv"
DELIMITERS: Final = ";,\t|"
HEADER_SEARCH_LINES: Final = 20
"""A table may stand below a title; further down than this it is not looked for."""

_UNCLAIMED: Final = frozenset({"unclaimed", "not claimed", "no", "false", "0"})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the header was found and what it says."""

    delimiter: str
    header_line: int
    columns: tuple[ColumnMeaning | None, ...]

    @property
    def known(self) -> int:
        return sum(column is not None for column in self.columns)

    @property
    def usable(self) -> bool:
        identified = Column.SERIAL in self.columns or Column.DEV_EUI in self.columns
        return identified and any(isinstance(column, KeyColumn) for column in self.columns)


def sniff(data: bytes) -> bool:
    """True for anything that can be text."""
    return b"\0" not in data[:4096] or data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}


def read(file: ExportFile) -> ImportBatch:
    """Read a key table; one row a key, and one quarantined row for each line without a usable one.

    Raises `ImportRejected`: NO_COLUMNS without a header that names a serial (or DevEUI) and a key, EMPTY without rows,
    DAMAGED when it is no text. `row` is the line number.
    """
    thing = file.shown_name
    text, warnings = _decode(file.data)
    lines = text.splitlines(keepends=True)
    table = _find_table(lines)
    if table is None:
        raise ImportRejected(
            ImportReason.NO_COLUMNS,
            f"{thing} has no header line that names a serial number and a key",
            "give the columns names such as: Serial number;Manufacturer;OMS key",
        )
    source = file.provenance(SYSTEM)
    rows: list[ImportRow] = []
    body = io.StringIO("".join(lines[table.header_line + 1 :]), newline="")
    reader = csv.reader(body, delimiter=table.delimiter)
    line = table.header_line + 1
    try:
        for cells in reader:
            row, line = line + 1, table.header_line + 1 + reader.line_num
            if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
                rows.extend(_read_row(row, cells, table.columns, source))
    except csv.Error:
        raise ImportRejected(
            ImportReason.DAMAGED, f"{thing} cannot be read as a table from line {line + 1}", "check its quotes"
        ) from None
    if not rows:
        raise ImportRejected(ImportReason.EMPTY, f"{thing} has a header but no rows", "export the meters again")
    return ImportBatch(tuple(rows), tuple(warnings), source)


def _decode(data: bytes) -> tuple[str, list[str]]:
    if data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return data.decode("utf-16", "replace"), []
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    warning = "the file is not UTF-8: read as Windows-1252, check the umlauts"
    try:
        return data.decode("cp1252"), [warning]
    except UnicodeDecodeError:
        return data.decode("latin-1"), [warning]


def _find_table(lines: Sequence[str]) -> _Table | None:
    """Return the first line that reads as a header under any delimiter; the delimiter that knows most columns wins."""
    delimiters = DELIMITERS
    for index, line in enumerate(lines[:HEADER_SEARCH_LINES]):
        declared = line.strip().strip('"')
        if declared.lower().startswith("sep=") and len(declared) == 5:
            delimiters = declared[4]
            continue
        found = [table for delimiter in delimiters if (table := _header(line, index, delimiter)).usable]
        if found:
            return max(found, key=lambda table: table.known)
    return None


def _header(line: str, index: int, delimiter: str) -> _Table:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    meanings = [meaning_of(cell_text(cell)) for cell in cells]
    # Of two columns of one meaning the first counts.
    columns = tuple(None if meaning in meanings[:i] else meaning for i, meaning in enumerate(meanings))
    return _Table(delimiter, index, columns)


def _read_row(
    row: int, cells: Sequence[str], columns: Sequence[ColumnMeaning | None], source: Provenance
) -> Iterator[ImportRow]:
    """Yield the rows of one line: one a key, or one that says why there is none."""
    found = {meaning: cell_text(cell) for meaning, cell in zip(columns, cells, strict=False) if meaning is not None}
    meter = shown_text(found.get(Column.SERIAL) or found.get(Column.DEV_EUI) or "")
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        yield quarantined(row, meter, f"the line has {len(cells)} cells, the header {len(columns)}")
        return
    keys = {column: text for column, text in found.items() if isinstance(column, KeyColumn) and text}
    warnings: list[str] = []
    try:
        base = _base_record(found, keys, warnings, replace(source, row=row))
    except ValueError as error:
        yield quarantined(row, meter, str(error), tuple(warnings))
        return
    if not keys:
        unclaimed = found.get(Column.CLAIM_STATUS, "").casefold() in _UNCLAIMED
        yield quarantined(row, meter, "not claimed: no key yet" if unclaimed else "no key", tuple(warnings))
    for column, text in keys.items():
        yield _key_row(row, base, column, text, tuple(warnings))


def _base_record(
    found: dict[ColumnMeaning, str], keys: dict[KeyColumn, str], warnings: list[str], source: Provenance
) -> KeyRecord:
    """Return the record of a line but for its key; `ValueError` when the meter cannot be told."""
    eui, serial = found.get(Column.DEV_EUI, ""), found.get(Column.SERIAL, "")
    if is_scientific(eui):
        raise ValueError("the DevEUI was turned into scientific notation: its digits are lost")
    if looks_like_key(serial):
        raise ValueError("the serial number looks like a key: check the columns")
    dev_eui = normal_eui(eui) if eui else ""
    cell = serial_cell(serial, on_air=any(column.role in WMBUS_ROLES for column in keys))
    warnings.extend(cell.warnings)
    if not cell.number and not dev_eui:
        raise ValueError("the line names no meter")
    text = {column: shown_text(found.get(column, "")) for column in Column}
    return KeyRecord(
        number=safe_text(cell.number),
        no_key=True,
        manufacturer=_checked(found.get(Column.MANUFACTURER), manufacturer_cell, warnings) or cell.manufacturer,
        version=_checked(found.get(Column.VERSION), version_cell, warnings),
        medium_code=_checked(found.get(Column.MEDIUM), medium_cell, warnings),
        serial=text[Column.SERIAL],
        dev_eui=dev_eui,
        join_eui=_checked(found.get(Column.JOIN_EUI), normal_eui, warnings) or "",
        label=text[Column.LABEL],
        meter_type=text[Column.TYPE],
        type_number=text[Column.TYPE_NUMBER],
        config_number=text[Column.CONFIG_NUMBER],
        order=text[Column.ORDER],
        batch_reference=text[Column.BATCH_REFERENCE],
        source=source,
    )


def _checked(text: str | None, read_cell: Callable[[str], _T], warnings: list[str]) -> _T | None:
    """Return a cell's value, or None with a warning: a wrong hint must not keep a key out."""
    if not text:
        return None
    try:
        return read_cell(text)
    except ValueError as error:
        warnings.append(str(error))
        return None


def _key_row(row: int, base: KeyRecord, column: KeyColumn, text: str, warnings: tuple[str, ...]) -> ImportRow:
    meter = base.serial or base.meter_text
    role = column.role
    if text.casefold() in NO_KEY_WORDS:
        record = replace(base, role=role, role_detail=column.detail)
        return ImportRow(row, RowVerdict.READY, record, meter, warnings=warnings)
    if is_scientific(text):
        reason = "the key was turned into scientific notation: its digits are lost"
        return quarantined(row, meter, reason, warnings)
    try:
        value = key_from_text(text)
    except ValueError as error:
        return quarantined(row, meter, str(error), warnings)
    if len(value) == 8 and role is KeyRole.WMBUS_DEK:
        role = KeyRole.PRIOS64
    record = replace(base, role=role, role_detail=column.detail, value=value, no_key=False)
    return ImportRow(row, RowVerdict.READY, record, meter, warnings=warnings)
