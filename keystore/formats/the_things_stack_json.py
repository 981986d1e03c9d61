"""The Things Stack: end devices as JSON objects one after the other, without list or commas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from keystore.formats.batch import ExportFile, ImportRow, ImportStream
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, filled
from keystore.formats.json_objects import first_object, objects, text_at
from keystore.formats.server_table import LORA_SERIALS
from keystore.model import KeyRole

SYSTEM: Final = "the_things_stack_json"

_PATHS: Final[dict[ColumnMeaning, tuple[str, ...]]] = {
    Column.DEV_EUI: ("ids", "dev_eui"),
    Column.JOIN_EUI: ("ids", "join_eui"),
    Column.TYPE: ("version_ids", "model_id"),
    Column.DEV_ADDR: ("session", "dev_addr"),
    KeyColumn(KeyRole.LORAWAN_APP_KEY): ("root_keys", "app_key", "key"),
    KeyColumn(KeyRole.LORAWAN_NWK_KEY): ("root_keys", "nwk_key", "key"),
    KeyColumn(KeyRole.LORAWAN_APP_S_KEY): ("session", "keys", "app_s_key", "key"),
    KeyColumn(KeyRole.LORAWAN_NWK_S_KEY): ("session", "keys", "f_nwk_s_int_key", "key"),
}


def sniff(data: bytes) -> bool:
    """True when the first object has the identifiers of an end device."""
    return isinstance(first_object(data).get("ids"), dict)


def read(file: ExportFile) -> ImportStream:
    """Read end devices; `row` counts them from 1."""
    source = file.provenance(SYSTEM)
    rows = filled(_rows(file, RowReader(source, LORA_SERIALS)), file.shown_name)
    return ImportStream(source, rows)


def _rows(file: ExportFile, reader: RowReader) -> Iterator[ImportRow]:
    for index, device in enumerate(objects(file.data, file.shown_name), start=1):
        found = {meaning: text_at(device, *path) for meaning, path in _PATHS.items()}
        found[Column.LABEL] = text_at(device, "name") or text_at(device, "ids", "device_id")
        yield from reader.rows(index, found)
