"""The simulated portals' files are read by the keystore's own readers, with the keys that the scenario promises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keystore.errors import ImportRejected
from keystore.formats import read_export
from simulators.meters.model import KeyState
from simulators.portals.kamstrup import export_keys
from simulators.scenario import Scenario

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
PASSWORD = "stairwell"


def test_exports_hold_what_the_scenario_files() -> None:
    scenario = Scenario.load()
    kem, csv = export_keys(scenario, PASSWORD, AT)
    assert kem.file_name.endswith(".zip.kem2")
    assert csv.file_name.endswith(".csv")
    found = {}
    for file in (kem, csv):
        batch = read_export(file.data, file.file_name, file.password, imported_at=AT)
        assert len(batch.ready) == file.meters
        found.update({(record.manufacturer, record.number): record.value for record in batch.ready})
    promised = {
        (meter.address.manufacturer, meter.address.number): meter.exported_key
        for meter in scenario.meters
        if meter.exported_key is not None
    }
    assert found == promised


def test_missing_and_wrong_keys() -> None:
    scenario = Scenario.load()
    records = [
        record
        for file in export_keys(scenario, PASSWORD, AT)
        for record in read_export(file.data, file.file_name, file.password, imported_at=AT).ready
    ]
    by_number = {record.number: record.value for record in records}
    for meter in scenario.meters:
        if meter.key_state is KeyState.MISSING:
            assert meter.address.number not in by_number
        if meter.key_state is KeyState.WRONG:
            assert meter.key is not None
            assert by_number[meter.address.number] != meter.key.value


def test_key_file_needs_its_password() -> None:
    kem, _ = export_keys(Scenario.load(), PASSWORD, AT)
    for password in (None, "basement"):
        with pytest.raises(ImportRejected):
            read_export(kem.data, kem.file_name, password, imported_at=AT)
    assert PASSWORD not in repr(kem)
    assert "data" not in repr(kem)
