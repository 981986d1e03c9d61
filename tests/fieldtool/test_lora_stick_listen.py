"""RN2483 sticks from end to end: `listen` on pseudo terminals and TCP, keys from an imported CSV, a join followed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keystore.vault import KdfParameters
from simulators.bench import Bench
from simulators.portals.the_things_stack import export_devices
from simulators.ports import open_port
from simulators.receivers.device import device
from simulators.receivers.rn2483 import Rn2483Stick
from simulators.scenario import Faults, Scenario
from tests.fieldtool.conftest import Run
from tests.simulators.lora_scenarios import axioma, dev_eui

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
PASSPHRASE = "correct horse battery"
PORTS = [
    pytest.param("pty", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")),
    "tcp",
]
SECONDS = "3"
SPEED = 30.0
FIXED, JOINS = dev_eui(1), dev_eui(2)

SCENARIO = "".join(
    (
        "[scenario]\nseed = 188\n",
        axioma("fixed session", 1, dev_addr="26011234", interval_s=2, unheard=70000),
        axioma("joins", 2, interval_s=6, rejoin_after=3),
    )
)


@pytest.fixture
def scenario() -> Scenario:
    return replace(Scenario.parse(SCENARIO, "x"), faults=Faults())


@pytest.fixture
def store(run: Run, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with the devices' keys, as The Things Stack exports them."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    (exported,) = export_devices(scenario, STARTS)
    (tmp_path / exported.file_name).write_bytes(exported.data)
    assert run("store", "create").code == 0
    assert run("keys", "import", tmp_path / exported.file_name).code == 0


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("at", PORTS)
def test_one_stick_hears_a_fixed_session(run: Run, scenario: Scenario, at: str) -> None:
    with Bench.of(scenario, "rn2483", at, starts=STARTS, speed=SPEED) as bench:
        ran = run("listen", bench.url("868.1/sf7"), "--json", "--seconds", SECONDS)
    assert ran.code == 0
    assert "connected: RN2483, firmware 1.0.5, listens to 868.1/sf7" in ran.err
    heard = [json.loads(line) for line in ran.lines]
    own = [one for one in heard if one["meter"].get("dev_addr") == "26011234"]
    assert own
    assert {(one["outcome"], one["security"]["mic"]) for one in own} == {("ok", "verified")}
    assert all(one["security"]["fcnt"] >= 70000 for one in own)
    assert all("total_volume" in {reading["name"] for reading in one["readings"]} for one in own)
    received = own[0]["received"]
    assert (received["source"], received["mode"], received["rssi_dbm"]) == ("rn2483", "SF7", -90)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("at", PORTS)
def test_two_sticks_follow_a_join(run: Run, scenario: Scenario, at: str) -> None:
    bench = Bench.of(scenario, "rn2483", at, starts=STARTS, speed=SPEED)
    answers = open_port(at, Rn2483Stick.BAUD)
    bench.add(device("rn2483", 1), answers)
    with bench:
        down = f"rn2483{answers.scheme_suffix}://{answers.address}?mode=868.1/sf7/down"
        ran = run("listen", bench.url("868.1/sf7"), down, "--json", "--seconds", SECONDS)
    assert ran.code == 0
    heard = [json.loads(line) for line in ran.lines]
    accepts = [one for one in heard if one["lorawan"]["mtype"] == "JoinAccept"]
    assert {one["meter"]["dev_eui"] for one in accepts if one["outcome"] == "ok"} == {JOINS}
    uplinks = [one for one in heard if one["meter"].get("dev_eui") == JOINS and one["readings"]]
    assert uplinks
    assert all(one["outcome"] == "ok" for one in uplinks)
