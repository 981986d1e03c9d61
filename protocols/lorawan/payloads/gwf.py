"""GWF radio modules: RCM-LRW10 (types 01 and 02) and RCM-H200, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import ALL_ONES_32, DIGITS4_LE, U16LE, U32LE, unsigned_le
from protocols.mbus.datetypes import date_g
from protocols.media import manufacturer_letters, medium_name
from protocols.wmbus.transport import status_flags

TYPES = frozenset({0x01, 0x02})
SHORTEST = 18
VOLUME_VIFS = range(0x10, 0x18)
"""EN 13757-3, Table 10: volume, 10^(n-6) m3."""

CONDITIONS: Mapping[int, str] = {
    0x04: "battery_low",
    0x30: "communication_error",
    0x50: "communication_error",
    0x90: "communication_error",
}
FLAGS: Mapping[int, str] = {1: "leak", 3: "burst", 5: "battery_low", 6: "reverse_flow", 7: "no_consumption"}
FLAG_MASK = sum(1 << bit for bit in FLAGS)
LINK_ERROR = 0x04
MONTHS_OF_HALF_YEAR = 6


@binary_decoder
def decode_lrw10(draft: Draft) -> None:
    """Identity, status, age and volume as the meter's own M-Bus record has it."""
    kind = draft.byte(0)
    if kind not in TYPES:
        raise draft.unsupported(f"message type {kind:02X} is not known of this module")
    draft.require(SHORTEST, "message")
    draft.text("manufacturer_name", manufacturer_letters(unsigned_le(draft.bytes(1, 2))), 1, 2, "manufacturer")
    draft.fields((Field(3, DIGITS4_LE, "identification", "identification"),))
    draft.text("medium", medium_name(draft.byte(7)), 7)
    status = draft.byte(8)
    for name in (CONDITIONS[status],) if status in CONDITIONS else status_flags(status):
        draft.flag(name)
    draft.fields((Field(9, U16LE, "actuality_duration", "actuality_duration", "min"),))
    vif = draft.byte(11)
    if vif not in VOLUME_VIFS:
        raise draft.unsupported(f"VIF {vif:02X} where a volume is expected", 11)
    scale = Decimal(1).scaleb((vif & 7) - 6)
    draft.fields((Field(12, U32LE, "total_volume", "volume", "m3", scale, empty=ALL_ONES_32),))
    draft.flag_bits(draft.byte(16) & FLAG_MASK, FLAGS)
    lifetime = draft.byte(17)
    _lifetime(draft, lifetime >> 3, 17, 1)
    draft.flag("communication_error", when=bool(lifetime & LINK_ERROR))


UNITS: tuple[tuple[str, str], ...] = (
    ("m3", "water"),
    ("m3", "warm water"),
    ("m3", "gas"),
    ("gal", "water"),
    ("gal", "warm water"),
    ("ft3", "water"),
    ("ft3", "gas"),
)
"""Low nibble of byte 4: unit and medium."""

COUNTER_BITS = 27
H200_SERIAL_FLAGS: Mapping[int, str] = {
    27: "communication_error",
    28: "communication_error",
    29: "measurement_error",
    30: "burst",
    31: "battery_low",
}
H200_FLAGS: Mapping[int, str] = {0: "reverse_flow", 1: "leak", 2: "no_consumption", 3: "communication_error"}
AGES: tuple[tuple[int, int, int, str], ...] = (
    (60, 0, 1, "min"),
    (152, 56, 15, "min"),
    (200, 151, 1, "d"),
    (245, 193, 7, "d"),
)
"""Age code: first code above the row, the code that would be none, step and unit. A row goes on where the last ends."""


@binary_decoder
def decode_h200(draft: Draft) -> None:
    """Packed counter, unit and serial number; the longer message has the date of the reading."""
    if draft.size not in (11, 13):
        raise draft.unsupported(f"no message of {draft.size} bytes is known of this module")
    word = unsigned_le(draft.bytes(0, 4))
    code = draft.byte(4)
    if code & 0x0F >= len(UNITS):
        raise draft.bad(f"unit code {code & 0x0F} is not defined", 4)
    unit, medium = UNITS[code & 0x0F]
    volume = (word & (1 << COUNTER_BITS) - 1) * Decimal(1).scaleb((code >> 4) - 3)
    draft.add("total_volume", "volume", volume, unit, draft.start, draft.start + 4)
    draft.text("medium", medium, 4)
    _lifetime(draft, word >> COUNTER_BITS, 3, 1)
    serial = unsigned_le(draft.bytes(5, 4))
    draft.text("identification", f"{serial & (1 << COUNTER_BITS) - 1:08d}", 5, 4, quantity="identification")
    draft.flag_bits(serial >> COUNTER_BITS << COUNTER_BITS, H200_SERIAL_FLAGS)
    draft.flag_bits(draft.byte(9), H200_FLAGS)
    _age(draft, draft.byte(10))
    if draft.size == 13:
        at = draft.start + 11
        day, quality = date_g(draft.bytes(11, 2))
        draft.add("meter_date", "date", day, "", at, at + 2, quality)


def _lifetime(draft: Draft, half_years: int, offset: int, size: int) -> None:
    at = draft.start + offset
    months = half_years * MONTHS_OF_HALF_YEAR
    draft.add("battery_lifetime_remaining", "battery_lifetime_remaining", months, "month", at, at + size)


def _age(draft: Draft, code: int) -> None:
    at = draft.start + 10
    row = next((row for row in AGES if code < row[0]), None)
    if row is None:
        draft.note("the reading is older than a year")
        return
    _, none, step, unit = row
    draft.add("actuality_duration", "actuality_duration", (code - none) * step, unit, at, at + 1)
