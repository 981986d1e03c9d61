"""The combinable VIFEs, their extension FC, record errors and object actions (EN 13757-3:2018, Tables 15-18)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from protocols.mbus.tables import Coding
from protocols.model import Quality

CLAUSE = "EN 13757-3, combinable VIFE table"
FC_CLAUSE = "EN 13757-3, extension table FC of the combinable VIFEs"
ERROR_CLAUSE = "EN 13757-3, record errors"
ACTION_CLAUSE = "EN 13757-3, object actions"

EXTENSION_FC = 0x7C
MANUFACTURER_SPECIFIC = 0x7F

COMPACT_PROFILE = "compact_profile"
COMPACT_PROFILE_REGISTERS = "compact_profile_registers"
INVERSE_COMPACT_PROFILE = "inverse_compact_profile"
PROFILES = frozenset({COMPACT_PROFILE, COMPACT_PROFILE_REGISTERS, INVERSE_COMPACT_PROFILE})


class Effect(StrEnum):
    """What a VIFE does to the value, besides naming it."""

    NONE = "none"
    MULTIPLY = "multiply"
    """Adds `exponent` to that of the VIF."""
    ADD = "add"
    """Adds 10^`exponent` of the VIF's own unit."""
    UNIT = "unit"
    """Appends `unit` to the unit."""
    UNITLESS = "unitless"
    """The value is no longer in the VIF's unit, and its own is not known here."""
    CODING = "coding"
    """The data are read as `coding`, in the VIF's unit and scale; bits have neither."""
    REPLACE = "replace"
    """The data are `coding` in `unit`, whatever the VIF says."""
    QUALITY = "quality"
    """There is no value; `quality` says why."""
    PROFILE = "profile"
    """The data are a series of values (EN 13757-3, Annex F)."""


@dataclass(frozen=True, slots=True)
class VifeCode:
    """One combinable VIFE; `name` is the modifier, empty where the effect alone says it all."""

    name: str
    effect: Effect = Effect.NONE
    exponent: int = 0
    unit: str = ""
    coding: Coding = Coding.NUMBER
    quality: Quality = Quality.GOOD
    clause: str = CLAUSE


def _date(name: str) -> VifeCode:
    return VifeCode(name, Effect.REPLACE, coding=Coding.TIMEPOINT)


def _count(name: str) -> VifeCode:
    return VifeCode(name, Effect.REPLACE, coding=Coding.UNSIGNED)


def _duration(name: str, unit: str) -> VifeCode:
    return VifeCode(name, Effect.REPLACE, unit=unit, coding=Coding.UNSIGNED)


def _error(name: str, quality: Quality, clause: str = ERROR_CLAUSE) -> VifeCode:
    return VifeCode(f"record_error_{name}", Effect.QUALITY, quality=quality, clause=clause)


def _limit(code: int) -> str:
    return ("first", "last")[code >> 2 & 1] + ("_lower", "_upper")[code >> 3 & 1] + "_limit_exceed"


_BEGIN_END = ("begin", "end")
_FIRST_LAST = ("first", "last")
_DURATION_UNITS = ("s", "min", "h", "d")

