"""Every shipped profile: the rules that hold for all of them, and the tests that each file brings along."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from protocols.mbus.header import interpret
from protocols.profiles.check import NAME, flags_of, names_of, run_test
from protocols.profiles.model import CodeRule, Profile, ProfileTest, ReadingRule, StatusRule
from protocols.profiles.payloads import PAYLOADS, payload_decoder
from protocols.profiles.registry import shipped_profiles
from protocols.profiles.schema import parse_profile
from protocols.text import safe_text
from protocols.units import unit_symbol

FOLDER = Path(str(resources.files("protocols.profiles"))) / "data"
FILES = sorted(FOLDER.glob("*.toml"))
PROFILES = [parse_profile(path.read_text(encoding="utf-8"), path.name) for path in FILES]
IDS = [profile.name for profile in PROFILES]
TESTS = [(profile, test) for profile in PROFILES for test in profile.tests]


@pytest.mark.parametrize(
    ("profile", "test"), TESTS, ids=[f"{profile.name}-{n}" for n, (profile, _) in enumerate(TESTS)]
)
def test_the_tests_inside_the_files(profile: Profile, test: ProfileTest) -> None:
    checked = run_test(test, shipped_profiles())
    assert checked.telegram.profile == profile.name
    assert [str(difference) for difference in checked.differences] == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_the_name_is_the_files(path: Path) -> None:
    assert parse_profile(path.read_text(encoding="utf-8"), path.name).name == path.stem


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_there_is_a_test_with_a_source(profile: Profile) -> None:
    assert profile.tests
    assert all(test.source and test.expect for test in profile.tests)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_names_follow_one_convention(profile: Profile) -> None:
    assert [name for name in (*names_of(profile), *flags_of(profile)) if not NAME.fullmatch(name)] == []


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_every_reading_has_its_own_selector(profile: Profile) -> None:
    for selectors in (
        [repr(rule.selector) for rule in profile.readings if not rule.also],
        [(repr(rule.selector), rule.name) for rule in profile.readings],
    ):
        assert len(set(selectors)) == len(selectors)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_what_a_record_says_besides_has_another_name(profile: Profile) -> None:
    """One name must not stand for two readings of one telegram because one rule names and another adds."""
    plain = {rule.name for rule in profile.readings if not rule.also}
    assert plain.isdisjoint(rule.name for rule in profile.readings if rule.also)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_headers_are_headers(profile: Profile) -> None:
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
