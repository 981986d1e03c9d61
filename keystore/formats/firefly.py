"""Firefly, a LoRaWAN server: devices as JSON, in a list or one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from keystore.formats.batch import ExportFile, ImportRow, ImportStream
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, filled
from keystore.formats.json_objects import first_object, objects, text_at
from keystore.formats.lora_devices import devices_of
from keystore.formats.server_table import LORA_SERIALS
from keystore.model import KeyRecord, KeyRole

SYSTEM: Final = "firefly_json"

_NAMES: Final[dict[ColumnMeaning, str]] = {
    Column.DEV_EUI: "eui",
    Column.LABEL: "name",
    Column.DEV_ADDR: "address",
    KeyColumn(KeyRole.LORAWAN_APP_KEY): "application_key",
    KeyColumn(KeyRole.LORAWAN_APP_S_KEY): "application_session_key",
    KeyColumn(KeyRole.LORAWAN_NWK_S_KEY): "network_session_key",
}
_TYPICAL: Final = frozenset({"application_key", "application_session_key", "network_session_key", "otaa"})


def sniff(data: bytes) -> bool:
    """True when the first object is such a device."""
    device = first_object(data)
    return "eui" in device and not _TYPICAL.isdisjoint(device)


def read(file: ExportFile) -> ImportStream:
    """Read devices; `row` counts them from 1."""
    source = file.provenance(SYSTEM)
    rows = filled(_rows(file, RowReader(source, LORA_SERIALS)), file.shown_name)
    return ImportStream(source, rows)


def _rows(file: ExportFile, reader: RowReader) -> Iterator[ImportRow]:
    for index, device in enumerate(objects(file.data, file.shown_name), start=1):
        yield from reader.rows(index, {meaning: text_at(device, name) for meaning, name in _NAMES.items()})


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return devices as a list."""
    devices = []
    for device in devices_of(records):
        texts = {"eui": device.dev_eui, "name": device.label, "address": device.record.dev_addr.upper()}
        keys = {name: device.key(meaning.role) for meaning, name in _NAMES.items() if isinstance(meaning, KeyColumn)}
        filled_in = {name: text for name, text in {**texts, **keys}.items() if text}
        devices.append({**filled_in, "otaa": "application_key" in filled_in})
    return f"{json.dumps(devices, indent=1)}\n".encode()
