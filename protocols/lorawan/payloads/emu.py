"""EMU Professional II and Allrounder: clock, (identifier, value) pairs, CRC-8; least significant byte first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from protocols.errors import BadChecksum
from protocols.lorawan.payloads.draft import LAYER, Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import (
    DIGITS4_LE,
    I8,
    I16LE,
    I32LE,
    U8,
    U16LE,
    U32LE,
    U64LE,
    UNIX_LE,
    Number,
    ascii_text,
)
from protocols.lorawan.payloads.tagged import Entry, read_tagged
from protocols.lorawan.payloads.tariff_energies import TARIFF_ENERGIES

TENTH, HUNDREDTH, THOUSANDTH = Decimal("0.1"), Decimal("0.01"), Decimal("0.001")
POLYNOMIAL = 0x07

PHASES = ("", "_l1", "_l2", "_l3", "_n")


def _year(data: bytes) -> int | None:
    """A year of four bytes, one digit each."""
    if max(data) > 9:
        return None
    return int("".join(str(digit) for digit in data))


def _registers(first: int, number: Number, scale: Decimal | None) -> Iterator[tuple[int, Entry]]:
    for place, (name, quantity, unit) in enumerate(TARIFF_ENERGIES):
        yield first + place, (Field(0, number, name, quantity, unit, scale),)


def _phases(
    first: int, count: int, skip: int, number: Number, name: str, unit: str, scale: Decimal | None
) -> Iterator[tuple[int, Entry]]:
    for place in range(count):
        yield first + place, (Field(0, number, name + PHASES[skip + place], name, unit, scale),)


def _one(code: int, row: Field) -> tuple[int, Entry]:
    return code, (row,)


ENTRIES: Mapping[int, Entry] = dict(
    (
        _one(0x01, Field(0, UNIX_LE, "reading_datetime", "datetime")),
        *_registers(0x03, U32LE, THOUSANDTH),
        *_phases(0x0B, 4, 0, I32LE, "power", "kW", THOUSANDTH),
        *_phases(0x0F, 5, 0, I32LE, "current", "A", THOUSANDTH),
        *_phases(0x14, 3, 1, I32LE, "voltage", "V", TENTH),
        *_phases(0x17, 3, 1, I8, "power_factor", "", HUNDREDTH),
        _one(0x1A, Field(0, I16LE, "frequency", "frequency", "Hz", TENTH)),
        _one(0x1B, Field(0, I32LE, "average_power", "power", "kW", THOUSANDTH)),
        *_registers(0x1C, U32LE, None),
        *_registers(0x24, U64LE, THOUSANDTH),
        _one(0xF0, Field(0, U8, "info_code", "info_code")),
        _one(0xF1, Field(0, DIGITS4_LE, "fabrication_number", "fabrication_number")),
        _one(0xF2, Field(0, DIGITS4_LE, "factory_number", "fabrication_number")),
        _one(0xF3, Field(0, U16LE, "current_transformer_primary", "configuration")),
        _one(0xF4, Field(0, U16LE, "current_transformer_secondary", "configuration")),
        _one(0xF5, Field(0, U16LE, "voltage_transformer_primary", "configuration")),
        _one(0xF6, Field(0, U16LE, "voltage_transformer_secondary", "configuration")),
        _one(0xF7, Field(0, U8, "model_version", "model_version")),
        _one(0xF8, Field(0, Number(4, _year), "calibration_year", "year")),
        _one(0xF9, Field(0, Number(4, _year), "fabrication_year", "fabrication_year")),
        *(_one(0xFA + place, Field(0, ascii_text(4), f"text_{place + 1}", "text")) for place in range(4)),
        _one(0xFE, Field(0, UNIX_LE, "system_datetime", "datetime")),
    )
)
ERRORS: Mapping[int, str] = {
    0: "clock_error",
    1: "current_transformer_changed",
    2: "voltage_transformer_changed",
    3: "pulse_width_changed",
    4: "pulse_ratio_changed",
    5: "power_failure",
    7: "log_full",
}
CLOCK = Field(0, UNIX_LE, "meter_datetime", "datetime")


@binary_decoder
def decode_professional(draft: Draft) -> None:
    """Check the CRC, then read all pairs."""
    draft.require(5, "message")
    if crc8(draft.bytes(0, draft.size - 1)) != draft.byte(draft.size - 1):
        raise BadChecksum("the CRC-8 of the payload does not fit", layer=LAYER, offset=draft.end - 1)
    draft.next_field(CLOCK)
    read_tagged(draft, ENTRIES, U8, end_left=1)
    draft.flag_bits(draft.word("info_code"), ERRORS)


def crc8(data: bytes) -> int:
    """CRC-8 of polynomial 07, start value 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ POLYNOMIAL if crc & 0x80 else crc << 1) & 0xFF
    return crc
