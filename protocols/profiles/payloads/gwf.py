"""GWF: what the water meters' radio modules send behind DIF 0F."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.errors import Truncated
from protocols.profiles.payloads.model import Item, Payload, bit_names

_BLOCK_TYPE = 0x01

_ALARMS: Mapping[int, str] = {1: "continuous_flow", 3: "burst", 5: "battery_low", 6: "reverse_flow"}
_POWER_MODES = ("normal", "saving")
_HALF_YEAR = Decimal("0.5")


def decode_gwf_block(plain: bytes, start: int, end: int) -> Payload:
    """Alarms, power mode and battery lifetime; blocks of another type than 1 are left alone."""
    if start < end and plain[start] != _BLOCK_TYPE:
        return Payload(notes=(f"manufacturer's data of type {plain[start]:02X} are not known here",))
    at = start + 2
    if end < at:
        return Payload(problem=Truncated("GWF block ends before its alarms", layer="records", offset=end))
    alarms = plain[start + 1]
    word = Item("info_code", "info_code", alarms, "", start + 1, at)
    if end == at:
        missing = Truncated("GWF block ends before its power byte", layer="records", offset=end)
        return Payload((word,), bit_names(alarms, _ALARMS), missing)
    power = plain[at]
    lifetime = (power >> 3) * _HALF_YEAR
    return Payload(
        (
            word,
            Item("power_mode", "power_mode", _POWER_MODES[power & 1], "", at, at + 1),
            Item("battery_lifetime_remaining", "battery_lifetime_remaining", lifetime, "year", at, at + 1),
        ),
        bit_names(alarms, _ALARMS),
    )
