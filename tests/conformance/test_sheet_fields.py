"""Every field of the sheet of meter profiles that comes from a record is a reading here, with the same number.

The sheet (`meter-profiles.json`) is read where it is at hand. Each field's selector becomes a record, which goes
through the profile that claims the sheet's meter; a difference must stand in `DIFFERENCES` with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from protocols.mbus.records import parse_records
from protocols.model import Address, Reading, Record
from protocols.profiles.apply import interpret
from protocols.profiles.model import Profile
from protocols.profiles.registry import shipped_profiles
from tests.conformance.sheet_records import Field, MadeRecord, records_of

MAKERS_OWN = re.compile(r"manufacturer_[0-9a-f]+$")
"""How a record of the maker's own is called that no profile names."""

THREE_BYTE_PHASES = frozenset({"abbb23"})
NO_FAMILY = frozenset({"hydroclima", "izar", "qheat", "qwater"})
"""Older decoders of the reference for meters that another of its families claims."""

_LEFTOVERS = "taken over from another maker's meter: no telegram has it, and subunit 2 is apparent power here"
_UNNAMED_VALUE = "the sheet does not know what it is; shown by its record"

DIFFERENCES: dict[tuple[str, str], str] = {
    ("aquastream", "battery_remaining_y"): "in days, as sent",
    ("c5isf", "status"): "digits are hexadecimal: 36 is 24h, no water and a sensor interrupted",
    ("em24", "total_reactive_energy_"): "the VIFE 75 is a tenth, as the VIF of the active energy is",
    ("iem3000", "error_flags"): "bits: as a number, 0 would be an error of the memory",
    **{("iem3000", name): _LEFTOVERS for name in (
        "total_energy_export_", "total_net_", "total_reactive_energy_import_", "total_reactive_energy_export_",
        "total_apparent_energy_", "resettable_", "reactive_power_l", "apparent_power_l", "power_factor_l",
        "power_phase_angle", "phase_angle_", "current_quadrant", "energy_co", "co2_", "currency_",
        "product_number", "power_fail_count",
    )},
    ("aptmbusna", "status"): "bit 23 is said to be two things",
    ("kampress", "undocumented_"): _UNNAMED_VALUE,
    ("lansenrp", "listening_weekdays"): "a number: the days are its bits",
    ("ime", "run_meter_"): "in minutes, as sent",
    ("ime", "pulse_unit"): "unit 11 has no name",
    ("kamheat", "status"): "reserved bits are shown as bit_N",
    ("sharky774", "operating_time_in_error_h"): "only VIFE 18 is known from telegrams",
    ("ei6500", "dust_status"): "levels below cleaning are the reading dust_level",
    ("ei6500", "battery_level_enum"): "read from the head word's payload",
    ("ei6500", "obstacle_distance"): "read from the head word's payload",
    ("ei6500", "head_status"): "read from the head word's payload",
}  # fmt: skip
"""Family and beginning of the field's name, and why it is not the same here."""


@pytest.fixture(scope="module")
def sheet(conformance_dir: Path) -> list[dict[str, Any]]:
    path = conformance_dir.parent / "reference" / "meter-profiles.json"
    if not path.exists():
        pytest.skip("the sheet of meter profiles is not at hand")
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["profiles"]
    return found


def address(place: dict[str, Any]) -> Address | None:
    """The meter of one detection row, None where it stands for any version or type."""
    if "*" in (place["v"], place["t"]):
        return None
    return Address.of(place["m"], "12345678", place["v"], place["t"])


def profile_of(family: dict[str, Any]) -> Profile | None:
    found = (shipped_profiles().find(meter) for meter in map(address, family["detect"]) if meter is not None)
    return next((profile for profile in found if profile is not None), None)


def differences(family: dict[str, Any], profile: Profile) -> Iterator[tuple[str, str]]:
    """The names of the fields that differ, with what differs."""
    phases = family["profile"] in THREE_BYTE_PHASES
    for field in family["fields"]:
        for made in records_of(field, three_byte_phases=phases):
            found = (
                flag_difference(field, made, profile) if "flag_lookup" in field else difference(field, made, profile)
            )
            if found:
                yield field["name"], f"{made.header.hex().upper()} {found}"


def known_by(family: str, field: str) -> tuple[str, str] | None:
    """The key in `DIFFERENCES` that a field falls under."""
    return next((key for key in DIFFERENCES if family == key[0] and field.startswith(key[1])), None)


def read(raw: bytes, profile: Profile) -> tuple[Record, list[Reading], tuple[str, ...]]:
    parsed = parse_records(raw, 0, len(raw))
    assert parsed.problem is None
    told = interpret(parsed.records, None, profile)
    last = parsed.records[-1]
    flags = told.status.flags if told.status else ()
    return last, [reading for reading in told.readings if reading.record == last.index], flags


def difference(field: Field, made: MadeRecord, profile: Profile) -> str:
    """What is wrong with the readings of one record: without a name, without a value, another number."""
    record, readings, _ = read(made.raw, profile)
    if all(MAKERS_OWN.search(reading.name) for reading in readings):
        return "has no name"
    if field["unit"] in ("date", "datetime", "text"):
        return "" if any(reading.value is not None for reading in readings) else "has no value"
    factor = Fraction(str(field.get("extra_factor", 1)))
    if field.get("scale") == "raw":
        wanted = made.number * factor
    elif isinstance(record.value, Decimal | int):
        wanted = Fraction(record.value) * factor
    else:
        return "is no number"
    numbers = [Fraction(reading.value) for reading in readings if isinstance(reading.value, Decimal | int)]
    return "" if wanted in numbers else f"is {[float(number) for number in numbers]}, not {float(wanted)}"


def flag_difference(field: Field, made: MadeRecord, profile: Profile) -> str:
    """The first named bit or number that gives neither a flag with a name nor a word."""
    lookup = field["flag_lookup"]
    for code, name in lookup.get("flags", {}).items():
        word = 1 << int(code) if lookup["kind"] in ("bits", "inverted_bits") else int(str(code), 0)
        raw = made.with_word(word)
        if raw is None or not word:
            continue
        parsed = parse_records(raw, 0, len(raw))
        told = interpret(parsed.records, None, profile)
        flags = [flag for flag in (told.status.flags if told.status else ()) if not flag.startswith(("bit_", "code_"))]
        words = [r.value for r in told.readings if r.quantity == "code" and not str(r.value).startswith("code ")]
        if not flags and not words:
            return f"{code} ({name}) has no name"
    return ""


def test_every_meter_of_the_sheet_has_a_profile(sheet: list[dict[str, Any]]) -> None:
    for family in sheet:
        meters = [meter for meter in map(address, family["detect"]) if meter is not None]
        assert bool(meters) is (family["profile"] not in NO_FAMILY)
        assert {shipped_profiles().find(meter) is not None for meter in meters} <= {True}, family["profile"]


def test_every_field_of_the_sheet_is_a_reading(sheet: list[dict[str, Any]]) -> None:
    used, unknown = set(), []
    for family in sheet:
        profile = profile_of(family)
        for field, found in () if profile is None else differences(family, profile):
            key = known_by(family["profile"], field)
            used.add(key)
            if key is None:
                unknown.append(f"{family['profile']} {field} {found}")
    assert unknown == [], "\n".join(unknown)
    assert used == set(DIFFERENCES)
