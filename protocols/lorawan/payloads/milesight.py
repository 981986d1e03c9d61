"""Milesight current transformers and pulse counters: (channel, type, value) lists, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import (
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
from protocols.lorawan.payloads.tagged import Entry, read_tagged

TENTH, HUNDREDTH = Decimal("0.1"), Decimal("0.01")
ALARMS: Mapping[int, str] = {
    0: "current_high",
    1: "current_high_before",
    2: "current_overflow",
    3: "current_overflow_before",
}
WATER_ALARMS: Mapping[int, str] = {0: "leak"}

TEMPERATURE = Field(0, I16LE, "external_temperature", "external_temperature", "C", TENTH)
HUMIDITY = Field(0, U8, "relative_humidity", "relative_humidity", "%", Decimal("0.5"))
FACTORS = (
    Field(0, U16LE, "volume_factor", "factor", scale=TENTH),
    Field(0, U16LE, "pulse_factor", "factor", scale=TENTH),
    Field(0, F32LE, "counted_volume", "count"),
)


def _extremes(scale: Decimal) -> Entry:
    return sequence(
        Field(0, U16LE, "maximum_current", "current", "A", scale),
        Field(0, U16LE, "minimum_current", "current", "A", scale),
        Field(0, U16LE, "current", "current", "A", scale),
        Field(0, U8, "current_alarm_code", "code"),
    )


ENTRIES: Mapping[int, Entry] = {
    0x0175: (Field(0, U8, "battery_level", "battery_level", "%"),),
    0x0367: (TEMPERATURE,),
    0x0468: (HUMIDITY,),
    0x0500: (Field(0, U8, "contact_state_input_1", "code"),),
    0x05C8: (Field(0, U32LE, "pulse_count_input_1", "pulse_count"),),
    0x05E1: sequence(*FACTORS),
    0x06E1: sequence(*FACTORS),
    0x85E1: sequence(*FACTORS, Field(0, U8, "water_alarm_code", "code")),
    0x20CE: sequence(
        Field(0, UNIX_LE, "stored_1_datetime", "datetime"),
        Field(0, I16LE, "stored_1_external_temperature", "external_temperature", "C", TENTH),
        Field(0, U8, "stored_1_relative_humidity", "relative_humidity", "%", Decimal("0.5")),
        Field(0, U8, "stored_1_mode", "code"),
        Field(0, U8, "stored_1_contact_state_input_1", "code"),
        Field(0, U32LE, "stored_1_pulse_count_input_1", "pulse_count"),
    ),
    0x0397: (Field(0, U32LE, "total_charge", "charge", "Ah", HUNDREDTH),),
    0x0498: (Field(0, U16LE, "current", "current", "A", HUNDREDTH),),
    0x0499: (Field(0, U16LE, "current", "current", "A", TENTH),),
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
    read_tagged(draft, ENTRIES, U16BE)
    draft.flag_bits(draft.word("current_alarm_code"), ALARMS)
    draft.flag_bits(draft.word("water_alarm_code"), WATER_ALARMS)
