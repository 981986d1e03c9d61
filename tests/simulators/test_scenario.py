"""Scenario files: the demonstration is as promised, mistakes are named, keys are never shown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from simulators.errors import ScenarioError
from simulators.meters.model import KINDS, KeyState
from simulators.scenario import Scenario

METER = """
[[meter]]
name = "one"
kind = "oms_heat"
manufacturer = "EFE"
number = "12345678"
version = 1
medium = 4
interval_s = 10
"""


def changed(old: str, new: str) -> str:
    assert old in METER
    return METER.replace(old, new)


def test_demonstration_has_enough_of_everything() -> None:
    scenario = Scenario.load()
    assert len(scenario.meters) >= 8
    kinds = {meter.kind for meter in scenario.meters}
    assert kinds == set(KINDS)
    states = Counter(meter.key_state for meter in scenario.meters)
    assert states[KeyState.MISSING] == 1
    assert states[KeyState.WRONG] == 1
    assert states[KeyState.NONE] >= 1
    assert states[KeyState.FILED] >= 5
    assert {meter.mode for meter in scenario.meters} == {"C1", "T1"}


def test_exported_keys_are_as_the_scenario_says() -> None:
    for meter in Scenario.load().meters:
        if meter.key_state is KeyState.FILED:
            assert meter.key is not None
            assert meter.exported_key == meter.key.value
        elif meter.key_state is KeyState.WRONG:
            assert meter.key is not None
            assert meter.exported_key is not None
            assert meter.exported_key != meter.key.value
        else:
            assert meter.exported_key is None


def test_keys_follow_from_seed_and_name() -> None:
    first, second = Scenario.parse(METER, "a"), Scenario.parse(METER, "b")
    other = Scenario.parse("[scenario]\nseed = 1\n" + METER, "c")
    assert first.meters[0].key == second.meters[0].key
    assert first.meters[0].key != other.meters[0].key
    keys = [meter.key for meter in Scenario.load().meters if meter.key is not None]
    assert len(set(keys)) == len(keys)


def test_written_key_is_taken_and_not_shown() -> None:
    scenario = Scenario.parse(METER + 'aes_key = "c0ffee00112233445566778899aabbcc"\n', "file")
    key = scenario.meters[0].key
    assert key is not None
    assert key.value.hex() == "c0ffee00112233445566778899aabbcc"
    assert "c0ffee" not in repr(scenario)
    assert "\\xff\\xee" not in repr(scenario)


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        (changed("oms_heat", "oms_haet"), "meter 'one', kind: unknown 'oms_haet'", "did you mean 'oms_heat'?"),
        (METER + "intervall_s = 3\n", "meter 'one', intervall_s: unknown key", "did you mean 'interval_s'?"),
        (changed('number = "12345678"\n', ""), "meter 'one', number: missing", "add number"),
        (changed('"12345678"', '"1234567"'), "meter 'one', number: '1234567'", "eight digits"),
        (changed('"12345678"', "12345678"), "meter 'one', number: a text is wanted, not int", "quotes"),
        (changed("medium = 4", "medium = 3"), "meter 'one', medium: 0x03", "0x04"),
        (changed("EFE", "E1"), "meter 'one', manufacturer: not a manufacturer", "three letters"),
        (changed("interval_s = 10", "interval_s = 0"), "meter 'one', interval_s: 0", "from 0.1"),
        (METER + 'key = "none"\n', "meter 'one', key: this kind encrypts", "filed, missing or wrong"),
        (METER + 'aes_key = "00"\n', "meter 'one', aes_key: not an AES-128 key", "32 hex digits"),
        (METER + 'mode = "S1"\n', "meter 'one', mode: unknown 'S1'", "T1"),
        (METER + 'frame_format = "B"\n', "meter 'one', frame_format: unknown 'B'", "A"),
        (METER + 'per_day = "much"\n', "meter 'one', per_day: 'much'", "12.345"),
        (METER + METER, "two meters are named 'one'", "name of its own"),
        (METER + METER.replace('"one"', '"two"'), "'one' and 'two' have the same", "number of its own"),
        ("[air]\nlos = 0.1\n" + METER, "[air], los: unknown key", "did you mean 'loss'?"),
        ("[air]\nloss = 2\n" + METER, "[air], loss: 2", "from 0.0 to 1.0"),
        ("[scenario]\nsince = 2026-01-01T00:00:00\n" + METER, "[scenario], since", "Z"),
        ("[metre]\n" + METER, "metre: unknown key", "did you mean 'meter'?"),
        ("", "no meters", "[[meter]]"),
        ("[[meter]\n", "not TOML", "correct"),
    ],
)
def test_mistakes_are_named(text: str, where: str, hint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(text, "house.toml")
    assert str(caught.value).startswith("house.toml: ")
    assert where in str(caught.value)
    assert hint in caught.value.hint


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot read scenario"):
        Scenario.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="UTF-8"):
        Scenario.load(tmp_path / "binary.toml")


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(METER, "utf-8")
    assert [meter.name for meter in Scenario.load(tmp_path / "one.toml").meters] == ["one"]


def test_a_file_that_does_not_end_is_no_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.scenario.SCENARIO_LIMIT", 1000)
    endless = tmp_path / "endless.toml"
    endless.write_bytes(bytes(1001))
    with pytest.raises(ScenarioError, match="larger than 1,000 bytes"):
        Scenario.load(endless)
