"""The Things Stack: end devices as JSON objects one after the other, without list or commas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from keystore.formats.batch import ExportFile, ImportRow, ImportStream
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.device_rows import RowReader, filled
from keystore.formats.json_objects import first_object, objects, text_at
from keystore.formats.lora_devices import LoraDevice, devices_of, is_made_id, made_id
from keystore.formats.server_table import LORA_SERIALS
from keystore.model import KeyRecord, KeyRole

SYSTEM: Final = "the_things_stack_json"

_NWK_S_KEY: Final = KeyColumn(KeyRole.LORAWAN_NWK_S_KEY)
_PATHS: Final[dict[ColumnMeaning, tuple[str, ...]]] = {
    Column.DEV_EUI: ("ids", "dev_eui"),
    Column.JOIN_EUI: ("ids", "join_eui"),
    Column.TYPE: ("version_ids", "model_id"),
    Column.DEV_ADDR: ("session", "dev_addr"),
    KeyColumn(KeyRole.LORAWAN_APP_KEY): ("root_keys", "app_key", "key"),
    KeyColumn(KeyRole.LORAWAN_NWK_KEY): ("root_keys", "nwk_key", "key"),
    KeyColumn(KeyRole.LORAWAN_APP_S_KEY): ("session", "keys", "app_s_key", "key"),
    _NWK_S_KEY: ("session", "keys", "f_nwk_s_int_key", "key"),
}
_LORAWAN_1_1: Final = "V1_1"
_SESSION_1_1: Final[dict[ColumnMeaning, tuple[str, ...]]] = {
    KeyColumn(KeyRole.LORAWAN_F_NWK_S_INT_KEY): ("session", "keys", "f_nwk_s_int_key", "key"),
    KeyColumn(KeyRole.LORAWAN_S_NWK_S_INT_KEY): ("session", "keys", "s_nwk_s_int_key", "key"),
    KeyColumn(KeyRole.LORAWAN_NWK_S_ENC_KEY): ("session", "keys", "nwk_s_enc_key", "key"),
}
"""LoRaWAN 1.0 has one network session key; this server keeps it under the first of these names."""


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
        device_id = text_at(device, "ids", "device_id")
        made = is_made_id(device_id, found[Column.DEV_EUI])
        if _LORAWAN_1_1 in text_at(device, "lorawan_version"):
            found.pop(_NWK_S_KEY)
            found |= {meaning: text_at(device, *path) for meaning, path in _SESSION_1_1.items()}
        found[Column.LABEL] = text_at(device, "name") or ("" if made else device_id)
        yield from reader.rows(index, found)


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return devices, one object a line."""
    return "".join(f"{json.dumps(_device(device))}\n" for device in devices_of(records)).encode()


def _device(device: LoraDevice) -> dict[str, object]:
    document: dict[str, object] = {}
    ids = {"device_id": made_id(device.record.dev_eui), "dev_eui": device.dev_eui, "join_eui": device.join_eui}
    _set(document, ("name",), device.record.label)
    for name, text in ids.items():
        _set(document, ("ids", name), text)
    _set(document, _PATHS[Column.DEV_ADDR], device.record.dev_addr.upper())
    for meaning, path in _PATHS.items():
        if isinstance(meaning, KeyColumn):
            _set(document, path, device.key(meaning.role))
    document["supports_join"] = "root_keys" in document
    return document


def _set(document: dict[str, object], path: tuple[str, ...], text: str) -> None:
    """Put a text at a path of names, making the objects on the way; an empty text leaves no trace."""
    if not text:
        return
    place: dict[str, Any] = document
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = text
