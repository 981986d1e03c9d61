"""What is replayed against a golden: files, members, and lines that are missing or extra."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.errors import InputError
from fieldtool.replay import golden as golden_module
from fieldtool.replay.alignment import common, common_closely
from fieldtool.replay.golden import Comparison, Difference, Kind, kind_of
from fieldtool.replay.golden_file import LINE_LIMIT, GoldenFile, open_golden
from fieldtool.replay.golden_members import ABSENT, Change, Ignored, changes, parse_telegram
from fieldtool.replay.golden_report import NAMES, AsJson, InWords, Sums, json_text, value_text


def telegram(number: int, **members: object) -> dict[str, Any]:
    """A telegram with a frame of its own."""
    return {
        "ok": True,
        "outcome": "ok",
        "received": {"at": f"2026-11-20T08:00:00.{number % 1000:03}Z", "source": "air"},
        "meter": {"manufacturer": "KAM", "number": f"{number % 7:08}", "version": 27, "medium": "cold water"},
        "security": {"access_number": number % 256},
        "profile": "kamstrup_water",
        "readings": [{"name": "total_volume", "value": number, "unit": "m3", "storage": 0}],
        **members,
        "hex": f"{number:08X}",
    }


def line(number: int, **members: object) -> bytes:
    return json.dumps(telegram(number, **members)).encode() + b"\n"


class Found:
    """What a comparison told of."""

    def __init__(self, golden: bytes, now: Sequence[bytes], ignore: Sequence[str] = (), block: int = 50) -> None:
        self.differences: list[Difference] = []
        self.bad: list[tuple[int, str]] = []
        self.ignored = Ignored(ignore)
        file = GoldenFile(io.BufferedReader(io.BytesIO(golden)), "golden")
        self.comparison = Comparison(
            file, self.ignored, self.differences.append, lambda n, why: self.bad.append((n, why))
        )
        for start in range(0, len(now), block):
            lines = now[start : start + block]
            text = bytearray(b"".join(lines))
            with memoryview(text) as view:
                self.comparison.add([view[: len(now[start])], view[len(now[start]) :]], len(lines))
            text[:] = b"x" * len(text)  # gone, as text in shared memory is
        self.comparison.end()

    @property
    def kinds(self) -> Counter[str]:
        told: Counter[str] = Counter(equal=self.comparison.equal)
        for one in self.differences:
            told["different" if one.changes else "missing" if one.now is None else "extra"] += 1
        return +told

    @property
    def changes(self) -> list[tuple[str, str, object, object]]:
        return [
            (kind_of(change).value, ".".join(change.path), change.golden, change.now)
            for one in self.differences
            for change in one.changes
        ]


# Alignment


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.lists(st.sampled_from("abcde"), max_size=30))
def test_pairs_rise_and_are_as_many_as_can_be(one: list[str], other: list[str]) -> None:
    pairs = common(one, other)
    assert all(one[a] == other[b] for a, b in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    longest = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for a in range(len(one)):
        for b in range(len(other)):
            same = one[a] == other[b]
            longest[a + 1][b + 1] = longest[a][b] + 1 if same else max(longest[a][b + 1], longest[a + 1][b])
    assert len(pairs) == longest[-1][-1]


def test_a_key_that_comes_a_thousand_times_is_matched_near_its_place() -> None:
    assert common(["a"] * 2000, ["a"] * 2000) == [(place, place) for place in range(2000)]


def test_of_repeated_frames_those_of_one_time_belong_together() -> None:
    golden = [("A", 2), ("B", 3), ("A", 4)]
    now = [("A", 1), ("A", 2), ("B", 3), ("A", 9)]
    assert common_closely(golden, now) == [(0, 1), (1, 2), (2, 3)]


EDITS = st.lists(st.tuples(st.integers(0, 299), st.sampled_from(["delete", "insert", "change"])), max_size=40)


@given(EDITS, st.integers(1, 120), st.booleans())
def test_exactly_the_lines_that_were_edited_are_told(
    edits: list[tuple[int, str]], block: int, with_small_windows: bool
) -> None:
    edit = dict(edits)
    golden, now = list[bytes](), list[bytes]()
    wanted: Counter[str] = Counter()
    missing, extra, changed = set[str](), set[str](), set[str]()
    for number in range(300):
        golden.append(line(number))
        match edit.get(number):
            case None:
                now.append(line(number))
                wanted["equal"] += 1
            case "delete":
                missing.add(f"{number:08X}")
            case "insert":
                now += [line(number), line(number + 5000)]
                wanted["equal"] += 1
                extra.add(f"{number + 5000:08X}")
            case "change":
                now.append(line(number, profile="other"))
                changed.add(f"{number:08X}")
    wanted.update(missing=len(missing), extra=len(extra), different=len(changed))
    with pytest.MonkeyPatch.context() as patch:
        if with_small_windows:
            patch.setattr(golden_module, "WINDOWS", (8, 100))
        found = Found(b"".join(golden), now, block=block)
    assert found.kinds == +wanted
    assert {str(one.telegram["hex"]) for one in found.differences if one.now is None} == missing
    assert {str(one.telegram["hex"]) for one in found.differences if one.golden is None} == extra
    assert {str(one.telegram["hex"]) for one in found.differences if one.changes} == changed


@given(st.lists(st.integers(0, 3), max_size=40), st.sets(st.integers(0, 39)), st.integers(1, 50))
def test_repeated_frames_without_times_are_told_no_more_often_than_lines_were_deleted(
    numbers: list[int], deleted: set[int], block: int
) -> None:
    lines = [line(number, received=None) for number in numbers]
    now = [text for place, text in enumerate(lines) if place not in deleted]
    kinds = Found(b"".join(lines), now, block=block).kinds
    assert kinds == +Counter(equal=len(now), missing=len(lines) - len(now))


@pytest.mark.parametrize("count", [40, 1000, 3000])
def test_a_long_run_of_lines_that_are_missing_or_extra(count: int) -> None:
    lines = [line(number) for number in range(count + 500)]
    less = [*lines[:100], *lines[100 + count :]]
    assert Found(b"".join(lines), less).kinds == Counter(equal=500, missing=count)
    assert Found(b"".join(less), lines).kinds == Counter(equal=500, extra=count)


def test_another_capture_altogether() -> None:
    golden = b"".join(line(number) for number in range(600))
    found = Found(golden, [line(number) for number in range(5000, 5500)])
    assert found.kinds == Counter(missing=600, extra=500)


def test_where_extra_telegrams_stand() -> None:
    lines = [line(number) for number in range(100)]
    found = Found(b"".join([*lines[:10], *lines[11:99]]), lines)
    assert [(one.line, one.golden) for one in found.differences] == [(11, None), (99, None)]


def test_a_golden_without_times_or_of_a_recording() -> None:
    """`listen --json` names the receiver, `decode --jsonl` has no time."""
    golden = b"".join(line(number, received={"at": None, "source": "stick"}) for number in range(200) if number != 50)
    now = [line(number) for number in range(200)]
    found = Found(golden, now, ["received"])
    assert found.kinds == Counter(equal=199, extra=1)
    found = Found(golden, now)
    assert found.kinds == Counter(different=199, extra=1)
    assert {name for _, name, _, _ in found.changes} == {"received.at", "received.source"}


# Members


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


def reading(name: str, value: int, **members: object) -> dict[str, object]:
    return {"name": name, "value": value, "unit": "m3", "storage": 0, "tariff": 0, "source": "0413", **members}


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


# Files


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"garbage", "not JSON: Expecting value at character 1"),
        (b'{"hex": "00"', "not JSON: Expecting ',' delimiter at character 13"),
        (b"[" * 10_000, "not JSON: nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not JSON: nested too deeply"),
        (b'{"hex": "00", "outcome": "ok", "x": NaN}', "not JSON: NaN is no number"),
        (b'{"hex": "00", "hex": "01", "outcome": "ok"}', "'hex' stands in one object twice"),
        (
            b'{"hex": "00", "outcome": "ok", "x": {"\\u001b[2J": 1, "\\u001b[2J": 1}}',
            "'�[2J' stands in one object twice",
        ),
        (b'{"hex": "00", "outcome": "\xff"}', "not UTF-8 text"),
        (b'{"hex": null, "outcome": "ok"}', "no telegram: it has no text `hex`"),
        (b'{"hex": "00"}', "no telegram: it has no text `outcome`"),
        (b"[1]", "no JSON object"),
        (b'{"x": "' + b"A" * 10_000_000 + b'"}', f"longer than {LINE_LIMIT} characters"),
    ],
)
def test_lines_that_are_no_telegram_are_told_and_passed_over(bad: bytes, problem: str) -> None:
    lines = [line(number) for number in range(100)]
    found = Found(b"".join([*lines[:50], bad + b"\n", b"\n", *lines[50:]]), lines)
    assert found.bad == [(51, problem)]
    assert found.kinds == Counter(equal=100)


def test_a_hostile_telegram_is_compared_and_shown() -> None:
    deep: object = "x"
    for _ in range(300):
        deep = {"a": [deep]}
    hostile = {"\x1b]0;owned\x07": 1, "deep": deep, "long": "\x1b[31m" + "y" * 500_000, "profile": "\u202e\ud800"}
    many = [{"name": f"\x1b{number}", "value": 1} for number in range(3000)]
    found = Found(line(1, **hostile, readings=many), [line(1)])
    sums, words, as_json = Sums(), InWords(None), AsJson()
    for one in found.differences:
        sums.add(one)
        shown = [*words.lines(one), *words.summary(sums, 0, whole=True)]
        assert all(text.isprintable() and len(text) < 400 for text in shown)
        objects = [json.loads(text) for text in as_json.lines(one)]
        assert all(text.isascii() and text.isprintable() for text in as_json.lines(one))
        assert {one["member"] for one in objects} >= {"deep", "long", "profile"}
    assert len(sums.by_member) <= NAMES + 1


def test_keys_of_requests_are_neither_compared_nor_shown() -> None:
    found = Found(line(1, key="00112233445566778899AABBCCDDEEFF", keys=["00"]), [line(1)])
    assert found.kinds == Counter(equal=1)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_other_line_ends_a_mark_and_no_last_line_end(end: bytes) -> None:
    lines = [line(number) for number in range(30)]
    golden = b"\xef\xbb\xbf" + end.join(text[:-1] for text in lines)
    found = Found(golden, lines)
    assert (found.kinds, found.comparison.in_full) == (Counter(equal=30), 0)


def test_other_spaces_and_order_are_no_difference() -> None:
    golden = b"".join(
        json.dumps(telegram(number), sort_keys=True, separators=(",", ":")).encode() + b"\n" for number in range(9)
    )
    found = Found(golden, [line(number) for number in range(9)])
    assert (found.kinds, found.comparison.in_full) == (Counter(equal=9), 9)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"244493449409124435087AD904\n", "is it a capture?"),
        (b'{"time": "2026-11-20 08:00:00", "model": "x"}\n', "does not hold telegrams"),
        (b'{\n  "ok": true,\n  "hex": "00"\n}\n', "does not hold telegrams"),
        (b'{"hex": "00", "key": "00112233445566778899AABBCCDDEEFF"}\n', "does not hold telegrams"),
        ("\ufeff{}".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\0\0\0", "is no text"),
    ],
)
def test_files_that_are_no_golden(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "some.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught, open_golden(path):
        pass
    assert problem in caught.value.message
    assert caught.value.hint


def test_a_golden_may_begin_with_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"6 telegrams: 6 ok\n" + line(1))
    with open_golden(path) as golden:
        assert golden.take() == b"6 telegrams: 6 ok"
        assert golden.take() == line(1)[:-1]
        assert golden.take() is None


def test_a_hundred_thousand_lines_in_constant_memory(tmp_path: Path) -> None:
    path, count = tmp_path / "long.jsonl", 100_000
    texts = [line(number) for number in range(400)]
    whole = b"".join(texts)
    with path.open("wb") as file:
        for _ in range(count // len(texts)):
            file.write(whole)
    told: list[Difference] = []
    tracemalloc.start()
    with open_golden(path) as golden:
        comparison = Comparison(golden, Ignored(()), told.append, lambda *_: None)
        for number in range(count // len(texts)):
            if number % 50 == 7:
                comparison.add([b"".join(texts[:-1])], len(texts) - 1)
            else:
                comparison.add([whole], len(texts))
        comparison.end()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert comparison.equal == count - len(told)
    assert [one.line for one in told] == [400 * (number + 1) for number in range(7, 250, 50)]
    assert peak < 16_000_000


# Reports


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
