"""Meter profiles on the command line: shipped ones, the user's own before them, and files that are wrong."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from fieldtool.profiles.user_profiles import SIZE_LIMIT, choose_folder, load_profiles
from protocols.model import Address
from protocols.profiles.registry import shipped_profiles
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

GAS = f"""
schema = 1
name = "my_gas"
title = "The gas meter of OMS Volume 2, Annex N"
[[match]]
manufacturer = "ELS"
version = 0x33
medium = 0x03
[[reading]]
name = "total_volume"
info = "Gas used since installation."
quantity = "volume"
[[status]]
quantity = "error_flags"
mask = 0x0003
bits = {{ 0 = "tamper" }}
[[test]]
source = "OMS Volume 2, Annex N.2.1"
key = "{GAS_KEY}"
telegram = "{GAS_HEX}"
[test.expect]
outcome = "ok"
total_volume = "28504.27 m3"
"""
"""No shipped profile claims this meter, so that what is read here comes from this one."""

KAMSTRUP = 'name = "my_kamstrup"\ntitle = "x"\n[[match]]\nmanufacturer = "KAM"\nversion = 0x1B\nmedium = 0x16\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one profile that is right."""
    own = tmp_path / "profiles"
    own.mkdir()
    (own / "my_gas.toml").write_text(GAS, encoding="utf-8")
    return own


def test_the_example_is_of_a_meter_without_a_shipped_profile() -> None:
    assert shipped_profiles().find(Address.of("ELS", "12345678", 0x33, 0x03)) is None


def test_the_shipped_profiles_are_listed(run: Run) -> None:
    ran = run("profiles", "list")
    assert ran.code == 0
    assert len(ran.lines) == len(shipped_profiles().profiles)
    (line,) = (line for line in ran.lines if line.startswith("kamstrup_water "))
    assert "KAM KAW" in line
    assert "MULTICAL 21" in line
    assert f"{len(ran.lines)} profiles, 0 of them your own" in ran.err


def test_the_list_as_json(run: Run, folder: Path) -> None:
    rows = {row["name"]: row for row in map(json.loads, run("profiles", "list", "--json", "--profiles", folder).lines)}
    assert rows["kamstrup_water"]["file"] is None
    assert {"manufacturer": "KAM", "versions": [0x1B], "media": [0x06, 0x16]} in rows["kamstrup_water"]["meters"]
    assert rows["my_gas"]["file"] == str(folder / "my_gas.toml")
    assert rows["my_gas"]["readings"] == 1


@pytest.mark.parametrize("name", sorted(shipped_profiles().profiles))
def test_every_profile_can_be_shown(run: Run, name: str) -> None:
    profile = shipped_profiles().profiles[name]
    ran = run("profiles", "show", name)
    assert (ran.code, ran.err) == (0, "")
    assert all(rule.name in ran.out for rule in profile.readings)
    assert all(rule.decoder in ran.out for rule in profile.payloads)
    shown = json.loads(run("profiles", "show", name, "--json").out)
    assert len(shown["readings"]) == len(profile.readings) + len(profile.codes)
    assert len(shown["status"]) == len(profile.statuses)


def test_a_profile_shown_to_a_person(run: Run) -> None:
    lines = run("profiles", "show", "kamstrup_water").lines
    assert "  KAM  version 1B  medium 06 warm water, 16 cold water" in lines
    words = [line.split("  ") for line in lines if line.strip().startswith("month_maximum_volume_flow")]
    assert "volume_flow, maximum, storage 1" in [word.strip() for word in words[0]]
    assert "  record 04FF23, bit 5                        battery_low" in lines


def test_a_name_that_is_not_there(run: Run) -> None:
    ran = run("profiles", "show", "kamstrup_wate")
    assert ran.code == 2
    assert ran.err == "fieldtool: there is no profile 'kamstrup_wate'\n  did you mean kamstrup_water?\n"


