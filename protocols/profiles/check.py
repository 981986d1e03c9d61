"""A profile held against the tests in its own file, and against the convention for names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from protocols.decode import decode, learn
from protocols.errors import ProtocolError
from protocols.mbus.compact import shipped_formats
from protocols.mbus.header import interpret
from protocols.model import Address, Key, Reading, Telegram
from protocols.profiles.model import CodeRule, Profile, ProfileTest, ReadingRule, StatusRule
from protocols.profiles.registry import ProfileRegistry

NAME = re.compile(r"[a-z][a-z0-9]*(_([a-z0-9]+|\{n\}))*", re.ASCII)
"""Snake case; a `{n}` is counted."""

OUTCOME, STATUS = "outcome", "status"
"""What a test may expect besides readings."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A line of a test's `expect` that does not hold; `actual` is None when there is no such reading."""

    name: str
    expected: str
    actual: str | None
    near: str = ""

    def __str__(self) -> str:
        if self.actual is not None:
            return f"{self.name} is {self.actual!r}, expected {self.expected!r}"
        near = f"; there is {self.near!r}" if self.near else ""
        return f"there is no reading {self.name!r}, expected {self.expected!r}{near}"


@dataclass(frozen=True, slots=True)
class CheckedTest:
    """What became of one test: the telegram, and what is not as the file says."""

    telegram: Telegram
    differences: tuple[Difference, ...]


def printed(reading: Reading) -> str:
    """A value as `expect` writes it: the number, then the unit's code."""
    value = format(reading.value, "f") if isinstance(reading.value, Decimal) else str(reading.value)
    return f"{value} {reading.unit}".strip()


def run_test(test: ProfileTest, profiles: ProfileRegistry) -> CheckedTest:
    """Decode a test's telegram behind its `prior` ones, and compare. Of readings with one name the first counts."""
    keys: Sequence[Key] = (Key(bytes.fromhex(test.key)),) if test.key else ()

    def lookup(address: Address) -> Sequence[Key]:
        return keys

    formats = shipped_formats()
    for earlier in test.prior:
        formats = learn(formats, decode(bytes.fromhex(earlier), lookup, formats=formats, profiles=profiles))
    telegram = decode(bytes.fromhex(test.telegram), lookup, formats=formats, profiles=profiles)
    found = {reading.name: printed(reading) for reading in reversed(telegram.readings)}
    found[OUTCOME] = telegram.outcome.value
    found[STATUS] = " ".join(telegram.status.flags) if telegram.status else ""
    return CheckedTest(telegram, tuple(_differences(test, found)))


def _differences(test: ProfileTest, found: dict[str, str]) -> Iterator[Difference]:
    for name, expected in test.expect.items():
        actual = found.get(name)
        if actual is None:
            near = difflib.get_close_matches(name, found, 1)
            yield Difference(name, expected, None, near[0] if near else "")
        elif actual != expected:
            yield Difference(name, expected, actual)


def names_of(profile: Profile) -> list[str]:
    """The names of all its readings, those of coded fields too."""
    return [*(rule.name for rule in profile.readings), *(rule.name for rule in profile.codes)]


def flags_of(profile: Profile) -> list[str]:
    """The names of all its flags."""
    flags = [flag for rule in profile.statuses for flag in (*rule.bits.values(), *(rule.values or {}).values())]
    return [*flags, *(profile.transport_bits or {}).values()]


def warnings(profile: Profile, stem: str, known: Collection[str]) -> tuple[str, ...]:
    """What does not stop a profile from being used: names off the convention, no test, rules that cannot both hold.

    `stem` is the name of its file without `.toml`, `known` are names of readings that are in use.
    """
    return tuple(_warnings(profile, stem, known))


def _warnings(profile: Profile, stem: str, known: Collection[str]) -> Iterator[str]:
    if profile.name != stem:
        yield f"the file is called {stem}.toml and the profile {profile.name}: call both the same"
    if not profile.tests:
        yield "there is no [[test]]: add a telegram with what it must read"
    yield from (f"[[test]] {n} expects nothing" for n, test in enumerate(profile.tests, 1) if not test.expect)
    for name in dict.fromkeys((*names_of(profile), *flags_of(profile))):
        if NAME.fullmatch(name) is None:
            yield f"name {name!r} is not in snake case, as in total_volume"
    for name in dict.fromkeys(names_of(profile)):
        near = [] if name in known else difflib.get_close_matches(name, known, 1, cutoff=0.85)
        if near:
            yield f"reading {name!r} is new; did you mean {near[0]!r}?"
    seen: dict[str, str] = {}
    for rule in (rule for rule in profile.readings if not rule.also):
        other = seen.setdefault(repr(rule.selector), rule.name)
        if other != rule.name:
            yield f"readings {other!r} and {rule.name!r} select the same record: only the first is used"
    rules: tuple[ReadingRule | StatusRule | CodeRule, ...] = (*profile.readings, *profile.statuses, *profile.codes)
    for header in dict.fromkeys(rule.selector.header for rule in rules):
        if header is not None and not _is_header(header):
            yield f"header {header} is not one whole record header"


def _is_header(header: str) -> bool:
    raw = bytes.fromhex(header)
    try:
        return interpret(raw).raw == raw
    except ProtocolError:
        return False
