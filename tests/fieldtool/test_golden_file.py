"""Golden files, and what is none."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from fieldtool.errors import InputError
from fieldtool.replay.golden import Comparison, Difference
from fieldtool.replay.golden_file import LINE_LIMIT, open_golden
from fieldtool.replay.golden_members import Ignored
from fieldtool.replay.golden_report import NAMES, AsJson, InWords, Sums
from tests.fieldtool.golden_lines import Found, line, telegram


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"garbage", "not JSON: Expecting value at character 1"),
        (b'{"hex": "00"', "not JSON: Expecting ',' delimiter at character 13"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not JSON: nested too deeply"),
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
        (b"\x1f\x8b\x08\0\0\0", "ends too early: it was cut"),
        (b"\1\0\2", "is no text"),
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
