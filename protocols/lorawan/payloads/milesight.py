"""Milesight current transformers and pulse counters: (channel, type, value) lists, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import (
    ABOVE_100,
    F32LE,
    I16LE,
    U8,
    U16BE,
    U16LE,
    U32LE,
    UNIX_LE,
    Number,
    hexadecimal,
    raw_bytes,
)
from protocols.lorawan.payloads.tagged import Entry, Numbered, read_tagged

TENTH, HUNDREDTH = Decimal("0.1"), Decimal("0.01")
ALARMS: Mapping[int, str] = {
    0: "current_high",
    1: "current_high_before",
    2: "current_overflow",
    3: "current_overflow_before",
}
NO_CURRENT = frozenset({0xFFFF})
"""More than any of these transformers can measure: the sensor was not read."""

NO_TEMPERATURE = frozenset({-0x8000, 0x7FFF})
ABOVE_SATURATED = frozenset(range(201, 256))

TEMPERATURE = Field(0, I16LE, "external_temperature", "external_temperature", "C", TENTH, empty=NO_TEMPERATURE)
HUMIDITY = Field(0, U8, "relative_humidity", "relative_humidity", "%", Decimal("0.5"), empty=ABOVE_SATURATED)
FACTORS = (
    Field(0, U16LE, "volume_factor", "factor", scale=TENTH),
    Field(0, U16LE, "pulse_factor", "factor", scale=TENTH),
    Field(0, F32LE, "counted_volume", "count"),
)


def _current(name: str, scale: Decimal) -> Field:
    return Field(0, U16LE, name, "current", "A", scale, empty=NO_CURRENT)


def _extremes(scale: Decimal) -> Entry:
    return sequence(
        _current("maximum_current", scale),
        _current("minimum_current", scale),
        _current("current", scale),
        Field(0, U8, "current_alarm_code", "code"),
    )


def _stored(number: int) -> Entry:
    row = f"stored_{number}_"
    return sequence(
        Field(0, UNIX_LE, f"{row}datetime", "datetime"),
        replace(TEMPERATURE, name=f"{row}external_temperature"),
        replace(HUMIDITY, name=f"{row}relative_humidity"),
        Field(0, U8, f"{row}mode", "code"),
        Field(0, U8, f"{row}contact_state_input_1", "code"),
        Field(0, U32LE, f"{row}pulse_count_input_1", "pulse_count"),
    )


STORED: Mapping[int, Numbered] = {0x20CE: _stored}
ENTRIES: Mapping[int, Entry] = {
    0x0175: (Field(0, U8, "battery_level", "battery_level", "%", empty=ABOVE_100),),
    0x0367: (TEMPERATURE,),
    0x0468: (HUMIDITY,),
    0x0500: (Field(0, U8, "contact_state_input_1", "code"),),
    0x05C8: (Field(0, U32LE, "pulse_count_input_1", "pulse_count"),),
    0x05E1: sequence(*FACTORS),
    0x06E1: sequence(*FACTORS),
    0x85E1: sequence(*FACTORS, Field(0, U8, "water_alarm_code", "code")),
    0x0397: (Field(0, U32LE, "total_charge", "charge", "Ah", HUNDREDTH),),
    0x0498: (_current("current", HUNDREDTH),),
    0x0499: (_current("current", TENTH),),
    0x8498: _extremes(HUNDREDTH),
    0x8499: _extremes(TENTH),
    0xFF01: (Field(0, Number(1, hexadecimal), "protocol_version", "text"),),
    0xFF09: (Field(0, raw_bytes(2), "hardware_version", "hardware_version"),),
    0xFF0A: (Field(0, raw_bytes(2), "firmware_version", "firmware_version"),),
    0xFF0B: (Field(0, Number(1, hexadecimal), "power_event", "code"),),
    0xFF0F: (Field(0, Number(1, hexadecimal), "device_class", "code"),),
    0xFF16: (Field(0, raw_bytes(8), "fabrication_number", "fabrication_number"),),
}
"""By channel and type. The counted volume has the unit that was set at installation."""


@binary_decoder
def decode_channels(draft: Draft) -> None:
    """Read all channels."""
    read_tagged(draft, ENTRIES, U16BE, numbered=STORED)
    draft.flag_bits(draft.word("current_alarm_code"), ALARMS)
    # What the codes stand for is not published; 0 is none.
    draft.flag("alarm", when=draft.word("water_alarm_code") != 0)
