"""A change of a meter's key that was begun: both keys, until the meter has proved which of them it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from keystore.errors import Damaged, NewerFormat
from keystore.model import KeyRole
from keystore.time_text import time_of, time_text
from protocols.model import Address

JOURNAL_VERSION: Final = 1
MOST_CHANGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key change that is not settled yet; shows neither key.

    `begun_at` is aware UTC; `serial` is the serial number of the certificate that it was begun with.
    """

    address: Address
    role: KeyRole
    old_key: bytes = field(repr=False)
    new_key: bytes = field(repr=False)
    begun_at: datetime
    begun_by: str = ""
    serial: str = ""

    def __post_init__(self) -> None:
        if not self.old_key or not self.new_key or self.old_key == self.new_key:
            raise ValueError("a key change goes from one key to another")

    @property
    def meter_text(self) -> str:
        """The meter in two words: `KAM 63001468`."""
        return f"{self.address.manufacturer} {self.address.number}"

    def is_of(self, address: Address) -> bool:
        """Whether it is a change of this meter's key."""
        return (self.address.manufacturer_code, self.address.number) == (address.manufacturer_code, address.number)


@dataclass(frozen=True, slots=True)
class ChangeNote:
    """What is written into the audit log in the same transaction; never a key."""

    event: str
    subject: str
    detail: Mapping[str, str] = field(default_factory=dict)


def encode_changes(changes: Iterable[KeyChange]) -> bytes:
    """Return the journal that is sealed in the vault."""
    document = {
        "version": JOURNAL_VERSION,
        "changes": [
            {
                "address": one.address.to_wire().hex(),
                "role": str(one.role),
                "old_key": one.old_key.hex(),
                "new_key": one.new_key.hex(),
                "begun_at": time_text(one.begun_at),
                "begun_by": one.begun_by,
                "serial": one.serial,
            }
            for one in changes
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode_changes(data: bytes) -> tuple[KeyChange, ...]:
    """Return the changes of a journal; `Damaged` when it is none, `NewerFormat` for a later version."""
    try:
        document = json.loads(data)
        if document["version"] > JOURNAL_VERSION:
            raise NewerFormat("the store's key changes were written by a newer version", "update the program")
        return tuple(_change(entry) for entry in document["changes"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Damaged("the key changes in the store cannot be read", "run: fieldtool store verify") from None


def _change(entry: dict[str, Any]) -> KeyChange:
    address = bytes.fromhex(entry["address"])
    begun_at = time_of(entry["begun_at"])
    if len(address) != 8:
        raise ValueError("no address")
    return KeyChange(
        Address.from_wire(address),
        KeyRole(entry["role"]),
        bytes.fromhex(entry["old_key"]),
        bytes.fromhex(entry["new_key"]),
        begun_at,
        str(entry["begun_by"]),
        str(entry["serial"]),
    )
