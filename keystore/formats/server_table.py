"""Tables of LoRaWAN servers: exact column names, found by those that no other server's table has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.batch import ExportFile, ImportRow, ImportStream
from keystore.formats.csv_cells import cell_text
from keystore.formats.csv_columns import ColumnMeaning, KeyColumn, meaning_of
from keystore.formats.device_rows import RowReader, RowRules, filled
from keystore.formats.table_text import Line, TableText, cells_of, first_line, is_text

Fields = dict[ColumnMeaning, str]

LORA_SERIALS: Final = RowRules(padded=False)
"""Serials of LoRaWAN devices are free text of the maker."""


def as_is(found: Fields) -> Fields:
    """Return the fields of a line as they stand."""
    return found


@dataclass(frozen=True, slots=True)
class ServerTable:
    """One server's table: its columns by name, and how it is told from others.

    A header is this server's when it has all of `required`, at least one of `typical` and none of `foreign`; one of
    nothing but the server's columns, when it has all of `minimal`. A column of keys that the server does not write
    makes it somebody else's table, lest its keys be passed over. `settle` changes what a line says into what it
    means. Names are compared without regard to case.
    """

    system: str
    columns: Mapping[str, ColumnMeaning]
    required: frozenset[str]
    typical: frozenset[str]
    foreign: frozenset[str] = frozenset()
    minimal: frozenset[str] | None = None
    delimiters: str = ","
    settle: Callable[[Fields], Fields] = as_is

    def sniff(self, data: bytes) -> bool:
        """True when the first line is this server's header."""
        return is_text(data) and self._delimiter(first_line(data)) is not None

    def read(self, file: ExportFile) -> ImportStream:
        """Return the rows of a table that `sniff` took; `ImportRejected` with NO_COLUMNS when the header has gone."""
        thing = file.shown_name
        text = TableText(file.data, thing)
        for index, line in enumerate(text.head):
            delimiter = self._delimiter(line)
            if delimiter is not None:
                source = file.provenance(self.system)
                columns = [self._meaning(cell) for cell in cells_of(line, delimiter)]
                lines = text.rows(delimiter, index + 1)
                rows = filled(self._rows(lines, columns, RowReader(source, LORA_SERIALS)), thing)
                return ImportStream(source, rows, text.warnings, text.lines)
        raise ImportRejected(ImportReason.NO_COLUMNS, f"{thing} has no header line", "export the devices again")

    def _rows(
        self, lines: Iterator[Line], columns: Sequence[ColumnMeaning | None], reader: RowReader
    ) -> Iterator[ImportRow]:
        for line in lines:
            cells = zip(columns, line.cells, strict=False)
            found = {meaning: cell_text(cell) for meaning, cell in cells if meaning is not None}
            yield from reader.rows(line.number, self.settle(found))

    def _delimiter(self, line: str) -> str | None:
        for delimiter in self.delimiters:
            names = {_name(cell) for cell in cells_of(line, delimiter)}
            own = self.required <= names and self._is_own(names) and self.foreign.isdisjoint(names)
            if own and not self._would_drop_keys(names):
                return delimiter
        return None

    def _would_drop_keys(self, names: Set[str]) -> bool:
        return any(isinstance(meaning_of(name), KeyColumn) for name in names - self.columns.keys())

    def _is_own(self, names: Set[str]) -> bool:
        if not self.typical.isdisjoint(names):
            return True
        return self.minimal is not None and self.minimal <= names <= self.columns.keys()

    def _meaning(self, cell: str) -> ColumnMeaning | None:
        return self.columns.get(_name(cell))


def _name(cell: str) -> str:
    return cell_text(cell).casefold()
