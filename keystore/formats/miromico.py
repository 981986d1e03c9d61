"""Miromico: LoRaWAN devices as CSV with upper-case headers and `#` comments."""

from __future__ import annotations

from typing import Final

from keystore.formats.csv_columns import Column, KeyColumn
from keystore.formats.server_table import ServerTable
from keystore.model import KeyRole

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
