"""Captures that are JSON, cut into objects wherever the bytes happen to end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.captures import json_objects
from protocols.captures.json_objects import ObjectSplitter, begins_as_json
from protocols.captures.model import OBJECT, BadLine

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('{}[]"\\, \nä', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}[]"\\:', max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text('{}[]"\\', max_size=4), VALUES, max_size=3), max_size=4)


def split(data: bytes, size: int = 1 << 16) -> tuple[list[bytes], list[BadLine]]:
    splitter = ObjectSplitter()
    items = [item for start in range(0, len(data), size) for item in splitter.feed(data[start : start + size])]
    missing = splitter.end()
    bad = [item for item in items if isinstance(item, BadLine)]
    return [item for item in items if isinstance(item, bytes)], [*bad, *([missing] if missing else [])]


@given(OBJECTS, st.integers(1, 40), st.sampled_from([None, 2]), st.booleans(), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_objects_are_found_wherever_the_bytes_are_cut(
    objects: list[dict[str, object]], size: int, indent: int | None, in_array: bool, mark: bytes
) -> None:
    one_by_one = "\n".join(json.dumps(one, indent=indent, ensure_ascii=False) for one in objects)
    text = json.dumps(objects, indent=indent, ensure_ascii=False) if in_array else one_by_one
    found, bad = split(mark + text.encode(), size)
    assert [json.loads(one) for one in found] == objects
    assert not any(b"\n" in one for one in found)
    assert bad == []


@given(st.binary(max_size=60) | st.text('[{}],"\\ab\n', max_size=60).map(str.encode), st.integers(1, 9))
def test_whatever_the_bytes_are_it_ends_the_same_way(data: bytes, size: int) -> None:
    found, bad = split(data, size)
    assert (found, bad) == split(data)
    assert len(bad) <= 1


@pytest.mark.parametrize(
    ("data", "objects", "number", "words"),
    [
        ('[{"a": 1}, {"b": ', 1, 2, "the file ends in the middle of it"),
        ('[{"a": 1}, {"b": "', 1, 2, "the file ends in the middle of it"),
        ('[{"a": 1}, {"b": 2}', 2, 3, "the file ends before its array does"),
        ('{\n"a": 1}}\n{\n"b": 2}', 1, 2, "'}' stands where an object should begin"),
        ('[{"a": 1}, 7, {"b": 2}]', 1, 2, "'7' stands where an object should begin"),
        ('[{"a": 1}, [{"b": 2}]]', 1, 2, "'[' stands where an object should begin"),
        ('[{"a": 1}]\nä', 1, 2, "a character stands where an object should begin"),
    ],
    ids=["cut off", "cut off in a string", "array not closed", "a brace too many", "number", "array", "beyond ASCII"],
)
def test_damage_is_told_once_and_what_came_before_stays(data: str, objects: int, number: int, words: str) -> None:
    found, (bad,) = split(data.encode())
    assert len(found) == objects
    assert (bad.line, bad.unit) == (number, OBJECT)
    assert bad.problem.startswith(words)


def test_arrays_that_were_put_behind_each_other_are_read_on() -> None:
    assert split(b'[{"a":1}]\n[{"b":2},]\n') == ([b'{"a":1}', b'{"b":2}'], [])


@pytest.mark.parametrize("size", [7, 1 << 16])
def test_an_object_that_is_too_long_is_passed_over(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_objects, "OBJECT_LIMIT", 30)
    found, (bad,) = split(b'[{"a":1},{"b":"' + b"x" * 40 + b'"},{"c":2}]', size)
    assert found == [b'{"a":1}', b'{"c":2}']
    assert (bad.line, bad.problem.partition(" ")[0]) == (2, "48")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ('[{"a"', True),
        ('\n [\n  {\n    "a"', True),
        ("[", True),
        ("[]\n", True),
        ('{\n  "a": 1\n}', True),
        ('{"a": {\r\n  "b": 1}}', True),
        ('{"a": 1}\n{"b": 2}\n', False),
        ('{"a": 1},\n{"b": 2},\n', True),
        ('{"a": 1, "b":\n{"a": 2, "b": 3}\n', False),
        ('{"a": 1', False),
        ("[12:34:56][D][wmbus:001]: telegram", False),
        ("[] nothing", False),
        ("2E4493157856341233037A", False),
        ("", False),
    ],
)
def test_a_capture_is_told_by_its_beginning(start: str, expected: bool) -> None:
    assert begins_as_json(start.encode()) is expected
    assert begins_as_json(b"\xef\xbb\xbf" + start.encode()) is expected