COMBINABLE: dict[int, VifeCode] = {
    0x12: VifeCode("average"),
    0x13: VifeCode(INVERSE_COMPACT_PROFILE, Effect.PROFILE),
    0x14: VifeCode("relative_deviation", Effect.UNITLESS),
    0x1D: VifeCode("standard_conform"),
    0x1E: VifeCode(COMPACT_PROFILE_REGISTERS, Effect.PROFILE),
    0x1F: VifeCode(COMPACT_PROFILE, Effect.PROFILE),
    0x20: VifeCode("per_second", Effect.UNIT, unit="/s"),
    0x21: VifeCode("per_minute", Effect.UNIT, unit="/min"),
    0x22: VifeCode("per_hour", Effect.UNIT, unit="/h"),
    0x23: VifeCode("per_day", Effect.UNIT, unit="/d"),
    0x24: VifeCode("per_week", Effect.UNIT, unit="/week"),
    0x25: VifeCode("per_month", Effect.UNIT, unit="/month"),
    0x26: VifeCode("per_year", Effect.UNIT, unit="/year"),
    0x27: VifeCode("per_revolution", Effect.UNIT, unit="/revolution"),
    0x28: VifeCode("per_input_pulse_0", Effect.UNIT, unit="/pulse"),
    0x29: VifeCode("per_input_pulse_1", Effect.UNIT, unit="/pulse"),
    0x2A: VifeCode("per_output_pulse_0", Effect.UNIT, unit="/pulse"),
    0x2B: VifeCode("per_output_pulse_1", Effect.UNIT, unit="/pulse"),
    0x2C: VifeCode("per_litre", Effect.UNIT, unit="/l"),
    0x2D: VifeCode("per_cubic_metre", Effect.UNIT, unit="/m3"),
    0x2E: VifeCode("per_kilogram", Effect.UNIT, unit="/kg"),
    0x2F: VifeCode("per_kelvin", Effect.UNIT, unit="/K"),
    0x30: VifeCode("per_kilowatt_hour", Effect.UNIT, unit="/kWh"),
    0x31: VifeCode("per_gigajoule", Effect.UNIT, unit="/GJ"),
    0x32: VifeCode("per_kilowatt", Effect.UNIT, unit="/kW"),
    0x33: VifeCode("per_kelvin_litre", Effect.UNIT, unit="/(K*l)"),
    0x34: VifeCode("per_volt", Effect.UNIT, unit="/V"),
    0x35: VifeCode("per_ampere", Effect.UNIT, unit="/A"),
    0x36: VifeCode("multiplied_by_second", Effect.UNIT, unit="*s"),
    0x37: VifeCode("multiplied_by_second_per_volt", Effect.UNIT, unit="*s/V"),
    0x38: VifeCode("multiplied_by_second_per_ampere", Effect.UNIT, unit="*s/A"),
    0x39: _date("start_date_of"),
    0x3A: VifeCode("uncorrected"),
    0x3B: VifeCode("forward_flow"),
    0x3C: VifeCode("backward_flow"),
    0x3D: VifeCode("non_metric_units", Effect.UNITLESS),
    0x3E: VifeCode("base_conditions"),
    0x3F: VifeCode("obis_declaration", Effect.REPLACE, coding=Coding.RAW),
    0x40: VifeCode("limit_lower"),
    0x41: _count("exceedings_of_lower_limit"),
    0x48: VifeCode("limit_upper"),
    0x49: _count("exceedings_of_upper_limit"),
    **{
        code: _date(f"date_of_{_BEGIN_END[code & 1]}_of_{_limit(code)}")
        for code in (0x42, 0x43, 0x46, 0x47, 0x4A, 0x4B, 0x4E, 0x4F)
    },
    **{code: _duration(f"duration_of_{_limit(code)}", _DURATION_UNITS[code & 3]) for code in range(0x50, 0x60)},
    **{
        code: _duration(f"duration_of_{_FIRST_LAST[code >> 2 & 1]}", _DURATION_UNITS[code & 3])
        for code in range(0x60, 0x68)
    },
    0x68: VifeCode("during_lower_limit_exceed"),
    0x69: VifeCode("leakage"),
    **{
        code: _date(f"date_of_{_BEGIN_END[code & 1]}_of_{_FIRST_LAST[code >> 2 & 1]}")
        for code in (0x6A, 0x6B, 0x6E, 0x6F)
    },
    0x6C: VifeCode("during_upper_limit_exceed"),
    0x6D: VifeCode("overflow"),
    **{code: VifeCode("", Effect.MULTIPLY, exponent=code - 0x76) for code in range(0x70, 0x78)},
    **{code: VifeCode("", Effect.ADD, exponent=code - 0x7B) for code in range(0x78, 0x7C)},
    0x7D: VifeCode("", Effect.MULTIPLY, exponent=3),
    0x7E: VifeCode("future_value"),
}
"""Table 15 without 00-11 and 15-1C, whose meaning depends on the direction."""

