"""Every shipped profile: the rules that hold for all of them, and the tests that each file brings along."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from protocols.decode import decode, learn
from protocols.mbus.compact import shipped_formats
from protocols.mbus.header import interpret
from protocols.model import Address, Key, Reading, Telegram
from protocols.profiles.model import CodeRule, Profile, ProfileTest, ReadingRule, StatusRule
from protocols.profiles.payloads import PAYLOADS, payload_decoder
from protocols.profiles.registry import shipped_profiles
from protocols.profiles.schema import parse_profile
from protocols.text import safe_text
from protocols.units import unit_symbol

NAME = re.compile(r"[a-z][a-z0-9]*(_([a-z0-9]+|\{n\}))*")
FOLDER = Path(str(resources.files("protocols.profiles"))) / "data"
FILES = sorted(FOLDER.glob("*.toml"))
PROFILES = [parse_profile(path.read_text(encoding="utf-8"), path.name) for path in FILES]
IDS = [profile.name for profile in PROFILES]
TESTS = [(profile, test) for profile in PROFILES for test in profile.tests]


def printed(reading: Reading) -> str:
    """A value as `expect` writes it: the number, then the unit's code."""
    value = format(reading.value, "f") if hasattr(reading.value, "as_tuple") else str(reading.value)
    return f"{value} {reading.unit}".strip()


def run(test: ProfileTest) -> Telegram:
    keys: Sequence[Key] = (Key(bytes.fromhex(test.key)),) if test.key else ()

    def lookup(address: Address) -> Sequence[Key]:
        return keys

    formats = shipped_formats()
    for earlier in test.prior:
        formats = learn(formats, decode(bytes.fromhex(earlier), lookup, formats=formats))
    return decode(bytes.fromhex(test.telegram), lookup, formats=formats)


@pytest.mark.parametrize(
    ("profile", "test"), TESTS, ids=[f"{profile.name}-{n}" for n, (profile, _) in enumerate(TESTS)]
)
def test_the_tests_inside_the_files(profile: Profile, test: ProfileTest) -> None:
    telegram = run(test)
    assert telegram.profile == profile.name
    found = {reading.name: printed(reading) for reading in reversed(telegram.readings)}
    found["outcome"] = telegram.outcome.value
    found["status"] = " ".join(telegram.status.flags) if telegram.status else ""
    assert {name: found.get(name) for name in test.expect} == dict(test.expect)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_the_name_is_the_files(path: Path) -> None:
    assert parse_profile(path.read_text(encoding="utf-8"), path.name).name == path.stem


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_there_is_a_test_with_a_source(profile: Profile) -> None:
    assert profile.tests
    assert all(test.source and test.expect for test in profile.tests)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_names_follow_one_convention(profile: Profile) -> None:
    names = [*(rule.name for rule in profile.readings), *(rule.name for rule in profile.codes)]
    flags = [flag for rule in profile.statuses for flag in (*rule.bits.values(), *(rule.values or {}).values())]
    flags += (profile.transport_bits or {}).values()
    assert [name for name in (*names, *flags) if not NAME.fullmatch(name)] == []


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_every_reading_has_its_own_selector(profile: Profile) -> None:
    selectors = [repr(rule.selector) for rule in profile.readings]
    assert len(set(selectors)) == len(selectors)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_headers_are_headers_and_quantities_exist(profile: Profile) -> None:
    named: Sequence[ReadingRule | StatusRule | CodeRule] = (*profile.readings, *profile.statuses, *profile.codes)
    for rule in named:
        if rule.selector.header is not None:
            header = bytes.fromhex(rule.selector.header)
            assert interpret(header).raw == header


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_payload_decoders_exist(profile: Profile) -> None:
    for rule in profile.payloads:
        assert rule.decoder in PAYLOADS
        assert callable(payload_decoder(rule.decoder))


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_text_is_plain(profile: Profile) -> None:
    for text in (profile.title, *(rule.info for rule in profile.readings)):
        assert text == safe_text(text)
    for rule in profile.readings:
        assert not rule.unit or unit_symbol(rule.unit).isprintable()


def test_all_files_load_together() -> None:
    assert set(shipped_profiles().profiles) == set(IDS)
