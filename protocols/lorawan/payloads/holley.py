"""Holley DTZ541 and E73 electricity meters."""

from __future__ import annotations

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U24BE

REGISTER = Field(1, U24BE, "total_energy_import", "energy", "kWh")


@binary_decoder
def decode_e73(draft: Draft) -> None:
    """Flags of uncertain meaning and one register."""
    if draft.size != REGISTER.end:
        raise draft.bad(f"{draft.size} bytes are not a flag byte and a register")
    draft.fields((REGISTER,))
    if draft.byte(0):
        draft.note(f"flags {draft.byte(0):02X}: what they mean is not published")
