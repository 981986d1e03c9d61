"""ELV LW-ESI energy sensor interface: header, then typed groups."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U16BE, unsigned_le

REASONS: Mapping[int, str] = {1: "timer", 2: "button", 3: "power", 4: "calibration"}
SUPPLY = Field(2, U16BE, "supply_voltage", "voltage", "V", Decimal("0.001"))
ENERGY_GROUP, OPTICS_GROUP = 0x01, 0x02
DIRECTIONS: Mapping[int, str] = {1: "import", 2: "export"}
COUNTER_STEP, POWER_STEP = Decimal("0.0001"), Decimal("0.01")
COUNTERS: tuple[tuple[str, str, Decimal], ...] = (
    ("energy", "kWh", Decimal("0.001")),
    ("energy", "kWh", Decimal(1)),
    ("volume", "m3", Decimal(1)),
)
"""Quantity, unit and scale by bits 1-0 of the unit byte; bits 3-2 say how often the counter ran over."""

POWERS: tuple[tuple[str, str, Decimal], ...] = (
    ("power", "kW", Decimal("0.001")),
    ("power", "kW", Decimal(1)),
    ("volume_flow", "m3/h", Decimal(1)),
)
NEGATIVE = 0x04


@binary_decoder
def decode_lw_esi(draft: Draft) -> None:
    """Supply voltage, counters with their power, and the optics' levels."""
    header = draft.byte(0)
    if header < SUPPLY.end - 1:
        raise draft.bad(f"a header of {header} bytes has no room for the supply voltage")
    draft.text("sending_reason", REASONS.get(draft.byte(1), f"code {draft.byte(1)}"), 1)
    draft.fields((SUPPLY,))
    draft.position = draft.start
    draft.take(header + 1)
    while draft.left:
        kind = draft.next_byte()
        if kind == ENERGY_GROUP:
            _energy(draft)
        elif kind == OPTICS_GROUP:
            _optics(draft)
        else:
            raise draft.unsupported(f"group {kind:02X} is not known of this device", draft.position - draft.start - 1)


def _energy(draft: Draft) -> None:
    at = draft.position - draft.start
    direction, unit = draft.next_byte(), draft.next_byte()
    if direction not in DIRECTIONS or unit & 3 >= len(COUNTERS):
        raise draft.bad(f"counter of type {direction:02X} in unit {unit:02X}", at)
    quantity, code, scale = COUNTERS[unit & 3]
    name = f"total_{quantity}_{DIRECTIONS[direction]}" if quantity == "energy" else f"total_{quantity}"
    first = draft.take(5)
    count = unsigned_le(draft.plain[first : first + 5]) * COUNTER_STEP * scale
    draft.add(name, quantity, count, code, first, first + 5)
    draft.flag("overflow", when=bool(unit >> 2 & 3))
    power_unit = draft.next_byte()
    if power_unit & 3 >= len(POWERS):
        raise draft.bad(f"power in unit {power_unit:02X}", draft.position - draft.start - 1)
    quantity, code, scale = POWERS[power_unit & 3]
    first = draft.take(4)
    value = unsigned_le(draft.plain[first : first + 4]) * POWER_STEP * scale
    draft.add(quantity, quantity, -value if power_unit & NEGATIVE else value, code, first, first + 4)


def _optics(draft: Draft) -> None:
    for number in range(1, 4):
        first = draft.take(2)
        level = int.from_bytes(draft.plain[first : first + 2], "little", signed=True) - 100
        draft.add(f"optics_level_{number}", "count", level, "", first, first + 2)
