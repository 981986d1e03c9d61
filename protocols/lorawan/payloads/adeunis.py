"""Adeunis TIC readers of French electricity meters: fixed fields behind frame code 49, most significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import U32BE, Number, ascii_text

DATA_FRAME = 0x49
STATUS: Mapping[int, str] = {1: "battery_low", 3: "configuration_changed", 4: "communication_error"}
"""By bit of the status byte; bits 7-5 count frames."""

STATUS_MASK = 0x1A
ABSENT = frozenset({0x80000000})
KWH = Decimal("0.001")


def _energy(name: str) -> Field:
    return Field(0, U32BE, name, "energy", "kWh", KWH, empty=ABSENT)


def _reactive(name: str, *, kvarh: bool = False) -> Field:
    return Field(0, U32BE, name, "reactive_energy", "kvarh", None if kvarh else KWH, empty=ABSENT)


def _current(name: str) -> Field:
    return Field(0, U32BE, name, "current", "A", empty=ABSENT)


def _apparent(name: str) -> Field:
    return Field(0, U32BE, name, "apparent_power", "kVA", KWH, empty=ABSENT)


MONO = sequence(
    Field(0, ascii_text(12), "identification", "identification"),
    Field(0, ascii_text(4), "tariff_option", "text"),
    _energy("total_energy_import"),
    _current("subscribed_current"),
    _current("current"),
    _current("maximum_current"),
    _apparent("apparent_power"),
    _energy("total_energy_import_off_peak"),
    _energy("total_energy_import_peak"),
    Field(0, ascii_text(4), "active_tariff", "tariff"),
    at=2,
)
TRI = sequence(
    Field(0, ascii_text(12), "identification", "identification"),
    _energy("total_energy_import"),
    *(_current(f"current_l{phase}") for phase in (1, 2, 3)),
    *(_current(f"maximum_current_l{phase}") for phase in (1, 2, 3)),
    Field(0, U32BE, "maximum_power", "power", "kW", KWH, empty=ABSENT),
    _apparent("apparent_power"),
    at=2,
)


def _moment(data: bytes) -> datetime | None:
    """Day, month, year since 2000, hour, minute, second: the meter's local time."""
    day, month, year, hour, minute, second = data
    try:
        return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def _period(name: str) -> Field:
    # Energies of a tariff period come in kWh.
    return Field(0, U32BE, name, "energy", "kWh", empty=ABSENT)


PME = sequence(
    Field(0, Number(6, _moment), "meter_datetime", "datetime"),
    _energy("total_energy_import"),
    _reactive("total_reactive_energy_import"),
    _reactive("total_reactive_energy_export"),
    Field(0, U32BE, "total_apparent_energy_import", "apparent_energy", "kVAh", KWH, empty=ABSENT),
    Field(0, ascii_text(3), "active_tariff", "tariff"),
    _period("current_period_energy_import"),
    _reactive("current_period_reactive_energy_import", kvarh=True),
    _reactive("current_period_reactive_energy_export", kvarh=True),
    _period("previous_period_energy_import"),
    _reactive("previous_period_reactive_energy_import", kvarh=True),
    _reactive("previous_period_reactive_energy_export", kvarh=True),
    at=2,
)


@binary_decoder
def decode_mono(draft: Draft) -> None:
    """CBE or Linky meter of one phase."""
    _frame(draft, MONO)


@binary_decoder
def decode_tri(draft: Draft) -> None:
    """CBE or Linky meter of three phases."""
    _frame(draft, TRI)


@binary_decoder
def decode_pme(draft: Draft) -> None:
    """PME-PMI meter of businesses."""
    _frame(draft, PME)


def _frame(draft: Draft, rows: tuple[Field, ...]) -> None:
    code = draft.byte(0)
    if code != DATA_FRAME:
        raise draft.unsupported(f"frame {code:02X} is not a data frame of this reader")
    draft.flag_bits(draft.byte(1) & STATUS_MASK, STATUS)
    # Readers leave out fields at the end that the meter does not send, but only whole ones.
    draft.fields(row for row in rows if row is rows[0] or row.offset < draft.size)
