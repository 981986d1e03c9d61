"""Zenner and Minol modules: EDC (counters with alarms) and SP packets told by their first nibble."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import ALL_ONES_32, BCD4_LE, U8, U16LE, U32BE, U32LE
from protocols.mbus.datetypes import date_g

EDC_FLAGS: Mapping[int, str] = {
    0: "removal",
    1: "battery_low",
    2: "battery_end_of_life",
    3: "hardware_error",
    5: "coil_tamper",
}


@binary_decoder
def decode_edc(draft: Draft) -> None:
    """Flags, then counters of four bytes without a unit."""
    if draft.size < 5 or (draft.size - 1) % 4:
        raise draft.bad(f"{draft.size} bytes are not a flag byte and counters of four bytes")
    draft.flag_bits(draft.byte(0), EDC_FLAGS)
    draft.fields(
        Field(4 * number - 3, U32BE, f"register_{number}", "count") for number in range(1, (draft.size - 1) // 4 + 1)
    )
    draft.note("the module does not say what its counters count")


LITRES = Decimal("0.001")
WITH_STATUS = 5
"""The packet that ends in a status; what its bits mean is not published."""

NUMBERS = (BCD4_LE, U32LE, U32LE)
"""By the low nibble of the first byte."""


def _volume(offset: int, name: str, coding: int) -> Field:
    return Field(offset, NUMBERS[coding], name, "volume", "m3", LITRES, empty=ALL_ONES_32)


@binary_decoder
def decode_sp(draft: Draft) -> None:
    """SP packets 1, 2, 5 and 6: litres in BCD or binary."""
    kind, coding = divmod(draft.byte(0), 16)
    if coding >= len(NUMBERS):
        raise draft.bad(f"number format {coding} is not defined")
    if kind not in _PACKETS:
        raise draft.unsupported(f"SP packet {kind} is not decoded")
    date_at, volumes = _PACKETS[kind]
    if date_at is not None:
        day, quality = date_g(draft.bytes(date_at, 2))
        at = draft.start + date_at
        draft.add("month_end_date", "date", day, "", at, at + 2, quality)
    draft.fields(_volume(offset, name, coding) for offset, name in volumes)
    if kind == WITH_STATUS and draft.left:
        draft.next_field(Field(0, U8 if draft.left == 1 else U16LE, "info_code", "info_code"))


_PACKETS: Mapping[int, tuple[int | None, tuple[tuple[int, str], ...]]] = {
    1: (None, ((1, "total_volume"),)),
    2: (1, ((3, "month_end_volume"),)),
    5: (None, ((1, "total_volume_input_1"), (5, "total_volume_input_2"))),
    6: (1, ((3, "month_end_volume_input_1"), (7, "month_end_volume_input_2"))),
}
"""Offset of the date, then offsets and names of the volumes."""
