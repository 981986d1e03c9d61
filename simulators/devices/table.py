"""Reading a `[[device]]` of a scenario."""

from __future__ import annotations

import random
import re
from datetime import datetime
from decimal import Decimal
from typing import Final

from simulators.consumption import Consumption
from simulators.devices.model import KINDS, SimulatedDevice, device_class
from simulators.identity import STRONGEST_DBM, WEAKEST_DBM, check_identity, read_address, read_key
from simulators.meters.model import KeyState
from simulators.table import Table

LORAWAN_1_0: Final = "1.0"
LORAWAN_1_1: Final = "1.1"
KEY_STATES: Final = (KeyState.FILED, KeyState.MISSING, KeyState.WRONG)
MAX_UPLINKS: Final = 1_000_000
EUI_DIGITS: Final = 16
DEV_ADDR_DIGITS: Final = 8


def parse_device(table: Table, seed: int, since: datetime) -> SimulatedDevice:
    """Read one device; raises `ScenarioError` that names it and the key."""
    name = table.text("name")
    table.rename(f"device {name!r}")
    kind = table.choice("kind", tuple(KINDS))
    model = device_class(kind)
    address = read_address(table)
    own = f"{seed}/{name}"
    is_1_1 = table.choice("lorawan", (LORAWAN_1_0, LORAWAN_1_1), LORAWAN_1_0) == LORAWAN_1_1
    nwk_key = read_key(table, "nwk_key", f"{own}/nwk key")
    start_value = table.decimal("start_value", Decimal(0))
    per_day = table.decimal("per_day", Decimal(1))
    device = SimulatedDevice(
        name=name,
        kind=kind,
        dev_eui=_hex(table, "dev_eui", EUI_DIGITS),
        join_eui=_hex(table, "join_eui", EUI_DIGITS),
        address=address,
        app_key=read_key(table, "app_key", f"{own}/app key"),
        nwk_key=nwk_key if is_1_1 else None,
        key_state=KeyState(table.choice("key", KEY_STATES, KeyState.FILED)),
        interval_s=table.number("interval_s", low=1.0, high=604_800.0),
        jitter=table.number("jitter", 0.03, low=0.0, high=0.5),
        rssi_dbm=table.integer("rssi_dbm", -90, low=WEAKEST_DBM, high=STRONGEST_DBM),
        counter=Consumption.seeded(random.Random(f"{own}/week"), since, start_value, per_day, model.CURVE),
        spreading_factor=table.integer("spreading_factor", 7, low=7, high=12),
        dev_addr=_hex(table, "dev_addr", DEV_ADDR_DIGITS, ""),
        rejoin_after=table.integer("rejoin_after", 0, low=0, high=MAX_UPLINKS),
        unheard=table.integer("unheard", 0, low=0, high=MAX_UPLINKS),
        status=table.integer("status", 0, low=0, high=0xFFFF),
        seed=own,
    )
    check_identity(table, model.MANUFACTURERS, model.MEDIA, address)
    table.finish()
    return device


def _hex(table: Table, key: str, digits: int, default: str | None = None) -> str:
    value = table.text(key, default).lower()
    if value != default and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        raise table.error(key, f"{value!r} is none", f"write {digits} hex digits in quotes")
    return value
