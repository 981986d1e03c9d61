"""What is replayed against a golden: lines that are missing or extra, at any length."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.replay import golden as golden_module
from fieldtool.replay.alignment import common, common_closely
from tests.fieldtool.golden_lines import Found, line


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


@given(st.data())
def test_whatever_is_in_a_golden_each_telegram_is_counted_once(data: st.DataObject) -> None:
    lines = [line(number % 30, received=None) for number in range(60)]
    golden = bytearray(b"".join(lines))
    for _ in range(data.draw(st.integers(0, 12))):
        place = data.draw(st.integers(0, len(golden) - 1))
        size = data.draw(st.sampled_from([0, 1, 1, 100, 2000]))
        golden[place : place + size] = data.draw(st.sampled_from([b"", b"\n", b"0", b'"', b"{", b"\xff", b"\n\n{}\n"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden_module, "WINDOWS", data.draw(st.sampled_from([(4,), (2, 16), (64, 512)])))
        patch.setattr(golden_module, "WINDOW_SIZE", data.draw(st.sampled_from([1, 2000, 1 << 20])))
        found = Found(bytes(golden), lines, block=data.draw(st.integers(1, 60)))
    kinds = found.kinds
    assert kinds["equal"] + kinds["different"] + kinds["extra"] == len(lines)
    unread = len(found.bad) + sum(not text.strip() for text in bytes(golden).splitlines())
    assert kinds["equal"] + kinds["different"] + kinds["missing"] + unread == len(bytes(golden).splitlines())


def test_lines_so_long_that_few_are_held() -> None:
    lines = [line(number, notes=["x" * 300_000]) for number in range(120)]
    found = Found(b"".join(lines), [*lines[:30], *lines[31:]], block=7)
    assert found.kinds == Counter(equal=119, missing=1)
