"""Keys that protect nothing are pointed out, good ones are left alone, and none is shown."""

from __future__ import annotations

import pytest

from keystore.lint import LintRule, lint
from keystore.model import KeyRole
from tests.keystore.made_up import key_of, record_of


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("00" * 16, LintRule.ALL_ZERO),
        ("FF" * 16, LintRule.REPEATED),
        ("A55A" * 8, LintRule.REPEATED),
        ("DEADBEEF" * 4, LintRule.REPEATED),
        ("000102030405060708090A0B0C0D0E0F", LintRule.COUNTING),
        ("0F0E0D0C0B0A09080706050403020100", LintRule.COUNTING),
        ("00112233445566778899AABBCCDDEEFF", LintRule.COUNTING),
        ("0123456789ABCDEF0123456789ABCDEF", LintRule.COUNTING),
        ("FEDCBA9876543210FEDCBA9876543210", LintRule.COUNTING),
        ("63001468" * 4, LintRule.KEY_IS_NUMBER),
        ("68140063" * 4, LintRule.KEY_IS_NUMBER),
        ("00" * 12 + "63001468", LintRule.KEY_IS_NUMBER),
        ("63001468" + "00" * 12, LintRule.KEY_IS_NUMBER),
        (b"63001468".hex() * 2, LintRule.KEY_IS_NUMBER),
    ],
)
def test_doubtful_keys(key: str, rule: LintRule) -> None:
    (finding,) = lint([record_of("63001468", value=bytes.fromhex(key))])
    assert (finding.rule, finding.meter, finding.role) == (rule, "KAM 63001468", "wmbus_dek")
    assert len(finding.key_check_value) == 6
    assert key not in repr(finding).upper()


def test_good_keys_are_left_alone() -> None:
    assert lint(record_of(number) for number in range(200)) == ()
    assert lint([record_of(1, no_key=True), record_of(2, role=KeyRole.CLAIM_TOKEN, value=b"1111")]) == ()


def test_a_key_that_meters_share() -> None:
    shared = key_of("shared")
    records = [record_of(1, value=shared), record_of(2, value=shared), record_of(3)]
    assert [(f.rule, f.meter, f.text) for f in lint(records)] == [
        (LintRule.SHARED, "KAM 00000001", "2 meters share this key"),
        (LintRule.SHARED, "KAM 00000002", "2 meters share this key"),
    ]
    same_meter = [record_of(1, value=shared), record_of(1, value=shared, role=KeyRole.GPK)]
    assert lint(same_meter) == ()
    prios = [record_of(n, value=key_of("prios")[:8], role=KeyRole.PRIOS64) for n in (1, 2)]
    assert lint(prios) == ()


def test_the_default_keys_of_prios_are_published() -> None:
    record = record_of(1, role=KeyRole.PRIOS64, value=bytes.fromhex("39BC8A10E66D83F8"))
    assert LintRule.PUBLISHED in {finding.rule for finding in lint([record])}
