"""Vutility HotDrop clamp: one message of eleven bytes, most significant byte first."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U16BE, U32BE, exact, unsigned_be

PACKET = 0x32
SIZE = 11
TENTH = Decimal("0.1")
FULL_SCALE = 255
STEP = Decimal("0.000001")
"""A 255th is no decimal resolution: values are cut behind the sixth place."""

FIELDS = (
    Field(1, U32BE, "total_charge", "charge", "Ah", TENTH),
    Field(5, U16BE, "average_current", "current", "A", TENTH),
)


@binary_decoder
def decode_hotdrop(draft: Draft) -> None:
    """Charge, currents, capacitor voltage and temperature."""
    if draft.byte(0) != PACKET:
        draft.suspect(f"packet type {draft.byte(0):02X} is not {PACKET:02X}: its layout is not known")
    draft.require(SIZE, "message")
    if draft.size > SIZE:
        draft.suspect(f"{draft.size} bytes are not a message of {SIZE} bytes", SIZE)
    draft.fields(FIELDS)
    average = unsigned_be(draft.bytes(5, 2)) * TENTH
    for name, offset, sign in (("maximum_current", 7, 1), ("minimum_current", 8, -1)):
        # Sent as per cent of the average above and below it.
        value = average * (100 + sign * draft.byte(offset)) / 100
        _add(draft, name, "current", exact(value), "A", offset)
    _add(draft, "capacitor_voltage", "voltage", _fraction(draft.byte(9), 5), "V", 9)
    _add(draft, "device_temperature", "temperature", _fraction(draft.byte(10), 120) - 40, "C", 10)


def _fraction(number: int, full: int) -> Decimal:
    return exact((Decimal(number * full) / FULL_SCALE).quantize(STEP, ROUND_HALF_UP))


def _add(draft: Draft, name: str, quantity: str, value: Decimal, unit: str, offset: int) -> None:
    at = draft.start + offset
    draft.add(name, quantity, value, unit, at, at + 1)
