"""Fludia FM432 readers: types told by the first byte, index with increments, most significant byte first.

An index belongs to the moment of reception; the increments before it are sent oldest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import I64BE, U8, U16BE, U32BE, U64BE, signed_be, unsigned_be
from protocols.model import Quality
from protocols.plural import counted

STEP = Field(1, U8, "interval_duration", "duration", "min")
TENTH = Decimal("0.1")

DATA_TYPES: Mapping[int, Decimal | None] = {0x69: None, 0x6B: None, 0x6D: TENTH, 0x6F: None}
"""Type by the scale of index and increments."""

STATUS: Mapping[int, tuple[Field, ...]] = {
    0x6C: (
        Field(1, U16BE, "firmware_version", "firmware_version"),
        Field(4, U32BE, "meter_index", "count"),
        Field(8, U8, "interval_duration", "duration", "min"),
        Field(9, U8, "interval_count", "count"),
        Field(10, U8, "redundancy", "count"),
    ),
    **{
        kind: (
            Field(1, U8, "start_count", "count"),
            Field(4, U8, "parameter_set", "parameter_set"),
            Field(5, U8, "firmware_version", "firmware_version"),
            Field(8, U32BE, "meter_index", "count", scale=scale),
            Field(12, U8, "interval_duration", "duration", "min"),
            Field(13, U8, "interval_count", "count"),
            Field(14, U8, "redundancy", "count"),
        )
        for kind, scale in ((0x6A, None), (0x70, None), (0x6E, TENTH))
    },
}
"""Technical messages. Types 6A, 6E and 70 have the battery's state at byte 7."""

STATUS_SIZES: Mapping[int, int] = {0x6A: 16, 0x6C: 11, 0x6E: 15, 0x70: 16}
BATTERY_LOW_AT = 7


@dataclass(frozen=True, slots=True)
class Optical:
    """A message of the infrared interface: what its registers count, with the weight of one step in kWh."""

    names: tuple[str, ...]
    weight: Decimal


TENTH_WH, ONE_WH = Decimal("0.0001"), Decimal("0.001")
OPTICAL: Mapping[int, Optical] = {
    0x71: Optical(("net",), TENTH_WH),
    0x72: Optical(("import",), TENTH_WH),
    0x73: Optical(("export",), TENTH_WH),
    0x74: Optical(("import", "export"), TENTH_WH),
    0x76: Optical(("net",), ONE_WH),
    0x77: Optical(("import",), ONE_WH),
    0x78: Optical(("export",), ONE_WH),
    0x79: Optical(("import", "export"), ONE_WH),
}
MISSING_FROM = 0xFFFB
"""Increments from FFFB on say that there is none."""

OPTICAL_STATUS = (
    Field(2, U8, "interval_duration", "duration", "min"),
    Field(3, U8, "interval_count", "count"),
    Field(4, U8, "redundancy", "count"),
    Field(7, U8, "firmware_version", "firmware_version"),
)
OPTICAL_STATUS_WEIGHTS: Mapping[int, Decimal] = {0x3A: TENTH_WH, 0x3B: ONE_WH}


@binary_decoder
def decode_fm432(draft: Draft) -> None:
    """Read one message of any reader of the family."""
    kind = draft.byte(0)
    if kind in DATA_TYPES:
        _data(draft, DATA_TYPES[kind])
    elif kind in STATUS:
        draft.require(STATUS_SIZES[kind], "technical message")
        draft.fields(STATUS[kind])
        draft.flag("battery_low", when=kind != 0x6C and draft.byte(BATTERY_LOW_AT) != 0)
    elif kind in OPTICAL:
        _optical(draft, OPTICAL[kind])
    elif kind == 0xF0 and draft.byte(1) in OPTICAL_STATUS_WEIGHTS:
        _optical_status(draft, OPTICAL_STATUS_WEIGHTS[draft.byte(1)])
    else:
        raise draft.unsupported(f"message type {kind:02X} is not known of this reader")


def _data(draft: Draft, scale: Decimal | None) -> None:
    draft.fields((STEP, Field(2, U32BE, "meter_index", "count", scale=scale)))
    count = (draft.size - 5) // 2
    draft.fields(
        Field(
            6 + 2 * place, U16BE, f"interval_{count - place}_index", "count", scale=scale, storage=count - place
        )
        for place in range(count)
    )  # fmt: skip


def _optical(draft: Draft, message: Optical) -> None:
    draft.fields((STEP,))
    signs = draft.byte(2)
    registers = len(message.names)
    head = 3 + 8 * registers
    draft.require(head, "message")
    count = -((head - draft.size) // (2 * registers))
    draft.require(head + 2 * registers * count, f"message with {counted(count, 'interval')}")
    for place, name in enumerate(message.names):
        base = draft.start + 3 + place * (8 + 2 * count)
        signed = bool(signs >> place & 1)
        index = Field(0, I64BE if signed else U64BE, f"total_energy_{name}", "energy", "kWh", message.weight)
        draft.field(index, base)
        for step in range(count):
            _increment(draft, f"interval_{count - step}_energy_{name}", base + 8 + 2 * step, message, signed=signed)


def _increment(draft: Draft, name: str, at: int, message: Optical, *, signed: bool) -> None:
    data = draft.plain[at : at + 2]
    number = int(name.split("_")[1])
    missing = unsigned_be(data) >= MISSING_FROM
    value = None if missing else (signed_be(data) if signed else unsigned_be(data)) * message.weight
    quality = Quality.NOT_AVAILABLE if missing else Quality.GOOD
    draft.add(name, "energy", value, "kWh", at, at + 2, quality, number)


def _optical_status(draft: Draft, weight: Decimal) -> None:
    draft.fields(OPTICAL_STATUS)
    measure = {1: "net", 2: "import", 3: "export"}.get(draft.byte(5), "import")
    draft.flag("battery_low", when=bool(draft.byte(9) & 1))
    draft.fields((Field(13, I64BE, f"total_energy_{measure}", "energy", "kWh", weight),))
