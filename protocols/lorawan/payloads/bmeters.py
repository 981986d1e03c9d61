"""B METERS IWM-LR3, IWM-LR4 and Hydrodigit S1, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import ALL_ONES_32, I16BE, U32LE
from protocols.media import medium_name

APPLICATION = 0x2C
LENGTHS = (13, 15)
MULTIPLIERS = (1, 10, 100)
UNITS: Mapping[int, Decimal] = {
    0x0D: Decimal("0.001"),
    0x13: Decimal("0.001"),
    0x14: Decimal("0.01"),
    0x15: Decimal("0.1"),
    0x16: Decimal(1),
}
"""Cubic metres of one step, by the VIF of byte 11; some firmware sends the VIF 13 in decimal, 0D."""

ALARMS: Mapping[int, str] = {
    0: "magnetic_tamper",
    1: "removal",
    2: "tamper",
    3: "leak",
    4: "reverse_flow",
    5: "battery_low",
}


@binary_decoder
def decode_iwm(draft: Draft) -> None:
    """Forward and backward volume with alarms."""
    if draft.byte(0) != APPLICATION:
        raise draft.unsupported(f"application code {draft.byte(0):02X} is not known of this module")
    draft.require(LENGTHS[0], "message")
    multiplier, unit = draft.byte(9), draft.byte(11)
    if multiplier >= len(MULTIPLIERS):
        raise draft.bad(f"K index {multiplier} is not defined", 9)
    if unit not in UNITS:
        raise draft.bad(f"unit {unit:02X} is not defined", 11)
    scale = UNITS[unit] * MULTIPLIERS[multiplier]
    draft.fields(
        (
            Field(1, U32LE, "total_volume", "volume", "m3", scale, empty=ALL_ONES_32),
            Field(5, U32LE, "total_volume_backward", "volume", "m3", scale, empty=ALL_ONES_32),
        )
    )
    draft.text("medium", medium_name(draft.byte(10)), 10)
    draft.flag_bits(draft.byte(12), ALARMS)
    if draft.size > LENGTHS[0]:
        draft.fields((Field(13, I16BE, "temperature_code", "code"),))
        draft.note("the scale of the temperature is not published")
