"""What is said of differences from a golden."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fieldtool.replay.golden import Difference
from fieldtool.replay.golden_members import ABSENT, Change
from fieldtool.replay.golden_report import AsJson, InWords, Sums, json_text, value_text
from tests.fieldtool.golden_lines import Found, line, telegram


def differences(*pairs: tuple[bytes, bytes]) -> Iterator[Difference]:
    yield from Found(b"".join(one for one, _ in pairs), [other for _, other in pairs]).differences


def test_only_some_of_each_kind_are_shown() -> None:
    pairs = [(line(number), line(number, profile="x", outcome="damaged")) for number in range(20)]
    words, sums = InWords(3), Sums()
    shown = list[str]()
    for one in differences(*pairs):
        sums.add(one)
        shown += words.lines(one)
    assert len(shown) == 6
    assert shown[0] == 'line 1  KAM 00000000  access 0  outcome: "ok" → "damaged"'
    text = list(words.summary(sums, 0, whole=True))
    assert text[0] == "34 further differences not shown: --all-differences shows them"
    assert "       20  changed  profile" in text
    assert "       20        0      0  x" in text
    assert len(list(InWords(None).lines(one))) == 2


def test_long_values_are_shown_where_they_differ() -> None:
    (one,) = differences((line(1, problem="a" * 300 + "b" + "c" * 200), line(1, problem="a" * 300 + "d" + "c" * 200)))
    (text,) = InWords().lines(one)
    assert text.endswith(" → …" + "a" * 15 + "d" + "c" * 42 + "…")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"12.3450", "12.3450"),
        ({"quantity": "volume", "value": b"1.50", "unit": "m3"}, "1.50 m3"),
        ({"rung": "key", "state": "passed"}, "passed"),
        ("a\u202eb", '"a\\u202eb"'),
        (None, "null"),
        ([True, False], "[true, false]"),
    ],
)
def test_values_in_words(value: object, text: str) -> None:
    assert value_text(value) == text


def test_numbers_in_json_are_as_they_were_written() -> None:
    assert json_text({"a": [b"12.3450", b"1e5"]}) == '{"a": [12.3450, 1e5]}'


def test_a_change_says_which_side_has_a_member() -> None:
    (both, missing, new) = (
        json.loads(next(iter(AsJson().lines(Difference(1, telegram(1), telegram(1), (change,))))))
        for change in (
            Change(("profile",), "", None, "x"),
            Change(("profile",), "", None, ABSENT),
            Change(("profile",), "", ABSENT, None),
        )
    )
    assert (both["kind"], both["golden"], both["now"]) == ("changed", None, "x")
    assert (missing["kind"], missing["golden"], "now" in missing) == ("only_in_golden", None, False)
    assert (new["kind"], "golden" in new, new["now"]) == ("new", False, None)
