"""The extension table FB (EN 13757-3:2018, Table 14)."""

from __future__ import annotations

from decimal import Decimal

from protocols.mbus.tables import Coding, VifCode, VifRange, vif_table

CLAUSE = "EN 13757-3, extension table FB"

TWELVE_BITS = Decimal(1) / 4096
"""The rating factors of heat cost allocators count in steps of 2^-12; exact as a decimal."""

RANGES = (
    VifRange(0x00, 2, "energy", "MWh", -1, Coding.COUNTER),
    VifRange(0x02, 2, "reactive_energy", "kvarh", 0),
    VifRange(0x04, 2, "apparent_energy", "kVAh", 0),
    VifRange(0x08, 2, "energy", "GJ", -1, Coding.COUNTER),
    VifRange(0x0C, 4, "energy", "Mcal", -1, Coding.COUNTER),
    VifRange(0x10, 2, "volume", "m3", 2, Coding.COUNTER),
    VifRange(0x14, 4, "reactive_power", "kvar", -3),
    VifRange(0x18, 2, "mass", "t", 2, Coding.UNSIGNED),
    VifRange(0x1A, 2, "relative_humidity", "%", -1, Coding.UNSIGNED),
    VifRange(0x20, 1, "volume", "ft3", 0, Coding.COUNTER),
    VifRange(0x21, 1, "volume", "ft3", -1, Coding.COUNTER),
    # 22-26, 58-67 and 70-73 are of editions before 2004.
    VifRange(0x22, 2, "volume", "gal", -1, Coding.COUNTER),
    VifRange(0x24, 1, "volume_flow", "gal/min", -3),
    VifRange(0x25, 1, "volume_flow", "gal/min", 0),
    VifRange(0x26, 1, "volume_flow", "gal/h", 0),
    VifRange(0x28, 2, "power", "MW", -1),
    VifRange(0x2A, 1, "phase_angle_voltages", "deg", -1),
    VifRange(0x2B, 1, "phase_angle_voltage_current", "deg", -1),
    VifRange(0x2C, 4, "frequency", "Hz", -3),
    VifRange(0x30, 2, "power", "GJ/h", -1),
    VifRange(0x34, 4, "apparent_power", "kVA", -3),
    VifRange(0x58, 4, "flow_temperature", "F", -3),
    VifRange(0x5C, 4, "return_temperature", "F", -3),
    VifRange(0x60, 4, "temperature_difference", "F", -3),
    VifRange(0x64, 4, "external_temperature", "F", -3),
    VifRange(0x68, 1, "hca_rating_factor", "", 0, Coding.UNSIGNED, TWELVE_BITS),
    VifRange(0x69, 1, "thermal_output_rating_factor", "W", 0, Coding.UNSIGNED),
    VifRange(0x6A, 1, "thermal_coupling_factor", "", 0, Coding.UNSIGNED, TWELVE_BITS),
    VifRange(0x6B, 1, "room_coupling_factor", "", 0, Coding.UNSIGNED, TWELVE_BITS),
    VifRange(0x6C, 1, "heater_coupling_factor", "", 0, Coding.UNSIGNED, TWELVE_BITS),
    VifRange(0x6D, 1, "low_temperature_factor", "", 0, Coding.UNSIGNED, TWELVE_BITS),
    VifRange(0x6E, 1, "display_scaling_factor", "", 0, Coding.UNSIGNED, TWELVE_BITS),
    VifRange(0x70, 4, "cold_warm_temperature_limit", "F", -3),
    VifRange(0x74, 4, "cold_warm_temperature_limit", "C", -3),
    VifRange(0x78, 8, "cumulative_maximum_power", "W", -3),
)

FB: dict[int, VifCode] = vif_table(RANGES, CLAUSE)
