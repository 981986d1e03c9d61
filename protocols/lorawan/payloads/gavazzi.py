"""Carlo Gavazzi UWP adaptor: context byte, then (identifier, value) pairs, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import I32LE, U8, U32LE, U64LE
from protocols.lorawan.payloads.tagged import Entry, read_tagged

CONTEXT = 0x01
ENTRIES: Mapping[int, Entry] = {
    0x91: (Field(0, U32LE, "voltage", "voltage", "V", Decimal("0.1")),),
    0x92: (Field(0, U32LE, "current", "current", "A", Decimal("0.001")),),
    0x93: (Field(0, I32LE, "power", "power", "kW", Decimal("0.000001")),),
    0x3C: (Field(0, U64LE, "total_energy_import", "energy", "kWh", Decimal("0.1")),),
}


@binary_decoder
def decode_uwp(draft: Draft) -> None:
    """Which phase the values are of is a matter of the adaptor's settings."""
    if draft.byte(0) != CONTEXT:
        raise draft.unsupported(f"context {draft.byte(0):02X} is not decoded")
    draft.take(1)
    read_tagged(draft, ENTRIES, U8)
    draft.note("the phase that the values belong to is set in the adaptor")
