"""Gossen ENERGYMID: typed list, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U8, Number, double_le
from protocols.lorawan.payloads.tagged import Entry, read_tagged


def _moment(data: bytes) -> datetime | None:
    """Second, minute, hour, day, month, year (2 bytes): the meter's local time."""
    second, minute, hour, day, month = data[:5]
    try:
        return datetime(int.from_bytes(data[5:7], "little"), month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def _energy(data: bytes) -> Decimal | None:
    """A 64-bit real of watt-hours in kWh; the maker counts whole ones."""
    watt_hours = double_le(data)
    if watt_hours is None or abs(watt_hours) > LARGEST_WH:
        return None
    return watt_hours.quantize(Decimal(1), ROUND_HALF_UP).scaleb(-3)


ENERGY = Number(8, _energy)
LARGEST_WH = Decimal(10**15)
ERROR_TAG = 0x54
ENTRIES: Mapping[int, Entry] = {
    0x24: (Field(0, Number(7, _moment), "meter_datetime", "datetime"),),
    0x25: (Field(0, ENERGY, "total_energy_import", "energy", "kWh"),),
    0x26: (Field(0, ENERGY, "total_energy_export", "energy", "kWh"),),
    ERROR_TAG: (Field(0, U8, "info_code", "info_code"),),
}
ERRORS: Mapping[int, str] = {
    0: "voltage_low",
    1: "voltage_high",
    2: "current_overflow",
    3: "frequency_error",
    4: "reset",
    5: "internal_error",
    6: "internal_error",
    7: "dc_offset",
}
"""What the bits of the error byte say."""


@binary_decoder
def decode_energymid(draft: Draft) -> None:
    """Clock, energies and errors."""
    read_tagged(draft, ENTRIES, U8)
    draft.flag_bits(draft.word("info_code"), ERRORS)
