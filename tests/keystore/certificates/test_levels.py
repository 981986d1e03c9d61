"""The table of levels: presets, actions, the page made from it, and tables that contradict themselves."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from keystore.certificates.levels import (
    EVERYTHING,
    Capability,
    LevelTableError,
    level_named,
    level_table,
    level_title,
    read_table,
)
from keystore.certificates.levels_page import levels_page

ROOT = Path(__file__).resolve().parents[3]
TEXT = (files("keystore.certificates") / "levels.toml").read_text(encoding="utf-8")


def test_levels_hold_each_other_and_test_stands_alone() -> None:
    levels = level_table().levels
    consumer, installer, commissioner, service, test = levels.values()
    assert [level.title for level in levels.values()] == ["Consumer", "Installer", "Commissioner", "Service", "Test"]
    for less, more in pairwise((consumer, installer, commissioner, service)):
        assert less.capabilities in more.capabilities
        assert less.capabilities != more.capabilities
    assert Capability.TEST not in service.capabilities
    assert test.capabilities & service.capabilities == Capability.READ


@pytest.mark.parametrize(
    ("action", "levels"),
    [
        ("read-out", ["consumer", "installer", "commissioner", "service", "test"]),
        ("customer-number", ["installer", "commissioner", "service"]),
        ("confirm-installation", ["installer", "commissioner", "service"]),
        ("pulse-value", ["commissioner", "service"]),
        ("lorawan-join", ["commissioner", "service"]),
        ("change-key", ["service"]),
        ("test-mode", ["test"]),
    ],
)
def test_actions_need_what_they_should(action: str, levels: list[str]) -> None:
    table = level_table()
    assert [level.name for level in table.levels_allowing(table.actions[action])] == levels


def test_the_page_is_made_from_the_table() -> None:
    page = (ROOT / "docs" / "levels.md").read_text(encoding="utf-8")
    assert page == levels_page(level_table()), "run: python -m tools.levels"
    assert all(f"| `{name}` |" in page for name in level_table().actions)


@pytest.mark.parametrize(
    ("capabilities", "title"),
    [
        (Capability(0), "Consumer"),
        (Capability.READ, "Consumer"),
        (Capability.INSTALL, "Installer"),
        (Capability.READ | Capability.INSTALL | Capability.COMMISSION, "Commissioner"),
        (Capability.READ | Capability.TEST, "Test"),
        (EVERYTHING, "Service+Test"),
        (Capability.INSTALL | Capability.TEST, "Installer+Test"),
        (Capability.SERVICE, "service"),
    ],
)
def test_titles(capabilities: Capability, title: str) -> None:
    assert level_title(capabilities) == title


@pytest.mark.parametrize("name", ["consumer", "Installer", "SERVICE", "test", "service+test", "Installer + Test"])
def test_names_are_understood_in_any_spelling(name: str) -> None:
    capabilities = level_named(name)
    assert capabilities is not None
    assert level_title(capabilities).casefold() == name.replace(" ", "").casefold()


@pytest.mark.parametrize("name", ["", "root", "service+", "service test"])
def test_what_is_no_level(name: str) -> None:
    assert level_named(name) is None


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("version = 1", "version = 2", "version"),
        ("bit = 3", "bit = 4", "service"),
        ('name = "commissioner"', 'name = "installer"', "installer"),
        ('needs = "test"', 'needs = "fly"', "fly"),
        ('capabilities = ["read"]', 'capabilities = ["read", "install"]', "consumer"),
        ('capabilities = ["read", "test"]', 'capabilities = ["read"]', "test-mode"),
        ('overdue_level = "installer"', 'overdue_level = "boss"', "overdue_level"),
        ("warn_days = 30", "warm_days = 30", "warm_days"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(old: str, new: str, named: str) -> None:
    assert old in TEXT
    with pytest.raises(LevelTableError, match=named):
        read_table(TEXT.replace(old, new, 1))
