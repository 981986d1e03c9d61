"""The energies of a meter with two tariffs, in the order in which several makers number them."""

from __future__ import annotations

TARIFF_ENERGIES = (
    ("total_energy_import_tariff_1", "energy", "kWh"),
    ("total_energy_import_tariff_2", "energy", "kWh"),
    ("total_energy_export_tariff_1", "energy", "kWh"),
    ("total_energy_export_tariff_2", "energy", "kWh"),
    ("total_reactive_energy_import_tariff_1", "reactive_energy", "kvarh"),
    ("total_reactive_energy_import_tariff_2", "reactive_energy", "kvarh"),
    ("total_reactive_energy_export_tariff_1", "reactive_energy", "kvarh"),
    ("total_reactive_energy_export_tariff_2", "reactive_energy", "kvarh"),
)
"""Name, quantity, unit."""
