"""Miromico: LoRaWAN devices as CSV with upper-case headers and `#` comments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keystore.formats.csv_columns import Column, KeyColumn
from keystore.formats.lora_devices import devices_of, write_table
from keystore.formats.server_table import ServerTable
from keystore.model import KeyRecord, KeyRole

TABLE: Final = ServerTable(
    system="miromico_csv",
    columns={
        "daddr": Column.DEV_ADDR,
        "deui": Column.DEV_EUI,
        "appeui": Column.JOIN_EUI,
        "appkey": KeyColumn(KeyRole.LORAWAN_APP_KEY),
        "nwkskey": KeyColumn(KeyRole.LORAWAN_NWK_S_KEY),
        "appskey": KeyColumn(KeyRole.LORAWAN_APP_S_KEY),
    },
    required=frozenset({"deui"}),
    typical=frozenset({"daddr", "appkey", "cycle", "njm"}),
    delimiters=",;",
)
sniff = TABLE.sniff
read = TABLE.read


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return devices; the network join mode is 1 for a device with an AppKey, 0 for one with session keys only."""
    names = ("DADDR", "NWKSKEY", "APPSKEY", "DEUI", "APPEUI", "APPKEY", "CYCLE", "NJM")
    rows = (
        (
            device.record.dev_addr.upper(),
            *(device.key(role) for role in (KeyRole.LORAWAN_NWK_S_KEY, KeyRole.LORAWAN_APP_S_KEY)),
            *(device.dev_eui, device.join_eui, device.key(KeyRole.LORAWAN_APP_KEY), ""),
            "1" if device.key(KeyRole.LORAWAN_APP_KEY) else "0",
        )
        for device in devices_of(records)
    )
    return write_table(TABLE, names, rows)
