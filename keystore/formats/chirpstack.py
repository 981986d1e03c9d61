"""ChirpStack: the devices' keys as the community's CSV tables have them (ChirpStack itself has no CSV import).

A device of LoRaWAN 1.0 has its AppKey in `nwk_key`; `app_key` is for LoRaWAN 1.1 only (API message DeviceKeys).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keystore.formats.csv_columns import Column, KeyColumn
from keystore.formats.lora_devices import devices_of, is_root_or_session_key, latest, write_table
from keystore.formats.server_table import Fields, ServerTable
from keystore.model import KeyRecord, KeyRole

_APP_KEY: Final = KeyColumn(KeyRole.LORAWAN_APP_KEY)
_NWK_KEY: Final = KeyColumn(KeyRole.LORAWAN_NWK_KEY)


def _settle(found: Fields) -> Fields:
    """Give a key of LoRaWAN 1.0 its own name; the server fills a key that a device does not have with zeros."""
    for column in (_APP_KEY, _NWK_KEY, KeyColumn(KeyRole.LORAWAN_GEN_APP_KEY)):
        if not found.get(column, "").strip("0"):
            found.pop(column, None)
    if _NWK_KEY in found and _APP_KEY not in found:
        found[_APP_KEY] = found.pop(_NWK_KEY)
    return found


TABLE: Final = ServerTable(
    system="chirpstack_csv",
    columns={
        "dev_eui": Column.DEV_EUI,
        "join_eui": Column.JOIN_EUI,
        "name": Column.LABEL,
        "device_profile_name": Column.TYPE,
        "dev_addr": Column.DEV_ADDR,
        "nwk_key": _NWK_KEY,
        "app_key": _APP_KEY,
        "gen_app_key": KeyColumn(KeyRole.LORAWAN_GEN_APP_KEY),
        "app_s_key": KeyColumn(KeyRole.LORAWAN_APP_S_KEY),
        "nwk_s_enc_key": KeyColumn(KeyRole.LORAWAN_NWK_S_KEY),
    },
    required=frozenset({"dev_eui"}),
    typical=frozenset({"application_id", "device_profile_id", "nwk_key", "gen_app_key"}),
    delimiters=",;\t",
    settle=_settle,
)
sniff = TABLE.sniff
read = TABLE.read


def holds(record: KeyRecord) -> bool:
    """True for keys that have a column of their own."""
    is_gen_app_key = record.role is KeyRole.LORAWAN_GEN_APP_KEY and record.has_key and bool(record.dev_eui)
    return is_root_or_session_key(record) or is_gen_app_key


def choose(records: Iterable[KeyRecord]) -> list[KeyRecord]:
    """Return the last keys of each device; a NwkKey that stood alone would be read as the AppKey of LoRaWAN 1.0."""
    kept = latest(records)
    with_app_key = {record.dev_eui for record in kept if record.role is KeyRole.LORAWAN_APP_KEY}
    return [record for record in kept if record.role is not KeyRole.LORAWAN_NWK_KEY or record.dev_eui in with_app_key]


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return devices; without a NwkKey a device is one of LoRaWAN 1.0, and its AppKey stands in `nwk_key`."""
    names = (
        "dev_eui",
        "join_eui",
        "name",
        "dev_addr",
        "nwk_key",
        "app_key",
        "gen_app_key",
        "app_s_key",
        "nwk_s_enc_key",
    )
    rows = []
    for device in devices_of(records):
        app_key, nwk_key = device.key(KeyRole.LORAWAN_APP_KEY), device.key(KeyRole.LORAWAN_NWK_KEY)
        rows.append(
            (
                *(device.dev_eui, device.join_eui, device.label, device.record.dev_addr.upper()),
                *((nwk_key, app_key) if nwk_key else (app_key, "")),
                *(device.key(role) for role in (KeyRole.LORAWAN_GEN_APP_KEY, KeyRole.LORAWAN_APP_S_KEY)),
                device.key(KeyRole.LORAWAN_NWK_S_KEY),
            )
        )
    return write_table(TABLE, names, rows)
