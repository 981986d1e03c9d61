"""The index of the shipped profiles: what it says is what the files say, and no file is read before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from protocols.model import Address
from protocols.profiles.errors import ProfileError
from protocols.profiles.index import Claim, claims_of, collect, index_text, read_index
from protocols.profiles.model import Profile
from protocols.profiles.registry import INDEX_FILE, ProfileRegistry, shipped_profiles
from protocols.profiles.schema import parse_profile
from tools.profiles import DATA, read_profiles

ROOT = Path(__file__).resolve().parents[3]

WATER = """
schema = 1
name = "{name}"
title = "An example"
[[match]]
manufacturer = "{maker}"
{match}
[[reading]]
name = "total_volume"
quantity = "volume"
"""


def water(name: str, match: str = "", maker: str = "EXA") -> tuple[str, Profile]:
    file = f"{name}.toml"
    return file, parse_profile(WATER.format(name=name, maker=maker, match=match), file)


def test_the_index_is_that_of_the_files() -> None:
    current = (DATA / INDEX_FILE).read_text(encoding="utf-8")
    assert current == index_text(collect(read_profiles())), "run `make profiles`"


def test_every_claim_of_every_file_finds_its_profile() -> None:
    registry = shipped_profiles()
    for _, profile in read_profiles():
        for claim in claims_of(profile):
            version = 0xEE if claim.version is None else claim.version
            medium = 0xEE if claim.medium is None else claim.medium
            assert registry.find(Address.of(claim.manufacturer, "00000001", version, medium)) == profile


def test_an_index_is_read_as_it_was_written() -> None:
    claims = collect([water("a", "version = [1, 2]\nmedium = 7"), water("b"), water("c", "medium = 3", "ABC")])
    assert read_index(index_text(claims)) == claims
    assert claims[Claim("EXA", None, None)] == "b"


def test_no_profile_is_read_before_its_meter_is_seen() -> None:
    read: list[str] = []

    def reader(name: str) -> Profile:
        read.append(name)
        return water(name)[1]

    claims = {Claim("EXA", 1, 7): "one", Claim("EXA", None, None): "other"}
    registry = ProfileRegistry.on_demand(claims, reader)
    assert list(registry.profiles) == ["one", "other"]
    assert "one" in registry.profiles
    assert len(registry.profiles) == 2
    assert registry.find(Address.of("OTH", "00000001", 1, 7)) is None
    assert read == []
    for _ in range(2):
        found = registry.find(Address.of("EXA", "00000001", 1, 7))
        assert found is not None
        assert found.name == "one"
    assert read == ["one"]
    with pytest.raises(KeyError):
        registry.profiles["third"]


def test_decoding_a_meter_without_a_profile_reads_no_toml() -> None:
    gas = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
    code = f"import sys; from protocols.decode import decode; decode(bytes.fromhex('{gas}'))\n" + (
        "print('protocols.profiles.schema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_file_may_say_twice_that_a_meter_is_its_own() -> None:
    table = '[[match]]\nmanufacturer = "EXA"\nversion = 1\nmedium = 7\n'
    file, profile = water("a", f"version = 1\nmedium = 7\n{table}")
    assert collect([(file, profile)]) == {Claim("EXA", 1, 7): "a"}


def test_profiles_before_others_win_for_every_meter_that_they_claim() -> None:
    behind = ProfileRegistry([water("old", "version = 1\nmedium = 7"), water("older", "version = 2"), water("oldest")])
    registry = ProfileRegistry([water("new", "medium = 7")], behind)

    def name_of(version: int, medium: int) -> str:
        found = registry.find(Address.of("EXA", "00000001", version, medium))
        return "" if found is None else found.name

    assert name_of(1, 7) == "new"
    assert name_of(9, 7) == "new"
    assert name_of(2, 6) == "older"
    assert name_of(3, 6) == "oldest"
    assert set(registry.profiles) == {"new", "old", "older", "oldest"}
    assert registry.profiles["new"].name == "new"
    assert registry.profiles["old"].name == "old"
    assert registry.replaced() == {
        ("new", "old"): [Claim("EXA", 1, 7)],
        ("new", "older"): [Claim("EXA", 2, 7)],
        ("new", "oldest"): [Claim("EXA", None, 7)],
    }


def test_a_profile_cannot_have_the_name_of_one_behind() -> None:
    behind = ProfileRegistry([water("old", "version = 1")])
    with pytest.raises(ProfileError, match="choose another name"):
        ProfileRegistry([water("old", "version = 2")], behind)


def test_claims_say_which_meters() -> None:
    assert str(Claim("EXA", 0x1B, None)) == "EXA version 1B medium any"
