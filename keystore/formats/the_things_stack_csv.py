"""The Things Stack: end devices as CSV (documentation "CSV file reference"; columns by name, `;` or `,`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keystore.formats.csv_columns import Column, KeyColumn
from keystore.formats.lora_devices import devices_of, is_made_id, made_id, write_table
from keystore.formats.server_table import Fields, ServerTable
from keystore.model import KeyRecord, KeyRole

_ID: Final = KeyColumn(KeyRole.OTHER, "device id")
_VERSION: Final = KeyColumn(KeyRole.OTHER, "LoRaWAN version")
"""Stand in for columns that change what others mean; they are no keys and go no further than `_settle`."""

_LORAWAN_1_1: Final = "V1_1"
_NWK_S_KEY: Final = KeyColumn(KeyRole.LORAWAN_NWK_S_KEY)


def _settle(found: Fields) -> Fields:
    """Take the device's id as its label when it has no name, and call the key of a session by its version's name.

    An id that is made of the DevEUI, as a server makes one for want of a name, is no label.
    """
    device_id = found.pop(_ID, "")
    if not found.get(Column.LABEL) and not is_made_id(device_id, found.get(Column.DEV_EUI, "")):
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
    minimal=frozenset({"id", "dev_eui"}),
    typical=frozenset(
        {
            *("frequency_plan_id", "lorawan_version", "lorawan_phy_version", "brand_id", "model_id", "band_id"),
            *("hardware_version", "firmware_version", "vendor_id", "vendor_profile_id", "rx1_delay", "app_s_key"),
            *("supports_32_bit_f_cnt", "f_nwk_s_int_key", "last_f_cnt_up", "supports_class_c"),
        }
    ),
    foreign=frozenset({"application_id", "device_profile_id", "gen_app_key", "nwk_s_enc_key"}),
    delimiters=";,",
    settle=_settle,
)
sniff = TABLE.sniff
read = TABLE.read


def write(records: Iterable[KeyRecord]) -> bytes:
    """Return devices as this server imports them; frequency plan and versions are the importer's to choose."""
    names = (
        *("id", "dev_eui", "join_eui", "name", "model_id", "dev_addr"),
        *("app_key", "nwk_key", "app_s_key", "f_nwk_s_int_key"),
    )
    rows = (
        (
            made_id(device.record.dev_eui),
            *(device.dev_eui, device.join_eui, device.record.label),
            *(device.record.meter_type, device.record.dev_addr.upper()),
            *(device.key(role) for role in (KeyRole.LORAWAN_APP_KEY, KeyRole.LORAWAN_NWK_KEY)),
            device.key(KeyRole.LORAWAN_APP_S_KEY),
            device.key(KeyRole.LORAWAN_NWK_S_KEY),
        )
        for device in devices_of(records)
    )
    return write_table(TABLE, names, rows)
