"""ThingPark, Actility's LoRaWAN server: lines without a header, each one operation on a device, cells by position."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from keystore.formats import lora_devices
from keystore.formats.batch import ExportFile, ImportRow, ImportStream, quarantined
from keystore.formats.csv_cells import cell_text
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, filled
from keystore.formats.key_text import shown_text
from keystore.formats.server_table import LORA_SERIALS
from keystore.formats.table_text import TableText, cells_of, first_line, is_text
from keystore.formats.table_writer import table_line
from keystore.formats.tr005 import parse as parse_tr005
from keystore.model import KeyRecord, KeyRole

SYSTEM: Final = "thingpark_csv"
DELIMITERS: Final = ",;"
WITH_KEY: Final = frozenset({"CREATE_OTAA", "UPDATE_OTAA"})
"""Operations whose key has a documented place; session keys of ABP devices have none that is public."""

_OPERATION: Final = re.compile(r"(?:CREATE|UPDATE|DELETE|MOVE)(?:_[A-Z0-9]+)*")
_CELLS: Final[tuple[ColumnMeaning | None, ...]] = (
    None,
    Column.DEV_EUI,
    Column.DEV_ADDR,
    Column.TYPE,
    Column.JOIN_EUI,
    KeyColumn(KeyRole.LORAWAN_APP_KEY),
)


def sniff(data: bytes) -> bool:
    """True when the first line begins with an operation."""
    return is_text(data) and _delimiter(first_line(data)) is not None


def read(file: ExportFile) -> ImportStream:
    """Read a list of operations; lines that create no OTAA device are quarantined. `row` is the line number."""
    thing = file.shown_name
    text = TableText(file.data, thing)
    delimiter = next((found for line in text.head if (found := _delimiter(line))), DELIMITERS[0])
    source = file.provenance(SYSTEM)
    rows = filled(_rows(text, delimiter, RowReader(source, LORA_SERIALS)), thing)
    return ImportStream(source, rows, text.warnings, text.lines)


def _rows(text: TableText, delimiter: str, reader: RowReader) -> Iterator[ImportRow]:
    for line in text.rows(delimiter, 0):
        cells = [cell_text(cell) for cell in line.cells]
        found = {meaning: cell for meaning, cell in zip(_CELLS, cells, strict=False) if meaning is not None}
        device = found.get(Column.DEV_EUI, "")
        if cells[0].upper() not in WITH_KEY:
            reason = f"{shown_text(cells[0]) or 'the line'} has no key in a known column"
            yield quarantined(line.number, shown_text(device), reason)
            continue
        tag = parse_tr005(device)
        if tag is not None:
            found[Column.DEV_EUI] = tag.dev_eui
            found[Column.JOIN_EUI] = found.get(Column.JOIN_EUI) or tag.join_eui
        yield from reader.rows(line.number, found)


def _delimiter(line: str) -> str | None:
    for delimiter in DELIMITERS:
        cells = cells_of(line, delimiter)
        if len(cells) > 1 and _OPERATION.fullmatch(cell_text(cells[0])):
            return delimiter
    return None


def holds(record: KeyRecord) -> bool:
    """True for an AppKey, the only key that has a place in these lines."""
    return lora_devices.is_root_or_session_key(record) and record.role is KeyRole.LORAWAN_APP_KEY


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return one `CREATE_OTAA` line a device; model and connectivity plan are the importer's to fill in."""
    lines = (
        table_line(("CREATE_OTAA", device.dev_eui, "", "", device.join_eui, device.key(KeyRole.LORAWAN_APP_KEY)), ",")
        for device in lora_devices.devices_of(records)
    )
    return "".join(lines).encode()
