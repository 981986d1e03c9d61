"""Key records of LoRaWAN devices put together as servers want them: one device, its keys by role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from keystore.formats.server_table import ServerTable
from keystore.formats.table_writer import table_line
from keystore.model import KeyRecord, KeyRole

ROOT_ROLES: Final = (KeyRole.LORAWAN_APP_KEY, KeyRole.LORAWAN_NWK_KEY)
SESSION_ROLES: Final = (KeyRole.LORAWAN_NWK_S_KEY, KeyRole.LORAWAN_APP_S_KEY)
"""Of a session of LoRaWAN 1.0; the three network session keys of 1.1 have no columns in the lists of servers."""


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


def is_root_or_session_key(record: KeyRecord) -> bool:
    """True for a key that a server's list of devices has a column for."""
    return record.has_key and bool(record.dev_eui) and record.role in (*ROOT_ROLES, *SESSION_ROLES)


def is_key_of_1_0(record: KeyRecord) -> bool:
    """True for a key that a list of LoRaWAN 1.0 devices has a column for, which knows no NwkKey."""
    return is_root_or_session_key(record) and record.role is not KeyRole.LORAWAN_NWK_KEY


def latest(records: Iterable[KeyRecord]) -> list[KeyRecord]:
    """Return the last key of each role of each device: a device has one line, and each key one column.

    Session keys of another DevAddr than the last are left out too: they are of another session.
    """
    kept = {(record.dev_eui, record.role): record for record in records}
    sessions = {record.dev_eui: record.dev_addr for record in kept.values() if record.role in SESSION_ROLES}
    return [
        record
        for record in kept.values()
        if record.role not in SESSION_ROLES or record.dev_addr == sessions[record.dev_eui]
    ]


def devices_of(records: Iterable[KeyRecord]) -> list[LoraDevice]:
    """Return records grouped by DevEUI, in their order; of two keys of one role the later one counts."""
    devices: dict[str, list[KeyRecord]] = {}
    for record in records:
        devices.setdefault(record.dev_eui, []).append(record)
    return [_device(of_one) for of_one in devices.values()]


def _device(records: Sequence[KeyRecord]) -> LoraDevice:
    """Put together what several records say of one device; its DevAddr is that of its session."""
    in_session = [record for record in records if record.role in SESSION_ROLES]
    addresses = [record.dev_addr for record in (*reversed(in_session), *records)]
    joins = [record.join_eui for record in records]
    labels = [record.label for record in records]
    named = replace(
        records[0],
        dev_addr=next(filter(None, addresses), ""),
        join_eui=next(filter(None, joins), ""),
        label=next(filter(None, labels), ""),
    )
    return LoraDevice(named, {record.role: record.value.hex().upper() for record in records})


def write_table(table: ServerTable, names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    """Return a server's table in UTF-8; the columns are the server's, in the order given."""
    delimiter = table.delimiters[0]
    return "".join(table_line(cells, delimiter) for cells in (names, *rows)).encode()
