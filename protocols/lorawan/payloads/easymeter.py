"""EasyMeter ESYS LR10: server identification, then six register slots, least significant byte first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U32LE, Number, server_id
from protocols.model import Quality

SERVER = Field(0, Number(10, server_id), "meter_identification", "identification")
ABSENT = 0xFF
REGISTER_SIZE = 4
SLOTS = (
    "total_energy_import",
    "total_energy_import_tariff_1",
    "total_energy_import_tariff_2",
    "total_energy_export",
    "total_energy_export_tariff_1",
    "total_energy_export_tariff_2",
)
"""OBIS 1.8.0, 1.8.1, 1.8.2, 2.8.0, 2.8.1, 2.8.2. The unit of the counts is not published."""

Widths = tuple[int, ...]
"""Bytes of each slot."""


@binary_decoder
def decode_lr10(draft: Draft) -> None:
    """A slot is four bytes, or a single FF where the meter has no such register."""
    draft.next_field(SERVER)
    for name, width in zip(SLOTS, _widths(draft), strict=True):
        if width == REGISTER_SIZE:
            draft.next_field(Field(0, U32LE, name, "energy"))
        else:
            at = draft.take(width)
            draft.add(name, "energy", None, "", at, at + width, Quality.NOT_AVAILABLE)
    draft.note("the unit of the registers is not published: compare them with the meter's display")


def _widths(draft: Draft) -> Widths:
    """How the slots lie: a register may begin with FF, so the length of the payload has to decide with it.

    Read one byte off, a register gets an FF for its top byte, which no count in its life reaches.
    """
    slots = draft.plain[draft.position : draft.end]
    at = draft.position - draft.start
    present, surplus = divmod(len(slots) - len(SLOTS), REGISTER_SIZE - 1)
    if surplus or not 0 <= present <= len(SLOTS):
        raise draft.bad(f"{len(slots)} bytes are not {len(SLOTS)} slots of four bytes or one", at)
    fitting = list(_fitting(slots, present))
    if not fitting:
        raise draft.bad(f"a slot of one byte is not {ABSENT:02X}", at)
    likely = [widths for widths in fitting if _believable(slots, widths)]
    if len(fitting) > 1 and len(likely) != 1:
        raise draft.bad("the registers can be read in more than one way", at)
    return (likely or fitting)[0]


def _fitting(slots: bytes, present: int) -> Iterator[Widths]:
    """All ways to lay as many registers as there are, with FF in each other slot."""
    for places in combinations(range(len(SLOTS)), present):
        widths = tuple(REGISTER_SIZE if slot in places else 1 for slot in range(len(SLOTS)))
        if all(slots[at] == ABSENT for at, width in _laid(widths) if width == 1):
            yield widths


def _believable(slots: bytes, widths: Widths) -> bool:
    return all(slots[at + width - 1] != ABSENT for at, width in _laid(widths) if width == REGISTER_SIZE)


def _laid(widths: Widths) -> Iterator[tuple[int, int]]:
    at = 0
    for width in widths:
        yield at, width
        at += width
