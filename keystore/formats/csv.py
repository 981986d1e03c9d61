"""Key tables as text: any delimiter, any known header in any order, whatever a spreadsheet has done to the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.batch import ExportFile, ImportStream
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, RowRules, filled
from keystore.formats.json_objects import looks_like_json
from keystore.formats.table_columns import (
    check_width,
    columns_of_header,
    first_data_line,
    is_usable,
    passed_over,
    rows_of_lines,
)
from keystore.formats.table_text import DELIMITERS, TableText, cells_of, is_text, likely_delimiter

SYSTEM: Final = "csv"
PORTAL_SYSTEM: Final = "elvaco_csv"

_PORTAL_COLUMNS: Final = frozenset({Column.SERIAL, Column.CLAIM_STATUS, Column.BATCH_REFERENCE})


@dataclass(frozen=True, slots=True)
class _Table:
    """Which lines are the table, and what its columns hold; `after` is how many lines stand before the first row."""

    delimiter: str
    after: int
    columns: tuple[ColumnMeaning | None, ...]
    has_header: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def is_portal_list(self) -> bool:
        """True for the device list of a key management portal, whose serials are free text."""
        return _PORTAL_COLUMNS.issubset(self.columns)


def sniff(data: bytes) -> bool:
    """True for anything that can be text."""
    return is_text(data)


def read(file: ExportFile) -> ImportStream:
    """Read a key table; one row a key, and one quarantined row for each line without a usable one.

    Raises `ImportRejected`: NO_COLUMNS without a header that names a serial (or DevEUI) and a key, UNKNOWN_FORMAT for
    JSON, EMPTY without rows, DAMAGED when it is no text. `row` is the line number.
    """
    thing = file.shown_name
    text = TableText(file.data, thing)
    table = _find_table(text, file)
    if table is None and looks_like_json(file.data):
        raise ImportRejected(
            ImportReason.UNKNOWN_FORMAT,
            f"{thing} is JSON, but not a known list of devices",
            "export the devices as The Things Stack or Firefly do, or as a table (docs/keys.md lists the files)",
        )
    if table is None:
        raise ImportRejected(
            ImportReason.NO_COLUMNS,
            f"{thing} has no header line that names a serial number and a key",
            "name the columns such as Serial number;Manufacturer;OMS key, or say which they are: --map serial=1,key=2",
        )
    source = file.provenance(PORTAL_SYSTEM if table.is_portal_list else SYSTEM)
    rules = RowRules(
        padded=not table.is_portal_list,
        thousands=file.options.thousands,
        organisation=file.options.organisation,
    )
    lines = text.rows(table.delimiter, table.after)
    rows = rows_of_lines(
        lines,
        table.columns,
        RowReader(source, rules),
        strict_width=table.has_header,
        sections=file.options.mapping is None,
    )
    return ImportStream(source, filled(rows, thing), (*text.warnings, *table.warnings), text.lines)


def _find_table(text: TableText, file: ExportFile) -> _Table | None:
    """Return where the table is: by the user's mapping, else the first line that reads as a header.

    Unless the user or the file says which delimiter it is, the one that knows most columns wins.
    """
    options = file.options
    delimiters = options.delimiter or text.declared or DELIMITERS
    if options.mapping is not None and not options.mapping.needs_header:
        return _by_numbers(text, file, delimiters)
    for index, line in enumerate(text.head):
        found: list[_Table] = []
        for delimiter in delimiters:
            cells = cells_of(line, delimiter)
            columns = columns_of_header(cells, options.mapping)
            if columns is not None and is_usable(columns):
                warnings = passed_over(cells, columns) if options.mapping is None else ()
                found.append(_Table(delimiter, index + 1, columns, warnings=warnings))
        if found:
            return max(found, key=lambda table: _known(table.columns))
    return None


def _by_numbers(text: TableText, file: ExportFile, delimiters: str) -> _Table | None:
    mapping = file.options.mapping
    if mapping is None:
        return None
    delimiter = delimiters if len(delimiters) == 1 else likely_delimiter(text.head, mapping.last_number)
    columns = mapping.columns(())
    if columns is None:
        return None
    lines = [cells_of(line, delimiter) for line in text.head]
    check_width(lines, mapping, file.shown_name)
    return _Table(delimiter, first_data_line(lines, columns), columns, has_header=False)


def _known(columns: Sequence[ColumnMeaning | None]) -> int:
    return sum(isinstance(column, Column | KeyColumn) for column in columns)
