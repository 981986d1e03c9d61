"""Wanesy, Kerlink's LoRaWAN server: devices as CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keystore.formats.csv_columns import Column, KeyColumn
from keystore.formats.lora_devices import devices_of, write_table
from keystore.formats.server_table import Fields, ServerTable
from keystore.model import KeyRecord, KeyRole

_DEV_ADDR_DIGITS: Final = 8


def _settle(found: Fields) -> Fields:
    """Give a DevAddr back the leading zero that this server leaves out."""
    if address := found.get(Column.DEV_ADDR):
        found[Column.DEV_ADDR] = address.zfill(_DEV_ADDR_DIGITS)
    return found


TABLE: Final = ServerTable(
    system="wanesy_csv",
    columns={
        "deveui": Column.DEV_EUI,
        "appeui": Column.JOIN_EUI,
        "name": Column.LABEL,
        "profile": Column.TYPE,
        "devaddr": Column.DEV_ADDR,
        "dev_addr": Column.DEV_ADDR,
        "appkey": KeyColumn(KeyRole.LORAWAN_APP_KEY),
        "nwkskey": KeyColumn(KeyRole.LORAWAN_NWK_S_KEY),
        "appskey": KeyColumn(KeyRole.LORAWAN_APP_S_KEY),
    },
    required=frozenset({"deveui"}),
    typical=frozenset({"clusterid", "clustername", "regparamsrevision", "rfregion"}),
    delimiters=",;",
    settle=_settle,
)
sniff = TABLE.sniff
read = TABLE.read


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return devices; cluster and profile are the importer's to choose."""
    names = ("devEui", "clusterId", "name", "activation", "appEui", "appKey", "dev_addr", "NwkSKey", "AppSKey")
    rows = (
        (
            *(device.dev_eui, "", device.label),
            "OTAA" if device.key(KeyRole.LORAWAN_APP_KEY) else "ABP",
            *(device.join_eui, device.key(KeyRole.LORAWAN_APP_KEY), device.record.dev_addr.upper()),
            *(device.key(role) for role in (KeyRole.LORAWAN_NWK_S_KEY, KeyRole.LORAWAN_APP_S_KEY)),
        )
        for device in devices_of(records)
    )
    return write_table(TABLE, names, rows)
