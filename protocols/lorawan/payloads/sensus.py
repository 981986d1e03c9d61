"""Sensus PolluTherm, least significant byte first; its volume and temperature difference are unproven."""

from __future__ import annotations

from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import F32LE, U16LE, U32LE, unsigned_be, unsigned_le

DATA_TYPES = frozenset({0xFF01, 0xFF03})
SUPPLY_FAULT = 0x0100
HUNDREDTHS = Decimal("0.01")
NO_TEMPERATURE = frozenset({0x8000, 0xFFFF})
ERRORS_AT, ERRORS_END = 30, 32

MESSAGE = (
    Field(2, U32LE, "total_energy", "energy", "kWh"),
    Field(10, F32LE, "power", "power", "kW"),
    Field(14, F32LE, "volume_flow", "volume_flow", "m3/h"),
    Field(18, U16LE, "flow_temperature", "flow_temperature", "C", HUNDREDTHS, empty=NO_TEMPERATURE),
    Field(20, U16LE, "return_temperature", "return_temperature", "C", HUNDREDTHS, empty=NO_TEMPERATURE),
    Field(26, U32LE, "fabrication_number", "fabrication_number"),
)
COOLING = Field(32, U32LE, "total_energy_cooling", "energy", "kWh")


@binary_decoder
def decode_pollutherm(draft: Draft) -> None:
    """Energy, power, flow and temperatures of port 1."""
    kind = unsigned_be(draft.bytes(0, 2))
    if kind == SUPPLY_FAULT or draft.fport == 10:
        draft.contents("keep alive", 0, 2)
        draft.flag("power_low", when=kind == SUPPLY_FAULT)
        return
    if kind not in DATA_TYPES:
        raise draft.unsupported(f"message type {kind:04X} is not known of this meter")
    draft.fields(MESSAGE)
    if draft.size >= ERRORS_END:
        draft.flag_bits(unsigned_le(draft.bytes(ERRORS_AT, 2)), {})
    if draft.size >= COOLING.end:
        draft.fields((COOLING,))
    draft.note("bytes 6 to 9 (volume) and 22 to 25 (temperature difference) are not decoded: their places are doubtful")
