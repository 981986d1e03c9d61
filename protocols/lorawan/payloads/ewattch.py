"""Ewattch Squid current clamps: frame byte, length, objects; least significant byte first."""

from __future__ import annotations

from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U24LE

SENSOR_FRAME = 0x00
CURRENT_INDEX = 0x48
CLAMPS = 12
STEP_AH = Decimal("0.01")


@binary_decoder
def decode_squid(draft: Draft) -> None:
    """Charge counters of twelve clamps."""
    if draft.byte(0) != SENSOR_FRAME:
        raise draft.unsupported(f"frame {draft.byte(0):02X} is not a sensor frame")
    length = draft.byte(1)
    draft.take(2)
    if length != draft.left:
        raise draft.bad(f"the frame announces {length} bytes, {draft.left} are there", 1)
    while draft.left:
        kind = draft.next_byte()
        if kind != CURRENT_INDEX:
            raise draft.unsupported(f"object {kind:02X} is not decoded", draft.position - draft.start - 1)
        for clamp in range(1, CLAMPS + 1):
            draft.next_field(Field(0, U24LE, f"total_charge_input_{clamp}", "charge", "Ah", STEP_AH))
