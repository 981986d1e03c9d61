"""Keys that protect nothing or look mistaken: all zero, repeated, counting, published, shared, the meter's number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from keystore.model import KeyRecord, KeyRole
from protocols.wmbus.security.diehl import PUBLIC_KEYS

MIN_LENGTH: Final = 8
"""Shorter secrets (a claim token) have patterns by chance."""

ONE_FOR_ALL: Final = frozenset({KeyRole.PRIOS64})
"""Roles whose makers used one key for all meters: sharing it is no mistake of the file."""

_PUBLISHED: Final = frozenset(PUBLIC_KEYS) | frozenset(
    bytes.fromhex(text)
    for text in (
        "2B7E151628AED2A6ABF7158809CF4F3C",  # NIST SP 800-38A, F.1.1; also what LoRaWAN example programs ship with
        "8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B",  # NIST SP 800-38A, F.1.3
        "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4",  # NIST SP 800-38A, F.1.5
        "0102030405060708090A0B0C0D0E0F11",  # OMS specification, volume 2, annex N: its example telegrams
        "0123456789ABCDEFFEDCBA9876543210",  # the textbook key of DES and SM4
        "AE6852F8121067CC4BF7A5765577F39E",  # RFC 3686, test vector 1
        "7E24067817FAE0D743D6CE1F32539163",  # RFC 3686, test vector 2
        "7691BE035E5020A8AC6E618529F9A0DC",  # RFC 3686, test vector 3
        "C286696D887C9AA0611BBB3E2025A45A",  # RFC 3602, case 2
        "06A9214036B8A15B512E03D534120006",  # RFC 3602, case 1
    )
)
"""Keys that anybody can read, Diehl's default PRIOS keys among them; those that count or repeat have own rules."""

_COUNTING_STEPS: Final = frozenset({0x01, 0xFF, 0x11, 0xEF, 0x22, 0xDE})


class LintRule(StrEnum):
    """What is wrong with a key."""

    ALL_ZERO = "all_zero"
    REPEATED = "repeated"
    COUNTING = "counting"
    KEY_IS_NUMBER = "key_is_number"
    PUBLISHED = "published"
    SHARED = "shared"


_TEXTS: Final = {
    LintRule.ALL_ZERO: "the key is all zero: some makers write that for no key",
    LintRule.REPEATED: "the key repeats one pattern",
    LintRule.COUNTING: "the key counts up or down",
    LintRule.KEY_IS_NUMBER: "the key is made from the meter's number",
    LintRule.PUBLISHED: "the key is printed in a standard or manual",
}


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One doubtful key: whose, by which rule, and a sentence without key digits."""

    rule: LintRule
    meter: str
    role: str
    key_check_value: str
    text: str


def lint(records: Iterable[KeyRecord] | Callable[[], Iterable[KeyRecord]]) -> tuple[LintFinding, ...]:
    """Return the findings of all records: each record's own, and keys that several meters share.

    Many records are better given as something that can be called twice and gives them each time: then nothing but
    digests is kept of a million keys.
    """
    if callable(records):
        return _lint(records)
    kept = tuple(records)
    return _lint(lambda: kept)


def _lint(records: Callable[[], Iterable[KeyRecord]]) -> tuple[LintFinding, ...]:
    meters_of_key: dict[int, int | None] = {}
    for record in records():
        if _is_judged(record) and record.role not in ONE_FOR_ALL:
            key, meter = hash(record.value), hash(record.number or record.dev_eui)
            if meters_of_key.setdefault(key, meter) != meter:
                meters_of_key[key] = None
    shared = {key for key, meter in meters_of_key.items() if meter is None}
    del meters_of_key
    own: list[LintFinding] = []
    sharing: defaultdict[bytes, dict[str, KeyRecord]] = defaultdict(dict)
    for record in records():
        if not _is_judged(record):
            continue
        rule = _rule(record)
        if rule is not None:
            own.append(_finding(rule, record, _TEXTS[rule]))
        if record.role not in ONE_FOR_ALL and hash(record.value) in shared:
            sharing[record.value].setdefault(record.number or record.dev_eui, record)
    for meters in sharing.values():
        if len(meters) > 1:
            text = f"{len(meters)} meters share this key"
            own.extend(_finding(LintRule.SHARED, record, text) for record in meters.values())
    return tuple(own)


def _is_judged(record: KeyRecord) -> bool:
    return len(record.value) >= MIN_LENGTH


def _rule(record: KeyRecord) -> LintRule | None:
    key = record.value
    if not any(key):
        return LintRule.ALL_ZERO
    # A pattern of 1, 2 or 4 bytes: 4 is also how a number is repeated, which has a rule of its own.
    if _made_from_number(record):
        return LintRule.KEY_IS_NUMBER
    if any(key == (key[:size] * len(key))[: len(key)] for size in (1, 2, 4)):
        return LintRule.REPEATED
    if key in _PUBLISHED:
        return LintRule.PUBLISHED
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
