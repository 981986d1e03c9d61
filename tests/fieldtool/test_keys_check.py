"""`keys check`: what telegrams say of the filed keys, and that nothing is assigned without a yes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keystore.vault import Vault
from protocols.captures.hex_lines import format_line
from protocols.decode import decode
from protocols.model import RawFrame
from simulators.scenario import Scenario
from tests.fieldtool.conftest import PASSPHRASE, Run
from tests.keystore.made_up import key_of

KEYLESS, WRONG, WATER = "63001482", "90015518", "63001468"


@pytest.fixture(scope="module")
def true_keys(scenario: Scenario) -> dict[str, str]:
    """The keys that the meters really have, by number."""
    return {meter.address.number: meter.key.value.hex().upper() for meter in scenario.meters if meter.key is not None}


def file_keys(run: Run, folder: Path, *lines: tuple[str, str]) -> None:
    path = folder / "filed.txt"
    path.write_text("".join(f"{number};{key}\n" for number, key in lines))
    assert run("keys", "import", path).code == 0


def states(run: Run, *arguments: str | Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in run("keys", "check", "--json", *arguments).lines]
    return {line["meter"]["number"]: line for line in lines}


def test_every_meter_is_told(
    run: Run, store: Path, capture: Path, scenario: Scenario, true_keys: dict[str, str], tmp_path: Path
) -> None:
    file_keys(
        run, tmp_path, (WATER, true_keys[WATER]), (WRONG, key_of("wrong").hex()), ("11111111", true_keys[KEYLESS])
    )
    found = states(run, "--capture", capture)
    assert len(found) == len(scenario.meters)
    assert found[WATER]["state"] == "fits"
    assert found[WRONG]["state"] == "wrong"
    assert "opens none of" in found[WRONG]["detail"]
    assert (found[KEYLESS]["state"], found[KEYLESS]["filed_for"]) == ("found", "11111111")
    assert "by chance one of 3 wrong keys does so" in found[KEYLESS]["detail"]
    assert {line["state"] for line in found.values()} == {"fits", "wrong", "found", "missing", "not encrypted"}


def test_one_telegram_is_not_enough_for_anything(
    run: Run, store: Path, frames: tuple[RawFrame, ...], true_keys: dict[str, str], tmp_path: Path
) -> None:
    def first_of(number: str) -> RawFrame:
        return next(f for f in frames if (meter := decode(f).meter) is not None and meter.number == number)

    path = tmp_path / "one.hex"
    path.write_text("".join(f"{format_line(first_of(number))}\n" for number in (WATER, KEYLESS)))
    file_keys(run, tmp_path, (WATER, true_keys[WATER]), ("11111111", true_keys[KEYLESS]))
    found = states(run, "--capture", path)
    assert (found[WATER]["state"], found[KEYLESS]["state"]) == ("fits once", "possible")
    assert "does not count before a second telegram agrees" in found[KEYLESS]["detail"]
    run("keys", "check", "--capture", path, "--assign", "--yes")
    assert run("keys", "find", KEYLESS).code == 1


def test_a_key_is_assigned_only_after_a_yes(
    run: Run, store: Path, capture: Path, true_keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_keys(run, tmp_path, ("11111111", true_keys[KEYLESS]))
    assert run("keys", "check", "--capture", capture, "--assign").code == 2
    asked: list[str] = []

    def answer(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr("fieldtool.cli.keys_check.can_ask", lambda: True)
    monkeypatch.setattr("fieldtool.cli.keys_check.ask_yes", lambda question: answer(question, yes=False))
    run("keys", "check", "--capture", capture, "--assign")
    assert run("keys", "find", KEYLESS).code == 1
    monkeypatch.setattr("fieldtool.cli.keys_check.ask_yes", lambda question: answer(question, yes=True))
    run("keys", "check", "--capture", capture, "--assign")
    assert [question.split(":")[0] for question in asked] == [f"KAM {KEYLESS}"] * 2
    assert run("keys", "find", KEYLESS).code == 0
    assert states(run, "--capture", capture)[KEYLESS]["state"] == "fits"


def test_keys_without_a_meter_find_theirs(
    run: Run, store: Path, capture: Path, true_keys: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "loose.txt"
    path.write_text(f"{key_of('a').hex()}\n{true_keys[KEYLESS]}\n{true_keys[WATER]}\n")
    assert states(run, "--capture", capture)[KEYLESS]["state"] == "missing"
    ran = run("keys", "check", "--capture", capture, "--try", path, "--assign", "--yes")
    assert f"filed key {states(run, '--capture', capture)[WATER]['key_check_value']} for KAM {WATER}" in ran.err
    assert "row 2 of loose.txt" in ran.out
    assert not any(key in (ran.out + ran.err).upper() for key in true_keys.values())
    found = states(run, "--capture", capture)
    assert (found[WATER]["state"], found[KEYLESS]["state"]) == ("fits", "fits")


def test_of_two_filed_keys_the_air_decides(
    run: Run, store: Path, capture: Path, true_keys: dict[str, str], tmp_path: Path
) -> None:
    file_keys(run, tmp_path, (WATER, true_keys[WATER]))
    file_keys(run, tmp_path, (WATER, key_of("newer").hex()))
    ran = run("keys", "check", "--capture", capture, "--assign", "--yes")
    assert f"comes first for KAM {WATER} now" in ran.err
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        first, second = vault.find(WATER)
    assert (first.value.hex().upper(), str(second.status)) == (true_keys[WATER], "superseded")
    assert first.confirmed_at is not None
    assert "comes first" not in run("keys", "check", "--capture", capture, "--assign", "--yes").err


def test_the_live_air(run: Run, store: Path, true_keys: dict[str, str], tmp_path: Path) -> None:
    file_keys(run, tmp_path, *true_keys.items())
    ran = run("keys", "check", "sim:demo?speed=60", "--seconds", "2.5")
    assert "fits" in ran.out
    assert "✗" not in ran.out


def test_receivers_that_cannot_be_heard_together_are_refused(run: Run, store: Path) -> None:
    twice = run("keys", "check", "sim:demo", "sim:demo")
    assert (twice.code, "the same receiver is named twice" in twice.err) == (2, True)
    both = run("keys", "check", "rtlwmbus:-", "rtl433:-")
    assert (both.code, "two receivers read the standard input" in both.err) == (2, True)


def test_what_is_missing_is_told(run: Run, store: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.hex"
    empty.write_text("# nothing\n")
    assert run("keys", "check").code == 2
    assert run("keys", "check", "sim:demo", "--capture", empty).code == 2
    ran = run("keys", "check", "--capture", empty)
    assert ran.code == 2
    assert "no meter was heard\n" in ran.err
    empty.write_text(f"# keys\n{WATER}\t{key_of('a').hex()}\n")
    ran = run("keys", "check", "--capture", empty)
    assert "no meter was heard: empty.hex, line 2: a number and 16 bytes" in ran.err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_revoked_key_is_told_as_revoked(
    run: Run, store: Path, capture: Path, true_keys: dict[str, str], tmp_path: Path, jobs: str
) -> None:
    file_keys(run, tmp_path, (WATER, true_keys[WATER]))
    assert run("keys", "mark", WATER, "--status", "revoked").code == 0
    found = states(run, "--capture", capture)[WATER]
    assert found["state"] == "missing"
    assert found["detail"].endswith("is revoked, and none of the filed keys opens it")
    lines = [json.loads(line) for line in run("replay", capture, "--json", "--jobs", jobs).lines]
    problems = {line["problem"] for line in lines if line["meter"] and line["meter"]["number"] == WATER}
    assert len(problems) == 1
    assert f"of {WATER} is revoked" in problems.pop()
    assert any("no key is filed" in (line["problem"] or "") for line in lines)
    assert run("keys", "mark", WATER, "--status", "active").code == 0
    assert states(run, "--capture", capture)[WATER]["state"] == "fits"
