"""EasyMeter ESYS LR10: server identification, then six register slots, least significant byte first."""

from __future__ import annotations

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U32LE, Number, server_id
from protocols.model import Quality

SERVER = Field(0, Number(10, server_id), "meter_identification", "identification")
ABSENT = 0xFF
SLOTS = (
    "total_energy_import",
    "total_energy_import_tariff_1",
    "total_energy_import_tariff_2",
    "total_energy_export",
    "total_energy_export_tariff_1",
    "total_energy_export_tariff_2",
)
"""OBIS 1.8.0, 1.8.1, 1.8.2, 2.8.0, 2.8.1, 2.8.2. The unit of the counts is not published."""


@binary_decoder
def decode_lr10(draft: Draft) -> None:
    """A slot is four bytes, or a single FF where the meter has no such register."""
    draft.next_field(SERVER)
    for name in SLOTS:
        if not draft.left:
            break
        if draft.plain[draft.position] == ABSENT:
            at = draft.take(1)
            draft.add(name, "energy", None, "", at, at + 1, Quality.NOT_AVAILABLE)
            continue
        draft.next_field(Field(0, U32LE, name, "energy"))
    if draft.left:
        raise draft.bad(f"{draft.left} bytes behind the last register", draft.position - draft.start)
    draft.note("the unit of the registers is not published: compare them with the meter's display")
