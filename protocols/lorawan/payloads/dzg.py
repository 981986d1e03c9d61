"""DZG electricity meters with LoRa module, protocols 1 and 2, least significant byte first."""

from __future__ import annotations

from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U32LE, UNIX_LE, Number, unsigned_le
from protocols.media import medium_name

REGISTER_SETS: dict[int, tuple[str, ...]] = {1: ("energy_import",), 4: ("energy_import", "energy_export")}
HUNDREDTH = Decimal("0.01")
NUMBER = Number(4, lambda data: f"{unsigned_le(data):08d}")
CLOCK_FLAG = 0x20
ELECTRICITY = 2


@binary_decoder
def decode_loramod(draft: Draft) -> None:
    """Registers now (protocol 1), or rows of them with their times (protocol 2).

    The number stands in the same place whatever the registers count.
    """
    if draft.byte(0) == 0:
        draft.take(1)
    first = draft.next_byte()
    if first >> 6 == 1:
        _row(draft, _names(draft, medium=first >> 3 & 7, registers=first & 7), 0)
        _end(draft)
        return
    head = draft.next_byte()
    if head >> 6 != 2:
        raise draft.unsupported("neither protocol 1 nor protocol 2 of this module")
    names = _names(draft, medium=head & 7, registers=first)
    number = 0
    while draft.left:
        if head & CLOCK_FLAG:
            name = f"history_{number}_datetime" if number else "reading_datetime"
            draft.next_field(Field(0, UNIX_LE, name, "datetime", storage=number))
        _row(draft, names, number)
        number += 1


def _names(draft: Draft, *, medium: int, registers: int) -> tuple[str, ...]:
    """Take the number, and say which registers follow."""
    at = draft.position - draft.start - 1
    draft.text("medium", medium_name(medium), at)
    draft.next_field(Field(0, NUMBER, "fabrication_number", "fabrication_number"))
    if medium != ELECTRICITY:
        raise draft.unsupported(f"the unit of registers of medium {medium_name(medium)} is not known", at)
    if registers not in REGISTER_SETS:
        raise draft.unsupported(f"register set {registers} is not decoded", at)
    return REGISTER_SETS[registers]


def _row(draft: Draft, names: tuple[str, ...], number: int) -> None:
    prefix = f"history_{number}_" if number else "total_"
    for name in names:
        draft.next_field(Field(0, U32LE, prefix + name, "energy", "kWh", HUNDREDTH, storage=number))


def _end(draft: Draft) -> None:
    if draft.left:
        raise draft.bad(f"{draft.left} bytes after the last register", draft.position - draft.start)
