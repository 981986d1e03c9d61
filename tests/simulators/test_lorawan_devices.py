"""Simulated LoRaWAN devices: what they send decodes to what they count, joins and rejoins included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fieldtool.keys.lorawan_keys import FiledLorawanKeys
from keystore.formats import read_export
from keystore.model import KeyRecord
from protocols.lorawan.facts import CounterSource
from protocols.lorawan.follower import LorawanFollower
from protocols.model import Link, Outcome, RawFrame, Telegram
from simulators.air import Air, Transmission
from simulators.errors import ScenarioError
from simulators.portals.the_things_stack import export_devices
from simulators.scenario import Faults, Scenario
from tests.simulators.lora_scenarios import axioma

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DEVICE = axioma(interval_s=10)


def heard(scenario: Scenario, span: timedelta) -> list[Transmission]:
    air = Air(replace(scenario, faults=Faults()), STARTS)
    return [t for t in air.advance(STARTS + span) if t.lora is not None]


def exported(scenario: Scenario) -> tuple[KeyRecord, ...]:
    """The keys as an import of the server's own CSV export has them."""
    (file,) = export_devices(scenario, STARTS)
    return tuple(read_export(file.data, file.file_name, None, imported_at=STARTS).ready)


def telegrams(records: Sequence[KeyRecord], transmissions: Sequence[Transmission]) -> list[Telegram]:
    keys = FiledLorawanKeys(lambda text: [r for r in records if text in (r.dev_eui, r.dev_addr)])
    follower = LorawanFollower(keys)
    return [
        follower.decode(RawFrame(t.coded, t.at, "", t.mode, t.rssi_dbm, Link.LORAWAN, t.lora)) for t in transmissions
    ]


def of(found: Sequence[Telegram], dev_eui: str) -> list[Telegram]:
    return [one for one in found if one.lorawan is not None and one.lorawan.dev_eui == dev_eui]


def test_every_device_of_the_demonstration_is_read() -> None:
    scenario = Scenario.load()
    found = telegrams(exported(scenario), heard(scenario, timedelta(minutes=3)))
    for device in scenario.devices:
        if device.name == "kiosk water":
            continue
        own = of(found, device.dev_eui)
        assert {one.outcome for one in own} == {Outcome.OK}
        last = own[-1]
        assert last.lorawan is not None
        assert last.lorawan.mic_ok
        assert last.lorawan.version == ("1.1" if device.is_1_1 else "1.0")
        total = next(r for r in last.readings if r.name in ("total_volume", "total_energy"))
        assert isinstance(total.value, Decimal)
        assert total.value == pytest.approx(device.counter.at(STARTS + timedelta(minutes=3)), abs=Decimal(1))


def test_the_counter_runs_over_its_16_bits() -> None:
    scenario = Scenario.parse(DEVICE + "unheard = 65533", "x")
    found = telegrams(exported(scenario), heard(scenario, timedelta(minutes=2)))
    counters = [one.lorawan.fcnt for one in found if one.lorawan is not None and one.lorawan.fcnt is not None]
    assert counters == list(range(65533, 65533 + len(counters)))
    assert counters[-1] > 0xFFFF + 3
    assert {one.outcome for one in found} == {Outcome.OK}
    last = found[-1].lorawan
    assert last is not None
    assert last.fcnt_source is CounterSource.SESSION


def test_a_rejoin_begins_a_new_session() -> None:
    scenario = Scenario.parse(DEVICE + "rejoin_after = 3", "x")
    found = telegrams(exported(scenario), heard(scenario, timedelta(minutes=2)))
    assert {one.outcome for one in found} == {Outcome.OK}
    addresses = {one.lorawan.dev_addr for one in found if one.lorawan is not None and one.lorawan.fport is not None}
    assert len(addresses) >= 3
    nonces = [one.lorawan.dev_nonce for one in found if one.lorawan is not None and one.lorawan.mtype == "JoinRequest"]
    assert nonces == list(range(1, len(nonces) + 1))


def test_a_fixed_session_needs_no_join() -> None:
    scenario = Scenario.parse(DEVICE + 'dev_addr = "260b1234"', "x")
    records = exported(scenario)
    assert {record.dev_addr for record in records} == {"260b1234"}
    found = telegrams(records, heard(scenario, timedelta(minutes=1)))
    assert {one.outcome for one in found} == {Outcome.OK}
    assert all(one.lorawan is not None and one.lorawan.fport == 100 for one in found)


def test_a_wrong_key_says_why_and_a_missing_one_what_to_import() -> None:
    for state, outcome, words in (
        ("wrong", Outcome.WRONG_KEY, "the MIC does not fit AppKey"),
        ("missing", Outcome.NO_KEY, "no key is filed"),
    ):
        scenario = Scenario.parse(DEVICE + f'key = "{state}"', "x")
        records = exported(scenario) if state == "wrong" else ()
        request = telegrams(records, heard(scenario, timedelta(minutes=1)))[0]
        assert request.outcome is outcome
        assert words in (request.problem or "")


def test_same_scenario_same_bytes() -> None:
    scenario = Scenario.load()
    assert heard(scenario, timedelta(minutes=1)) == heard(scenario, timedelta(minutes=1))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('dev_eui = "8c83"', "dev_eui"),
        ('kind = "axioma"', "axioma_w1"),
        ("medium = 4", "medium"),
        ('lorawan = "1.2"', "lorawan"),
        ('manufacturer = "IMT"', "does not make"),
        ('app_key = "00"', "AES-128"),
    ],
)
def test_a_device_that_cannot_be_is_refused(line: str, words: str) -> None:
    name = line.split(" ")[0]
    kept = "\n".join(one for one in DEVICE.splitlines() if not one.startswith(name + " "))
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(f"{kept}\n{line}", "x")
    assert words in f"{caught.value} {caught.value.hint}"


def test_two_devices_with_one_dev_eui_are_refused() -> None:
    with pytest.raises(ScenarioError, match="two devices have DevEUI"):
        Scenario.parse(DEVICE + DEVICE.replace('"x"', '"y"'), "x")
