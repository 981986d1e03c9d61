"""Capabilities, levels and actions: the table of `levels.toml`, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Flag
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

TABLE_VERSION: Final = 1
_FILE: Final = "levels.toml"
_PLUS: Final = "+"
_Entry = TypeVar("_Entry", "Level", "Action")


class Capability(Flag):
    """One thing that a certificate may allow; the value is 1 shifted by the bit's number in the certificate."""

    READ = 1
    INSTALL = 2
    COMMISSION = 4
    SERVICE = 8
    TEST = 16


NOTHING: Final = Capability(0)
EVERYTHING: Final = ~NOTHING


@dataclass(frozen=True, slots=True)
class Level:
    """A named set of capabilities; `validity` is how long the certificate desk lets such a certificate live."""

    name: str
    capabilities: Capability
    validity: timedelta
    text: str

    @property
    def title(self) -> str:
        """The name as it stands in file names and on screens: `Installer`."""
        return self.name.capitalize()


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done with a meter, and the one capability that it needs."""

    name: str
    needs: Capability
    writes: bool
    text: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules about time: warnings, overdue revocation lists, the clock."""

    warn_before: timedelta
    revocation_grace: timedelta
    overdue_level: str
    clock_back: timedelta
    clock_ahead: timedelta


@dataclass(frozen=True, slots=True)
class LevelTable:
    """All of `levels.toml`; levels and actions by name, in the file's order."""

    capability_texts: dict[Capability, str]
    levels: dict[str, Level]
    actions: dict[str, Action]
    policy: Policy

    @property
    def consumer(self) -> Level:
        """The level that everybody has."""
        return self.levels["consumer"]

    def levels_allowing(self, action: Action) -> list[Level]:
        """Return the levels that allow an action, the least first."""
        return [level for level in self.levels.values() if action.needs in level.capabilities]


class LevelTableError(ValueError):
    """The table contradicts itself; the message names the entry."""


@cache
def level_table() -> LevelTable:
    """Return the table that is shipped with the program."""
    return read_table((files("keystore.certificates") / _FILE).read_text(encoding="utf-8"))


def read_table(text: str) -> LevelTable:
    """Read a table in the format of `levels.toml`; `LevelTableError` when it contradicts itself."""
    document = tomllib.loads(text)
    if document.get("version") != TABLE_VERSION:
        raise LevelTableError(f"{_FILE}: version must be {TABLE_VERSION}")
    texts = _capability_texts(document)
    levels = _by_name("level", document, _level)
    actions = _by_name("action", document, _action)
    table = LevelTable(texts, levels, actions, _policy(document))
    if "consumer" not in levels or levels["consumer"].capabilities is not Capability.READ:
        raise LevelTableError(f"{_FILE}: level consumer allows reading and nothing else")
    if table.policy.overdue_level not in levels:
        raise LevelTableError(f"{_FILE}: overdue_level names no level")
    for action in actions.values():
        if not table.levels_allowing(action):
            raise LevelTableError(f"{_FILE}: no level allows action {action.name}")
    return table


def level_named(text: str) -> Capability | None:
    """Return the capabilities of `service`, `Service` or `service+test`; None when there is no such level."""
    levels = level_table().levels
    capabilities = NOTHING
    for name in text.lower().split(_PLUS):
        level = levels.get(name.strip())
        if level is None:
            return None
        capabilities |= level.capabilities
    return capabilities


def level_title(capabilities: Capability) -> str:
    """Return the name of a set of capabilities: `Service`, `Service+Test`, or what it adds up to.

    Reading is always allowed and never needs a word of its own.
    """
    held = capabilities | Capability.READ
    table = level_table()
    if not held & ~Capability.READ:
        return table.consumer.title
    fitting = [level for level in table.levels.values() if level.capabilities in held and level is not table.consumer]
    largest = [
        one
        for one in fitting
        if not any(one.capabilities in other.capabilities for other in fitting if other is not one)
    ]
    left = held & ~Capability.READ
    for level in largest:
        left &= ~level.capabilities
    return _PLUS.join([*(level.title for level in largest), *(str(one.name).lower() for one in left)])


def _capability_texts(document: dict[str, Any]) -> dict[Capability, str]:
    texts: dict[Capability, str] = {}
    for entry in document.get("capability", []):
        _check_keys("capability", entry, {"name", "bit", "text"})
        capability = _capability(entry["name"])
        if capability.value != 1 << entry["bit"]:
            raise LevelTableError(f"{_FILE}: capability {entry['name']} has another bit in certificates")
        if capability in texts:
            raise LevelTableError(f"{_FILE}: capability {entry['name']} stands twice")
        texts[capability] = entry["text"]
    if set(texts) != set(Capability):
        raise LevelTableError(f"{_FILE}: capabilities are missing")
    return texts


def _level(entry: dict[str, Any]) -> Level:
    _check_keys("level", entry, {"name", "capabilities", "validity_days", "text"})
    capabilities = NOTHING
    for name in entry["capabilities"]:
        capabilities |= _capability(name)
    return Level(entry["name"], capabilities, timedelta(days=entry["validity_days"]), entry["text"])


def _action(entry: dict[str, Any]) -> Action:
    _check_keys("action", entry, {"name", "needs", "writes", "text"})
    return Action(entry["name"], _capability(entry["needs"]), entry["writes"], entry["text"])


def _policy(document: dict[str, Any]) -> Policy:
    entry = document.get("policy", {})
    _check_keys(
        "policy",
        entry,
        {"warn_days", "revocation_grace_days", "overdue_level", "clock_back_hours", "clock_ahead_days"},
    )
    return Policy(
        warn_before=timedelta(days=entry["warn_days"]),
        revocation_grace=timedelta(days=entry["revocation_grace_days"]),
        overdue_level=entry["overdue_level"],
        clock_back=timedelta(hours=entry["clock_back_hours"]),
        clock_ahead=timedelta(days=entry["clock_ahead_days"]),
    )


def _by_name(kind: str, document: dict[str, Any], read: Callable[[dict[str, Any]], _Entry]) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for raw in document.get(kind, []):
        entry = read(raw)
        if entry.name in entries:
            raise LevelTableError(f"{_FILE}: {kind} {entry.name} stands twice")
        entries[entry.name] = entry
    return entries


def _capability(name: str) -> Capability:
    try:
        return Capability[name.upper()]
    except KeyError:
        raise LevelTableError(f"{_FILE}: there is no capability {name}") from None


def _check_keys(kind: str, entry: dict[str, Any], expected: set[str]) -> None:
    odd = entry.keys() ^ expected
    if odd:
        raise LevelTableError(f"{_FILE}: a {kind} has unknown or missing keys: {', '.join(sorted(odd))}")
