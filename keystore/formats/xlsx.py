"""Workbooks of a spreadsheet (XLSX), read by openpyxl where it is installed (`pip install fieldtool[xlsx]`).

Numbers lose digits in a workbook beyond the fifteenth: keys and EUIs that were typed as numbers are refused.
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.archive import check_members, member_names
from keystore.formats.batch import ExportFile, ImportRow, ImportStream
from keystore.formats.device_rows import RowReader, RowRules, filled
from keystore.formats.mapping import ColumnMapping
from keystore.formats.table_columns import (
    Columns,
    check_width,
    columns_of_header,
    first_data_line,
    is_usable,
    passed_over,
    rows_of_lines,
)
from keystore.formats.table_text import HEADER_SEARCH_LINES, Line
from keystore.model import Provenance
from protocols.text import safe_text

if TYPE_CHECKING:
    from openpyxl import Workbook

SYSTEM: Final = "xlsx"
MAX_UNPACKED: Final = 512 * 1024 * 1024
MAX_COLUMNS: Final = 64
MAX_EMPTY_ROWS: Final = 10_000
"""A sheet whose cells have only been coloured has a million of them."""

MAX_SHEETS: Final = 32
EXACT_DIGITS: Final = 15
_CHUNK_ROWS: Final = 500
_FAULTS: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ArithmeticError),
    *(SyntaxError, LookupError, ValueError, TypeError, AttributeError, AssertionError),
)
"""What openpyxl lets through when a workbook is not what it should be; XML errors are a `SyntaxError` of any parser."""


def sniff(data: bytes) -> bool:
    """True for a ZIP that is a workbook."""
    return "xl/workbook.xml" in member_names(data)


def read(file: ExportFile) -> ImportStream:
    """Read all sheets that have a table of keys; `row` is the sheet's row.

    Hidden sheets are read only where no other has one: they are what was left behind.

    Raises `ImportRejected`: UNKNOWN_FORMAT when openpyxl is not installed, NO_COLUMNS without such a sheet, DAMAGED,
    TOO_LARGE and FORBIDDEN_XML as for any archive.
    """
    thing = file.shown_name
    check_members(file.data, thing, MAX_UNPACKED)
    found = list(_tables(file, thing))
    chosen = [table for table in found if not table.hidden] or found
    if chosen:
        left_out = [table.title for table in found if table not in chosen]
        warnings = [warning for table in chosen for warning in table.warnings]
        warnings += [
            f"the hidden sheet {safe_text(title)} is not read: show it to import its keys" for title in left_out
        ]
        rows = chain.from_iterable(_rows(table, file) for table in chosen)
        return ImportStream(_source(chosen[0], file), filled(rows, thing), tuple(warnings))
    raise ImportRejected(
        ImportReason.NO_COLUMNS,
        f"{thing} has no sheet with a header line that names a serial number and a key",
        "name the columns such as Serial number, Manufacturer, OMS key, or say which they are: --map serial=1,key=2",
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The table of one sheet: its lines behind the header, what its columns hold, and what is to be said of it."""

    title: str
    hidden: bool
    lines: Iterator[Line]
    columns: Columns
    warnings: tuple[str, ...]


def _tables(file: ExportFile, thing: str) -> Iterator[_Table]:
    mapping = file.options.mapping
    too_narrow: ImportRejected | None = None
    found = False
    sheets = sorted(_sheets(file.data, thing), key=_is_hidden)
    for sheet in sheets:
        lines = _lines(sheet, thing, max(MAX_COLUMNS, mapping.last_number if mapping else 0))
        head = list(islice(lines, HEADER_SEARCH_LINES))
        table = _find_table(head, mapping)
        if table is None:
            continue
        after, columns = table
        if mapping is not None:
            try:
                check_width((_filled_cells(line) for line in head), mapping, thing)
            except ImportRejected as rejected:
                too_narrow = too_narrow or rejected
                continue
        warnings = passed_over(head[after - 1].cells, columns) if mapping is None else ()
        found = True
        yield _Table(str(sheet.title), _is_hidden(sheet), chain(head[after:], lines), columns, warnings)
        if mapping is not None and not mapping.needs_header:
            # Columns by number would be found on any sheet.
            return
    if too_narrow is not None and not found:
        raise too_narrow


def _is_hidden(sheet: Any) -> bool:  # noqa: ANN401 - see `_sheets`
    return bool(sheet.sheet_state != "visible")


def _source(table: _Table, file: ExportFile) -> Provenance:
    return file.provenance(SYSTEM, member=table.title)


def _rows(table: _Table, file: ExportFile) -> Iterator[ImportRow]:
    rules = RowRules(thousands=file.options.thousands, organisation=file.options.organisation)
    kept = (line for line in table.lines if _is_filled(line))
    return rows_of_lines(
        kept, table.columns, RowReader(_source(table, file), rules), sections=file.options.mapping is None
    )


def _sheets(data: bytes, thing: str) -> list[Any]:
    """Return the sheets; their types are openpyxl's own, which differ by how a workbook was opened."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} is a workbook, and openpyxl is not installed",
            "install it with: pip install fieldtool[xlsx]; or save the sheet as CSV",
        ) from None
    try:
        with warnings.catch_warnings(action="ignore"):
            book: Workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        return list(book.worksheets[:MAX_SHEETS])
    except _FAULTS:
        raise _damaged(thing) from None


def _find_table(head: Sequence[Line], mapping: ColumnMapping | None) -> tuple[int, Columns] | None:
    """Return how many of the first lines stand before the first row, and what the columns hold."""
    if mapping is not None and not mapping.needs_header:
        columns = mapping.columns(())
        return None if columns is None else (first_data_line([line.cells for line in head], columns), columns)
    for index, line in enumerate(head):
        columns = columns_of_header(line.cells, mapping)
        if columns is not None and is_usable(columns):
            return index + 1, columns
    return None


def _lines(sheet: Any, thing: str, max_columns: int) -> Iterator[Line]:  # noqa: ANN401 - see `_sheets`
    """Yield the rows of a sheet; what openpyxl warns of (colours, validations) is no matter of keys."""
    empty = number = 0
    try:
        sheet.reset_dimensions()
        rows = sheet.iter_rows(max_col=max_columns, values_only=True)
        while chunk := _chunk(rows):
            for values in chunk:
                number += 1
                line = Line(number, [_text(value) for value in values])
                empty = 0 if _is_filled(line) else empty + 1
                yield line
            if empty > MAX_EMPTY_ROWS:
                raise ImportRejected(
                    ImportReason.TOO_LARGE, f"{thing} has thousands of empty rows", "delete them, or save it as CSV"
                )
    except _FAULTS:
        raise _damaged(thing) from None


def _chunk(rows: Iterator[tuple[object, ...]]) -> list[tuple[object, ...]]:
    with warnings.catch_warnings(action="ignore"):
        return list(islice(rows, _CHUNK_ROWS))


def _text(value: object) -> str:
    """Return a cell as its sheet shows it, but for numbers that have lost digits, which show that they have."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if abs(value) >= 10**EXACT_DIGITS:
            return f"{value:.6E}"
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def _filled_cells(line: Line) -> list[str]:
    """Return the cells up to the last that is filled: a sheet has more of them than its table."""
    filled_at = [index for index, cell in enumerate(line.cells) if cell.strip()]
    return line.cells[: max(filled_at, default=-1) + 1]


def _is_filled(line: Line) -> bool:
    return any(cell.strip() for cell in line.cells)


def _damaged(thing: str) -> ImportRejected:
    return ImportRejected(ImportReason.DAMAGED, f"{thing} is a damaged workbook", "save it again, or save it as CSV")
