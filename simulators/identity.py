"""What meters and LoRaWAN devices of a scenario have in common: address, made-up keys, field strength."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

from protocols.model import Address, Key
from simulators.table import Table

KEY_SIZE: Final = 16
STRONGEST_DBM: Final = -8
WEAKEST_DBM: Final = -100
"""An iM871A's RSSI code reaches from here to there."""


def read_address(table: Table) -> Address:
    """Read manufacturer, number, version and medium; raises `ScenarioError`."""
    manufacturer, number = table.text("manufacturer"), table.text("number")
    version, medium = table.integer("version", low=0, high=0xFF), table.integer("medium", low=0, high=0xFF)
    if not (len(number) == 8 and number.isascii() and number.isdigit()):
        raise table.error("number", f"{number!r} is not an identification number", "write eight digits in quotes")
    try:
        return Address.of(manufacturer, number, version, medium)
    except ValueError as error:
        raise table.error("manufacturer", str(error), "write three letters in quotes") from error


def read_key(table: Table, name: str, purpose: str) -> Key:
    """Read a key; one that is not written follows from `purpose`. Raises `ScenarioError`."""
    written = table.text(name, "")
    if not written:
        return Key(hashlib.sha256(purpose.encode()).digest()[:KEY_SIZE], "scenario")
    try:
        value = bytes.fromhex(written)
    except ValueError:
        value = b""
    if len(value) != KEY_SIZE:
        raise table.error(name, "not an AES-128 key", "write 32 hex digits in quotes, or leave it out")
    return Key(value, "scenario")


def check_identity(table: Table, manufacturers: Collection[str], media: Collection[int], address: Address) -> None:
    """Refuse an address that a kind cannot have; raises `ScenarioError`."""
    if manufacturers and address.manufacturer not in manufacturers:
        known = ", ".join(manufacturers)
        raise table.error("manufacturer", f"{address.manufacturer} does not make this kind", f"write one of: {known}")
    if address.medium_code not in media:
        known = ", ".join(f"0x{code:02X}" for code in sorted(media))
        what = f"{address.medium_code:#04x} is not what this kind measures"
        raise table.error("medium", what, f"write one of: {known}")