RECORD_ERRORS: dict[int, VifeCode] = {
    # "No error" is found in the field on records that are otherwise ordinary.
    0x00: VifeCode("", clause=ERROR_CLAUSE),
    0x01: _error("too_many_dife", Quality.NOT_AVAILABLE),
    0x02: _error("storage_not_implemented", Quality.NOT_AVAILABLE),
    0x03: _error("subunit_not_implemented", Quality.NOT_AVAILABLE),
    0x04: _error("tariff_not_implemented", Quality.NOT_AVAILABLE),
    0x05: _error("function_not_implemented", Quality.NOT_AVAILABLE),
    0x06: _error("data_class_not_implemented", Quality.NOT_AVAILABLE),
    0x07: _error("data_size_not_implemented", Quality.NOT_AVAILABLE),
    0x0B: _error("too_many_vife", Quality.NOT_AVAILABLE),
    0x0C: _error("illegal_vif_group", Quality.NOT_AVAILABLE),
    0x0D: _error("illegal_vif_exponent", Quality.NOT_AVAILABLE),
    0x0E: _error("vif_dif_mismatch", Quality.NOT_AVAILABLE),
    0x0F: _error("unimplemented_action", Quality.NOT_AVAILABLE),
    0x15: _error("no_data_available", Quality.NOT_AVAILABLE),
    0x16: _error("data_overflow", Quality.OVERFLOW),
    0x17: _error("data_underflow", Quality.UNDERFLOW),
    0x18: _error("data_error", Quality.INVALID),
    0x1C: _error("premature_end_of_record", Quality.INVALID),
}
"""What a meter reports about a record."""

OBJECT_ACTIONS: dict[int, VifeCode] = {
    code: VifeCode(f"action_{name}", clause=ACTION_CLAUSE)
    for code, name in enumerate(
        (
            "write",
            "add",
            "subtract",
            "or",
            "and",
            "xor",
            "and_not",
            "clear",
            "add_entry",
            "delete_entry",
            "delayed",
            "freeze",
            "add_to_readout",
            "delete_from_readout",
        )
    )
}
"""What a meter is told to do with a record."""

EXTENSION: dict[int, VifeCode] = {
    0x01: VifeCode("phase_l1", clause=FC_CLAUSE),
    0x02: VifeCode("phase_l2", clause=FC_CLAUSE),
    0x03: VifeCode("phase_l3", clause=FC_CLAUSE),
    0x04: VifeCode("neutral", clause=FC_CLAUSE),
    0x05: VifeCode("phases_l1_l2", clause=FC_CLAUSE),
    0x06: VifeCode("phases_l2_l3", clause=FC_CLAUSE),
    0x07: VifeCode("phases_l3_l1", clause=FC_CLAUSE),
    0x08: VifeCode("quadrant_q1", clause=FC_CLAUSE),
    0x09: VifeCode("quadrant_q2", clause=FC_CLAUSE),
    0x0A: VifeCode("quadrant_q3", clause=FC_CLAUSE),
    0x0B: VifeCode("quadrant_q4", clause=FC_CLAUSE),
    0x0C: VifeCode("delta_import_export", clause=FC_CLAUSE),
    0x0D: VifeCode("non_metric_units", Effect.UNITLESS, clause=FC_CLAUSE),
    0x0E: VifeCode("secondary_sensor", clause=FC_CLAUSE),
    0x0F: VifeCode("higher_resolution", clause=FC_CLAUSE),
    0x10: VifeCode("absolute_flow", clause=FC_CLAUSE),
    0x11: VifeCode("", Effect.CODING, coding=Coding.UNSIGNED, clause=FC_CLAUSE),
    0x12: VifeCode("", Effect.CODING, coding=Coding.BITS, clause=FC_CLAUSE),
    0x13: VifeCode("end_date_of", Effect.REPLACE, coding=Coding.TIMEPOINT, clause=FC_CLAUSE),
    0x14: VifeCode("to_meter", clause=FC_CLAUSE),
    0x15: VifeCode("from_meter", clause=FC_CLAUSE),
}
"""The byte after FC."""


def combinable(code: int, *, downlink: bool = False) -> VifeCode:
    """Return the meaning of a VIFE (extension bit stripped); reserved codes come out as `reserved_NN`."""
    directed = OBJECT_ACTIONS if downlink else RECORD_ERRORS
    found = directed.get(code) or COMBINABLE.get(code)
    return found if found is not None else VifeCode(f"reserved_{code:02x}")


def extension(code: int) -> VifeCode:
    """Return the meaning of the byte after VIFE FC (extension bit stripped)."""
    found = EXTENSION.get(code)
    return found if found is not None else VifeCode(f"reserved_fc_{code:02x}", clause=FC_CLAUSE)
