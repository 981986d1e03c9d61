"""The portals' exports of a scenario: Kamstrup meters in an encrypted KEM2 file, all others in a CSV table.

Keys come out as the scenario says: the right one, a wrong one, or none. Not simulated: log-in, orders, and the
transfer of meters between owners.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from keystore.formats import KemVariant, devices_from_records, kem_file_name, write_csv, write_kem
from keystore.model import KeyRecord, KeyRole, Provenance
from simulators.meters.model import SimulatedMeter
from simulators.scenario import Scenario

KEM_MANUFACTURERS: Final = frozenset({"KAM", "KAW"})
METER_TYPES: Final[dict[str, str]] = {
    "kamstrup_water": "MULTICAL 21",
    "kamstrup_heat": "MULTICAL 403",
    "oms_heat": "heat meter",
    "integra_water": "water meter",
    "oms_gas": "gas meter",
    "radio_adapter": "water meter with radio adapter",
}


@dataclass(frozen=True, slots=True)
class PortalFile:
    """A file as it would be downloaded, with the password that opens it, if it needs one; neither shows in repr."""

    file_name: str
    data: bytes = field(repr=False)
    password: str | None = field(default=None, repr=False)
    meters: int = 0


def export_keys(scenario: Scenario, password: str, at: datetime) -> tuple[PortalFile, ...]:
    """Return the key files of a scenario as of `at`; `ValueError` for a password that a KEM file cannot have."""
    records = [record for meter in scenario.meters if (record := key_record(meter)) is not None]
    kamstrup = [record for record in records if record.manufacturer in KEM_MANUFACTURERS]
    others = [record for record in records if record.manufacturer not in KEM_MANUFACTURERS]
    files = []
    if kamstrup:
        data = write_kem(devices_from_records(kamstrup), password, KemVariant.KEM2, at=at)
        files.append(PortalFile(kem_file_name(KemVariant.KEM2, at), data, password, len(kamstrup)))
    if others:
        files.append(PortalFile(f"{at:%Y%m%d_%H%M}_devices.csv", write_csv(others), None, len(others)))
    return tuple(files)


def key_record(meter: SimulatedMeter) -> KeyRecord | None:
    """Return the record that the portal has of a meter's key, None when it has none."""
    key = meter.exported_key
    if key is None:
        return None
    return KeyRecord(
        number=meter.address.number,
        role=KeyRole.WMBUS_DEK,
        value=key,
        manufacturer=meter.address.manufacturer,
        version=meter.address.version,
        medium_code=meter.address.medium_code,
        serial=meter.address.number,
        label=meter.name,
        meter_type=METER_TYPES.get(meter.kind, meter.kind),
        source=Provenance("simulated portal"),
    )
