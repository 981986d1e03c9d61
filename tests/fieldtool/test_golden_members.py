"""Two telegrams as JSON, member by member."""

from __future__ import annotations

from collections import Counter

import pytest

from fieldtool.replay.golden import Kind, kind_of
from fieldtool.replay.golden_members import ABSENT, changes, parse_telegram
from fieldtool.replay.golden_report import json_text
from tests.fieldtool.golden_lines import Found, line, reading


@pytest.mark.parametrize(
    ("golden", "now", "told"),
    [
        ("12.3450", "12.345", []),
        ("12.0", "12", []),
        ("1e3", "1000", []),
        ("12.3451", "12.345", ["changed"]),
        ("0.1", "0.1000000000000000000000000000000000000001", ["changed"]),
        ("1e99999999999999999999999", "1e99999999999999999999999", []),
        ("1e99999999999999999999999", "1e999999999", ["changed"]),
        ("true", "1", ["changed"]),
        ("false", "0", ["changed"]),
        ("null", "0", ["changed"]),
        ('"12"', "12", ["changed"]),
        ("[1.0, null]", "[1, null]", []),
        ("[1.0, null]", "[1]", ["changed"]),
        ("[true]", "[1]", ["changed"]),
        ("{}", "null", ["changed"]),
        ("[]", "{}", ["changed"]),
    ],
)
def test_values(golden: str, now: str, told: list[str]) -> None:
    one, other = (parse_telegram(b'{"hex": "00", "outcome": "ok", "x": %s}' % text.encode()) for text in (golden, now))
    assert [kind_of(change).value for change in changes(one, other)] == told


def test_null_is_not_the_same_as_none() -> None:
    found = Found(
        line(1, profile=None, status=None, new=None), [line(1, profile=None, more=None, status={"raw": None})]
    )
    assert found.changes == [
        ("changed", "status", None, {"raw": None}),
        ("only_in_golden", "new", None, ABSENT),
        ("new", "more", ABSENT, None),
    ]


def test_readings_are_matched_by_name_not_by_place() -> None:
    golden = line(1, readings=[reading("total", 1), reading("flow", 2), reading("old", 3)])
    now = line(1, readings=[reading("new", 4), reading("flow", 2), reading("total", 5, storage=1)])
    found = Found(golden, [now])
    assert [(kind, name) for kind, name, _, _ in found.changes] == [
        ("changed", "readings.total.value"),
        ("changed", "readings.total.storage"),
        ("only_in_golden", "readings.old"),
        ("new", "readings.new"),
    ]


def test_readings_of_one_name_are_matched_by_what_tells_them_apart() -> None:
    golden = line(1, readings=[reading("month", value, storage=value) for value in (1, 2, 3)])
    now = line(1, readings=[reading("month", value, storage=value) for value in (3, 1)])
    (difference,) = Found(golden, [now]).differences
    (change,) = difference.changes
    assert (kind_of(change), change.path, change.which) == (Kind.ONLY_IN_GOLDEN, ("readings", "month"), "storage 2")
    renamed = line(1, readings=[reading("month", value, storage=value, source="04") for value in (2, 3, 9)])
    (difference,) = Found(golden, [renamed]).differences
    told = [
        (change.path[-1], change.which, json_text(change.golden), json_text(change.now))
        for change in difference.changes
    ]
    assert told == [
        ("value", "storage 1, source 0413", "1", "9"),
        ("storage", "storage 1, source 0413", "1", "9"),
        ("source", "storage 1, source 0413", '"0413"', '"04"'),
        ("source", "storage 2, source 0413", '"0413"', '"04"'),
        ("source", "storage 3, source 0413", '"0413"', '"04"'),
    ]


def test_rungs_and_findings_have_names() -> None:
    golden = line(1, verdict=[{"rung": "key", "state": "passed", "detail": "a"}], findings=[{"kind": "jump"}])
    now = line(1, verdict=[{"rung": "frame"}, {"rung": "key", "state": "failed", "detail": "a"}], findings=[])
    assert [(kind, name) for kind, name, _, _ in Found(golden, [now]).changes] == [
        ("changed", "verdict.key.state"),
        ("new", "verdict.frame"),
        ("only_in_golden", "findings.jump"),
    ]


def test_lists_of_another_shape_are_compared_as_a_whole() -> None:
    found = Found(line(1, readings=[1, {"name": 2}], verdict={"rung": "x"}), [line(1, verdict=[])])
    assert [(kind, name) for kind, name, _, _ in found.changes] == [("changed", "readings"), ("changed", "verdict")]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ([], ["profile", "readings.a.value", "readings.b.source", "readings.c"]),
        (["readings"], ["profile"]),
        (["readings.a"], ["profile", "readings.b.source", "readings.c"]),
        (["readings.*.source", "readings.c"], ["profile", "readings.a.value"]),
        (["readings.c.value", "profile.x"], ["profile", "readings.a.value", "readings.b.source", "readings.c"]),
        (["profile", "readings.*"], []),
    ],
)
def test_members_that_are_left_out(ignore: list[str], left: list[str]) -> None:
    golden = line(1, readings=[reading("a", 1), reading("b", 1), reading("c", 1)])
    now = line(1, readings=[reading("a", 2), reading("b", 1, source="x")], profile=None)
    found = Found(golden, [now], ignore)
    assert sorted({name for _, name, _, _ in found.changes}) == left
    assert found.kinds == (Counter(different=1) if left else Counter(equal=1))


def test_members_that_nothing_has_are_noticed() -> None:
    names = ["meter.version", "meter.versoin", "readings.total_volume.value", "readings.total", "profile.x", "*.source"]
    found = Found(line(1), [line(1, profile="other")], names)
    assert found.ignored.unseen == ("meter.versoin", "readings.total", "profile.x")