def test_a_profile_of_the_users_own_is_used(run: Run, folder: Path) -> None:
    without = json.loads(run("decode", "--json", "--key", GAS_KEY, GAS_HEX).out)
    assert without["profile"] is None
    ran = run("decode", "--json", "--key", GAS_KEY, "--profiles", folder, GAS_HEX)
    telegram = json.loads(ran.out)
    assert (telegram["profile"], telegram["readings"][0]["name"]) == ("my_gas", "total_volume")
    assert ran.err == ""


def test_the_environment_names_the_folder(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDTOOL_PROFILES", str(folder))
    assert json.loads(run("decode", "--json", "--key", GAS_KEY, GAS_HEX).out)["profile"] == "my_gas"


def test_the_data_folder_needs_no_option(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, named = choose_folder(None)
    assert not named
    assert place.name == "profiles"
    monkeypatch.setattr("fieldtool.profiles.user_profiles._default_folder", lambda: folder)
    assert json.loads(run("decode", "--json", "--key", GAS_KEY, GAS_HEX).out)["profile"] == "my_gas"
    assert load_profiles(None).registry.profiles["my_gas"].title.startswith("The gas meter")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_replay_and_listen_use_it_too(run: Run, folder: Path, tmp_path: Path, jobs: str) -> None:
    capture = tmp_path / "air.hex"
    capture.write_text(f"{GAS_HEX}\n" * 3)
    argv = ("--json", "--key", GAS_KEY, "--profiles", folder)
    for ran in (run("replay", capture, *argv, "--jobs", jobs), run("listen", f"file:{capture}", *argv)):
        assert ran.code == 0
        assert {json.loads(line)["profile"] for line in ran.lines} == {"my_gas"}


def test_a_broken_file_is_named_and_left_out(run: Run, folder: Path) -> None:
    broken = folder / "a_broken.toml"
    broken.write_text(GAS.replace("schema = 1", "schema = 2"))
    ran = run("decode", "--json", "--key", GAS_KEY, "--profiles", folder, GAS_HEX)
    assert ran.code == 0
    assert json.loads(ran.out)["profile"] == "my_gas"
    assert ran.err == f"profile left out: {broken}: schema is 2; write schema = 1\n"


def test_two_files_for_one_meter_name_both(run: Run, folder: Path) -> None:
    second = folder / "other_gas.toml"
    second.write_text(GAS.replace("my_gas", "other_gas"))
    expected = f"claims ELS version 33 medium 03, which {folder / 'my_gas.toml'} claims as well"
    ran = run("decode", "--json", "--key", GAS_KEY, "--profiles", folder, GAS_HEX)
    assert json.loads(ran.out)["profile"] == "my_gas"
    assert ran.err.startswith(f"profile left out: {second}: {expected}; ")
    checked = run("profiles", "check", folder)
    assert checked.code == 1
    assert f"{second}: error: {expected}" in checked.out


def test_the_users_profile_wins_over_a_shipped_one_and_that_is_said_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my_kamstrup.toml").write_text(f"schema = 1\n{KAMSTRUP}")
    meter = Address.of("KAM", "00000001", 0x1B, 0x16)
    assert (
        load_profiles(str(tmp_path)).registry.find(meter)
        == load_profiles(str(tmp_path)).registry.profiles["my_kamstrup"]
    )
    ran = run("decode", "--json", "--key", GAS_KEY, "--profiles", tmp_path, GAS_HEX, GAS_HEX)
    said = "profile my_kamstrup is used in place of kamstrup_water for KAM version 1B medium 16"
    assert ran.err.splitlines() == [said]
    assert said in run("profiles", "check", tmp_path).out


def test_a_folder_that_was_named_must_be_there(run: Run, tmp_path: Path) -> None:
    ran = run("decode", "--profiles", tmp_path / "none", GAS_HEX)
    assert ran.code == 2
    assert ran.err.startswith(f"fieldtool: profiles folder {tmp_path / 'none'}: ")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe", "is not UTF-8 text from byte 0 on; save it as UTF-8"),
        (b"#" * (SIZE_LIMIT + 1), "is longer than 1048576 bytes"),
        (b"a = " + b"[" * 100_000, ""),
        (b"\x00", "is not valid TOML"),
        (b"", "schema is missing; write schema = 1"),
    ],
    ids=["not-utf-8", "too-long", "nested", "binary", "empty"],
)
def test_files_that_are_no_profile_at_all(run: Run, tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    ran = run("profiles", "check", path)
    assert ran.code == 1
    assert ran.out.startswith(f"{path}: error: ")
    assert words in ran.out
    assert len(ran.lines) == 1


def test_a_profile_that_is_right(run: Run, folder: Path) -> None:
    ran = run("profiles", "check", folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [f"{folder / 'my_gas.toml'}: ok, 1 reading, 1 test passed"]


def test_a_file_as_windows_editors_save_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "my_gas.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GAS.replace("\n", "\r\n").encode())
    assert run("profiles", "check", path).code == 0


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("28504.27", "28504.28", "error: [[test]] 1: total_volume is '28504.27 m3', expected '28504.28 m3'"),
        (
            'total_volume = "28504.27 m3"',
            'total_volumes = "1 m3"',
            "error: [[test]] 1: there is no reading 'total_volumes', expected '1 m3'; there is 'total_volume'",
        ),
        (f'key = "{GAS_KEY}"', "", "error: [[test]] 1: encrypted with AES-128-CBC, and no key is filed for 12345678"),
        ("version = 0x33", "version = 0x34", "error: [[test]] 1: no [[match]] claims ELS version 33 medium 03"),
        (GAS[GAS.index("[[test]]") :], "", "warning: there is no [[test]]"),
        ('name = "my_gas"', 'name = "your_gas"', "warning: the file is called my_gas.toml and the profile your_gas"),
        ('name = "my_gas"', 'name = "kamstrup_water"', "error: is named 'kamstrup_water', and so is a profile of this"),
        ('"tamper"', '"Tamper!"', "warning: name 'Tamper!' is not in snake case"),
        (
            'name = "total_volume"',
            'name = "total_volum"',
            "warning: reading 'total_volum' is new; did you mean 'total_volume'?",
        ),
        (
            "[[status]]",
            '[[reading]]\nname = "volume"\nquantity = "volume"\n[[status]]',
            "warning: readings 'total_volume' and 'volume' select the same record",
        ),
        ('quantity = "volume"', 'header = "0414"', ""),
        ('quantity = "volume"', 'header = "041400"', "warning: header 041400 is not one whole record header"),
    ],
    ids=[
        "value",
        "no-such-reading",
        "no-key",
        "other-meter",
        "no-test",
        "file-name",
        "shipped-name",
        "flag-name",
        "near-name",
        "same-record",
        "by-header",
        "no-header",
    ],
)
def test_what_check_finds(run: Run, folder: Path, old: str, new: str, line: str) -> None:
    assert old in GAS
    path = folder / "my_gas.toml"
    path.write_text(GAS.replace(old, new, 1))
    ran = run("profiles", "check", path)
    assert any(found.startswith(f"{path}: {line}") for found in ran.lines), ran.out
    assert ran.code == int("error: " in ran.out)
    assert GAS_KEY not in ran.out + ran.err


def test_a_mistake_in_a_key_does_not_show_it(run: Run, folder: Path) -> None:
    path = folder / "my_gas.toml"
    path.write_text(GAS.replace(GAS_KEY, f"{GAS_KEY[:-1]}G"))
    ran = run("profiles", "check", path)
    assert ran.code == 1
    assert "'key' in [[test]] must be hex digits; a key has 32" in ran.out
    assert GAS_KEY[:16] not in ran.out


def test_the_shipped_profiles_pass_their_own_check(run: Run) -> None:
    ran = run("profiles", "check", str(resources.files("protocols.profiles") / "data"))
    assert ran.code == 0
    assert [line for line in ran.lines if ": ok, " not in line] == []


@pytest.mark.parametrize("what", ["none.toml", "empty"])
def test_nothing_to_check(run: Run, tmp_path: Path, what: str) -> None:
    (tmp_path / "empty").mkdir()
    ran = run("profiles", "check", tmp_path / what)
    assert ran.code == 2
    assert ran.err.startswith(f"fieldtool: {tmp_path / what}: there is no ")
