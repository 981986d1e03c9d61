"""`report`: a list of meters held against captures, as lines, a table, JSON and a page."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldtool.actions.action_log import Became
from keystore.audit import AuditAction
from keystore.model import KeyRecord, Ownership
from keystore.vault import Vault
from protocols.captures.hex_lines import format_line
from protocols.model import RawFrame
from simulators.meters.model import KeyState
from simulators.scenario import Scenario
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, PASSPHRASE, START, Run

GAS = "12345678"
UNHEARD = "99887766"


def rows_of(text: str, delimiter: str = ";") -> dict[str, dict[str, str]]:
    """The rows of a table by meter number."""
    return {row["number"]: row for row in csv.DictReader(text.splitlines(), delimiter=delimiter)}


def gas_capture(path: Path, *changes: tuple[datetime, str, int]) -> Path:
    """A capture of the gas meter: times, hex, signal strength."""
    frames = [RawFrame(bytes.fromhex(data), at, "test", "T1", rssi) for at, data, rssi in changes]
    path.write_text("".join(f"{format_line(frame)}\n" for frame in frames))
    return path


@pytest.fixture
def filed(store: Path, scenario: Scenario) -> Path:
    """The store with the keys as the portal has them, one meter that is never heard, and one that was given away."""
    records = [
        KeyRecord(
            meter.address.number,
            value=meter.exported_key,
            manufacturer=meter.address.manufacturer,
            label=meter.name,
            order="4711" if meter.address.number == "63001468" else "",
        )
        for meter in scenario.meters
        if meter.exported_key is not None and meter.key_state is not KeyState.MISSING
    ]
    unheard = KeyRecord(UNHEARD, value=bytes(range(16)), manufacturer="KAM", label="=cellar")
    gone = KeyRecord("11112222", value=bytes(range(1, 17)), ownership=Ownership.TRANSFERRED)
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        vault.put([*records, unheard, gone])
    return store


@pytest.mark.usefixtures("filed")
def test_every_meter_of_the_store_and_of_the_air_has_its_row(run: Run, capture: Path, scenario: Scenario) -> None:
    ran = run("report", capture, "--csv", "--decimal", "point")
    rows = rows_of(ran.out)
    assert ran.code == 1
    heard = {meter.address.number for meter in scenario.meters} | {UNHEARD}
    assert heard <= set(rows)
    assert "11112222" not in rows, "it was given away"
    for meter in scenario.meters:
        row = rows[meter.address.number]
        assert row["listed"] == ("no" if meter.key_state in (KeyState.MISSING, KeyState.NONE) else "yes")
    assert (rows[UNHEARD]["state"], rows[UNHEARD]["telegrams"]) == ("not_heard", "0")
    assert rows[UNHEARD]["label"] == "'=cellar", "a spreadsheet must not run it"
    assert rows["90015518"]["state"] == "wrong_key"
    water = rows["63001468"]
    assert (water["state"], water["reading"], water["unit"]) == ("ok", "total_volume", "m3")
    assert float(water["value"]) > 400
    assert float(water["due_date_value"]) < float(water["value"])
    assert water["best_rssi_dbm"].startswith("-")
    assert (water["security"], rows["44120994"]["security"]) == ("ELL AES-128-CTR", "none")
    assert "not heard" in ran.err
    assert "heard that are not on it" in ran.err


@pytest.mark.usefixtures("filed")
def test_what_needs_attention_comes_first(run: Run, capture: Path) -> None:
    states = [line.split("  ")[0] for line in run("report", capture).lines]
    listed = states[: states.index("✓ ok")]
    assert "· not heard" in listed
    assert "✗ wrong key" in listed


@pytest.mark.usefixtures("filed")
def test_one_order_alone_is_in_order(run: Run, capture: Path) -> None:
    ran = run("report", capture, "--order", "4711", "--json")
    rows = [json.loads(line) for line in ran.lines]
    assert [row["number"] for row in rows if row["listed"] == "yes"] == ["63001468"]
    assert (ran.code, ran.err.splitlines()[-1].split(";")[0]) == (0, "1 meter on the list: 1 ok")
    none = run("report", capture, "--order", "no such")
    assert (none.code, none.out) == (2, "")


def test_days_and_colleagues_are_put_together(run: Run, tmp_path: Path) -> None:
    """The meter was too far away on the first day; the order of the files does not matter."""
    damaged = f"{GAS_HEX[:40]}00{GAS_HEX[42:]}"
    monday = gas_capture(tmp_path / "monday.hex", (START, GAS_HEX[:60], -99), (START, damaged, -98))
    tuesday = gas_capture(tmp_path / "tuesday.hex", (START + timedelta(days=1), GAS_HEX, -60))
    expected = tmp_path / "list.csv"
    expected.write_text("number,place\nELS 12 34 56 78,cellar\n8.765.4321,attic\n")
    for files in ((monday, tuesday), (tuesday, monday)):
        ran = run("report", *files, "--list", expected, "--key", GAS_KEY, "--csv", "--delimiter", ",")
        rows = rows_of(ran.out, ",")
        gas = rows[GAS]
        assert (gas["state"], gas["label"], gas["value"], gas["telegrams"]) == ("ok", "cellar", "28504.27", "3")
        assert (gas["first_heard"], gas["last_heard"]) == ("2026-11-20 08:00:00", "2026-11-21 08:00:00")
        assert (gas["best_rssi_dbm"], gas["read_at"]) == ("-60", "2026-11-21 08:00:00")
        assert rows["87654321"]["state"] == "not_heard"
        assert ran.code == 1


def test_without_a_list_what_was_heard_is_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDTOOL_STORE", "")
    monkeypatch.setattr("fieldtool.access._default_path", lambda: tmp_path / "nosuch.vault")
    heard = gas_capture(tmp_path / "gas.hex", (START, GAS_HEX, -60))
    ran = run("report", heard, "--key", GAS_KEY)
    assert ran.code == 0
    assert ran.lines[0].startswith("✓ ok  ELS 12345678   -60 dBm")
    assert "not on the list" not in ran.out
    assert ran.err.splitlines()[-1] == "1 meter heard: 1 ok (1 with warnings)", "its clock is years behind"


def test_another_makers_meter_of_the_same_number_is_not_the_one(run: Run, tmp_path: Path) -> None:
    heard = gas_capture(tmp_path / "gas.hex", (START, GAS_HEX, -60))
    expected = tmp_path / "list.txt"
    expected.write_text("KAM12345678\n")
    rows = [json.loads(line) for line in run("report", heard, "--list", expected, "--key", GAS_KEY, "--json").lines]
    assert [(row["manufacturer"], row["state"], row["listed"]) for row in rows] == [
        ("KAM", "not_heard", "yes"),
        ("ELS", "ok", "no"),
    ]
    assert rows[0]["problem"] == "this number is heard from ELS: wrong maker on the list?"


def test_the_page_says_what_it_was_made_of_and_shows_hostile_texts_as_texts(run: Run, tmp_path: Path) -> None:
    heard = gas_capture(tmp_path / "gas.hex", (START, GAS_HEX, -60))
    expected = tmp_path / "list.csv"
    expected.write_text("12345678;<script>alert(1)</script>\n")
    ran = run("report", heard, "--list", expected, "--key", GAS_KEY, "--html", "--title", "Hill Street 7 & 9")
    assert ran.code == 0
    assert "<script>" not in ran.out
    assert "&lt;script&gt;" in ran.out
    assert "<h1>Hill Street 7 &amp; 9</h1>" in ran.out
    assert "gas.hex, SHA-256 " in ran.out
    assert "28504.27 m&#179;" in ran.out, "in whatever encoding it is written"
    assert GAS_KEY not in ran.out


def test_what_was_done_with_a_meter_stands_beside_it(run: Run, filed: Path, capture: Path) -> None:
    with Vault.open(filed) as vault:
        vault.unlock(PASSPHRASE)
        for action, became in (("start-radio", Became.DONE), ("clock", Became.LINK_FAILED)):
            detail = {"meter_action": action, "became": str(became)}
            vault.audit.note(AuditAction.METER_ACTION, "KAM 63001468", **detail)
    row = rows_of(run("report", capture, "--csv").out)["63001468"]
    assert row["actions_done"] == f"start-radio {datetime.now(UTC):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("text", "told"),
    [(b"12345678\nno number\n", "line 2"), (b"", "names no meter"), (b"\0\1\2", "is no list of meters")],
    ids=["a line without a number", "empty", "binary"],
)
def test_a_list_that_is_none_is_told(run: Run, tmp_path: Path, text: bytes, told: str) -> None:
    expected = tmp_path / "list.csv"
    expected.write_bytes(text)
    heard = gas_capture(tmp_path / "gas.hex", (START, GAS_HEX, -60))
    ran = run("report", heard, "--list", expected, "--key", GAS_KEY)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


@pytest.mark.usefixtures("filed")
def test_a_store_that_stays_locked_is_no_empty_list(run: Run, capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else meters that were not heard would not be missed."""
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    ran = run("report", capture)
    assert (ran.code, ran.out) == (4, "")
    assert "the list of meters is in the keystore: store locked" in ran.err
