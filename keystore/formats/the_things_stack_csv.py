"""The Things Stack: end devices as CSV (documentation "CSV file reference"; columns by name, `;` or `,`)."""

from __future__ import annotations

from typing import Final

from keystore.formats.csv_columns import Column, KeyColumn
from keystore.formats.server_table import Fields, ServerTable
from keystore.model import KeyRole

_ID: Final = KeyColumn(KeyRole.OTHER, "device id")
_VERSION: Final = KeyColumn(KeyRole.OTHER, "LoRaWAN version")
"""Stand in for columns that change what others mean; they are no keys and go no further than `_settle`."""

_LORAWAN_1_1: Final = "V1_1"
_NWK_S_KEY: Final = KeyColumn(KeyRole.LORAWAN_NWK_S_KEY)


def _settle(found: Fields) -> Fields:
    """Take the device's id as its label when it has no name, and call the key of a session by its version's name."""
    device_id = found.pop(_ID, "")
    if not found.get(Column.LABEL):
        found[Column.LABEL] = device_id
    if _LORAWAN_1_1 in found.pop(_VERSION, ""):
        found[KeyColumn(KeyRole.LORAWAN_F_NWK_S_INT_KEY)] = found.pop(_NWK_S_KEY, "")
    return found


TABLE: Final = ServerTable(
    system="the_things_stack_csv",
    columns={
        "id": _ID,
        "dev_eui": Column.DEV_EUI,
        "join_eui": Column.JOIN_EUI,
        "app_eui": Column.JOIN_EUI,
        "name": Column.LABEL,
        "model_id": Column.TYPE,
        "dev_addr": Column.DEV_ADDR,
        "app_key": KeyColumn(KeyRole.LORAWAN_APP_KEY),
        "nwk_key": KeyColumn(KeyRole.LORAWAN_NWK_KEY),
        "app_s_key": KeyColumn(KeyRole.LORAWAN_APP_S_KEY),
        # LoRaWAN 1.0 has one network session key; this server keeps it under the name that its successor gave it.
        "f_nwk_s_int_key": _NWK_S_KEY,
        "lorawan_version": _VERSION,
    },
    required=frozenset({"dev_eui"}),
    typical=frozenset(
        {
            *("frequency_plan_id", "lorawan_version", "lorawan_phy_version", "brand_id", "model_id", "band_id"),
            *("hardware_version", "firmware_version", "vendor_id", "vendor_profile_id", "rx1_delay", "app_s_key"),
            *("supports_32_bit_f_cnt", "f_nwk_s_int_key", "last_f_cnt_up", "supports_class_c"),
        }
    ),
    foreign=frozenset({"application_id", "device_profile_id"}),
    delimiters=";,",
    settle=_settle,
)
sniff = TABLE.sniff
read = TABLE.read
