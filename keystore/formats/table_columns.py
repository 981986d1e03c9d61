"""The columns of a table, found by header texts or by the user's mapping, and its lines read by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.batch import ImportRow, quarantined
from keystore.formats.csv_cells import cell_text
from keystore.formats.csv_columns import (
    Column,
    ColumnMeaning,
    KeyColumn,
    Plainness,
    meanings_of,
    plainness_of,
    speaks_of_a_key,
)
from keystore.formats.device_rows import RowReader
from keystore.formats.key_text import NO_KEY_WORDS, shown_text
from keystore.formats.mapping import ColumnMapping
from keystore.formats.table_text import Line
from protocols.plural import counted

Columns = tuple[ColumnMeaning | None, ...]


def columns_of_header(cells: Sequence[str], mapping: ColumnMapping | None) -> Columns | None:
    """Return what each column holds; None when a header that the mapping names is missing.

    Of two columns of one meaning the one counts whose header says it more plainly, else the first.
    """
    texts = [cell_text(cell) for cell in cells]
    if mapping is not None:
        return mapping.columns(texts)
    meanings = meanings_of(texts)
    chosen = {
        meaning: min(
            (index for index, other in enumerate(meanings) if other == meaning),
            key=lambda index: (plainness_of(texts[index]), index),
        )
        for meaning in meanings
        if meaning is not None
    }
    return tuple(
        meaning if meaning is not None and chosen[meaning] == index else None for index, meaning in enumerate(meanings)
    )


def passed_over(cells: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """Return a warning for each column that may hold a meter's number or a key and is not read."""
    texts = [cell_text(cell) for cell in cells]
    meanings = meanings_of(texts)
    warnings = []
    for index, (text, meaning) in enumerate(zip(texts, meanings, strict=True)):
        if not text or columns[index] is not None:
            continue
        number = meaning is Column.SERIAL and plainness_of(text) is not Plainness.VAGUE
        if not (number or isinstance(meaning, KeyColumn) or (meaning is None and speaks_of_a_key(text))):
            continue
        warning = f"column {index + 1}, {shown_text(text)}, is not read"
        if meaning is not None and meaning in columns:
            used = columns.index(meaning)
            what = "number" if number else "key"
            warning += f": the {what} is taken from column {used + 1}, {shown_text(texts[used])}"
        warnings.append(f"{warning}; if that is wrong, give --map")
    return tuple(warnings)


def is_usable(columns: Columns) -> bool:
    """True when the columns say which meter it is, and hold a key."""
    identified = Column.SERIAL in columns or Column.DEV_EUI in columns
    return identified and any(isinstance(column, KeyColumn) for column in columns)


def first_data_line(lines: Sequence[Sequence[str]], columns: Columns) -> int:
    """Return how many lines stand before the first that holds a device, when columns are known by number only.

    A device has digits in its number and its key, or the word for no key; a header has neither.
    """
    for index, cells in enumerate(lines):
        found = {meaning: cell_text(cell) for meaning, cell in zip(columns, cells, strict=False) if meaning is not None}
        identity = found.get(Column.SERIAL) or found.get(Column.DEV_EUI) or ""
        keys = [text for column, text in found.items() if isinstance(column, KeyColumn)]
        if _has_digit(identity) and any(_has_digit(text) or text.casefold() in NO_KEY_WORDS for text in keys):
            return index
    return 0


def check_width(lines: Iterable[Sequence[str]], mapping: ColumnMapping, thing: str) -> None:
    """Raise `ImportRejected` with NO_COLUMNS when no line has the last column that the user names by its number."""
    width = max((len(cells) for cells in lines), default=0)
    if width < mapping.last_number:
        raise ImportRejected(
            ImportReason.NO_COLUMNS,
            f"{thing} has {counted(width, 'column')}: column {mapping.last_number} of --map is not there",
            "count its columns from 1, or give the right --delimiter",
        )


def rows_of_lines(
    lines: Iterable[Line], columns: Columns, reader: RowReader, *, strict_width: bool = True, sections: bool = True
) -> Iterator[ImportRow]:
    """Yield the rows of a table's lines; a line with filled cells beyond the header's is quarantined.

    With `sections`, a header that comes again counts from there on: delivery notes have several tables.
    """
    known, width, place = _known(columns), len(columns), _place(columns)
    for line in lines:
        cells = line.cells
        count = len(cells)
        if sections and place < count and not _has_digit(cells[place]):
            again = columns_of_header(cells, None)
            if again is not None and is_usable(again):
                known, width, place = _known(again), len(again), _place(again)
                continue
        if strict_width and count > width and any(cell.strip() for cell in cells[width:]):
            yield _too_wide(line, place, width)
            continue
        found = {meaning: text for index, meaning in known if index < count and (text := cell_text(cells[index]))}
        yield from reader.rows(line.number, found)


def _known(columns: Columns) -> list[tuple[int, ColumnMeaning]]:
    return [(index, meaning) for index, meaning in enumerate(columns) if meaning is not None]


def _place(columns: Columns) -> int:
    """Return where the lines name their meter."""
    return columns.index(Column.SERIAL if Column.SERIAL in columns else Column.DEV_EUI)


def _too_wide(line: Line, place: int, width: int) -> ImportRow:
    meter = shown_text(cell_text(line.cells[place]))
    return quarantined(line.number, meter, f"the line has {len(line.cells)} cells, the header {width}")


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)
