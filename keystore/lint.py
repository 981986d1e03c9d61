"""Keys that protect nothing or look mistaken: all zero, repeated, counting, shared, made from the meter's number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from keystore.model import KeyRecord, KeyRole

MIN_LENGTH: Final = 8
"""Shorter secrets (a claim token) have patterns by chance."""

_ONE_FOR_ALL: Final = frozenset({KeyRole.PRIOS64})
"""Roles whose makers used one key for all meters: sharing it is no mistake of the file."""

_COUNTING_STEPS: Final = frozenset({0x01, 0xFF, 0x11, 0xEF, 0x22, 0xDE})


class LintRule(StrEnum):
    """What is wrong with a key."""

    ALL_ZERO = "all_zero"
    REPEATED = "repeated"
    COUNTING = "counting"
    KEY_IS_NUMBER = "key_is_number"
    SHARED = "shared"


_TEXTS: Final = {
    LintRule.ALL_ZERO: "the key is all zero: some makers write that for no key",
    LintRule.REPEATED: "the key repeats one pattern",
    LintRule.COUNTING: "the key counts up or down",
    LintRule.KEY_IS_NUMBER: "the key is made from the meter's number",
}


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One doubtful key: whose, by which rule, and a sentence without key digits."""

    rule: LintRule
    meter: str
    role: str
    key_check_value: str
    text: str


def lint(records: Iterable[KeyRecord]) -> tuple[LintFinding, ...]:
    """Return the findings of all records, a record's own first, then keys that several meters share."""
    findings: list[LintFinding] = []
    meters: defaultdict[bytes, dict[str, KeyRecord]] = defaultdict(dict)
    for record in records:
        if len(record.value) < MIN_LENGTH:
            continue
        rule = _rule(record)
        if rule is not None:
            findings.append(_finding(rule, record, _TEXTS[rule]))
        if record.role not in _ONE_FOR_ALL:
            meters[record.value].setdefault(record.number or record.dev_eui, record)
    for shared in meters.values():
        if len(shared) > 1:
            text = f"{len(shared)} meters share this key"
            findings.extend(_finding(LintRule.SHARED, record, text) for record in shared.values())
    return tuple(findings)


def _rule(record: KeyRecord) -> LintRule | None:
    key = record.value
    if not any(key):
        return LintRule.ALL_ZERO
    # A pattern of 1, 2 or 4 bytes: 4 is also how a number is repeated, which has a rule of its own.
    if _made_from_number(record):
        return LintRule.KEY_IS_NUMBER
    if any(key == (key[:size] * len(key))[: len(key)] for size in (1, 2, 4)):
        return LintRule.REPEATED
    return LintRule.COUNTING if _counts(key) else None


def _counts(key: bytes) -> bool:
    """True for 00 01 02 ..., 00 11 22 ..., 01 23 45 67 89 AB CD EF, also twice, up or down."""
    part = key[:8] if key == key[:8] * (len(key) // 8) else key
    steps = {(after - before) % 256 for before, after in pairwise(part)}
    return len(steps) == 1 and steps <= _COUNTING_STEPS


def _made_from_number(record: KeyRecord) -> bool:
    """True when the key is the number as BCD (either order) or as text, alone among zeros or repeated."""
    forms: list[bytes] = []
    if record.is_radio_number:
        number = bytes.fromhex(record.number)
        forms += [number, number[::-1]]
    if record.number:
        forms.append(record.number.encode())
    if record.dev_eui:
        forms.append(bytes.fromhex(record.dev_eui))
    key = record.value
    return any(
        any(form) and (key.strip(b"\0") == form.strip(b"\0") or key == (form * len(key))[: len(key)]) for form in forms
    )


def _finding(rule: LintRule, record: KeyRecord, text: str) -> LintFinding:
    return LintFinding(rule, record.meter_text, record.role_text, record.key_check_value, text)
