"""Key records of LoRaWAN devices put together as servers want them: one device, its keys by role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from keystore.formats.server_table import ServerTable
from keystore.formats.table_writer import table_line
from keystore.model import LORAWAN_ROLES, KeyRecord, KeyRole


@dataclass(frozen=True, slots=True)
class LoraDevice:
    """One device: the record that names it, and its keys as upper-case hex by role."""

    record: KeyRecord
    keys: dict[KeyRole, str] = field(repr=False)

    def key(self, role: KeyRole) -> str:
        """Return a key, empty when the device has none of that role."""
        return self.keys.get(role, "")

    @property
    def label(self) -> str:
        """What people call the device: its label, or its printed serial."""
        return self.record.label or self.record.serial or self.record.number

    @property
    def dev_eui(self) -> str:
        """The DevEUI as servers print it."""
        return self.record.dev_eui.upper()

    @property
    def join_eui(self) -> str:
        """The JoinEUI as servers print it."""
        return self.record.join_eui.upper()


def made_id(dev_eui: str) -> str:
    """Return the id that The Things Stack gives a device for want of a better one."""
    return f"eui-{dev_eui}"


def is_made_id(device_id: str, dev_eui: str) -> bool:
    """True for an id that says no more than the DevEUI, in any spelling."""
    return device_id.casefold() == made_id(dev_eui.replace("-", "").replace(":", "").casefold())


def holds(record: KeyRecord) -> bool:
    """True for a key of LoRaWAN whose device has a DevEUI."""
    return record.has_key and bool(record.dev_eui) and record.role in LORAWAN_ROLES


def devices_of(records: Iterable[KeyRecord]) -> list[LoraDevice]:
    """Return records grouped by DevEUI, in their order; of two keys of one role the later one counts."""
    devices: dict[str, LoraDevice] = {}
    for record in records:
        device = devices.setdefault(record.dev_eui, LoraDevice(record, {}))
        device.keys[record.role] = record.value.hex().upper()
    return list(devices.values())


def write_table(table: ServerTable, names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    """Return a server's table in UTF-8; the columns are the server's, in the order given."""
    delimiter = table.delimiters[0]
    return "".join(table_line(cells, delimiter) for cells in (names, *rows)).encode()
