"""Rows of a list in a file: number, label, and under a heading the meter's own link and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldtool.errors import InputError
from fieldtool.report.expected import rows_of_list


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("KAM 12 34 56 78;flat 1\n", [(1, "KAM", "12345678", "flat 1", "", "")]),
        (
            "meter;at;set\n12345678;mbus+socket://10.0.0.5:10001;K-1\n",
            [(2, None, "12345678", "", "mbus+socket://10.0.0.5:10001", "K-1")],
        ),
        (
            "gizmo;at;flat\n12345678;optical:///dev/ttyUSB0;flat 1\n",
            [(2, None, "12345678", "flat 1", "optical:///dev/ttyUSB0", "")],
        ),
        (
            "number\tflat\tSet\n12345678\tflat 1\t5\n12345679\tflat 2\n",
            [(2, None, "12345678", "flat 1", "", "5"), (3, None, "12345679", "flat 2", "", "")],
        ),
        ("12345678;flat 1;at;set\n", [(1, None, "12345678", "flat 1", "", "")]),
        ("12345678\n\n12345678\n", [(1, None, "12345678", "", "", ""), (3, None, "12345678", "", "", "")]),
    ],
    ids=["no heading", "link and value", "a heading of their own", "tabs", "no heading, no columns", "twice"],
)
def test_a_row_is_read_with_what_it_names(
    tmp_path: Path, text: str, rows: list[tuple[int, str | None, str, str, str, str]]
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    read = [(line, one.manufacturer, one.number, one.label, one.at, one.value) for line, one in rows_of_list(path)]
    assert read == rows


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("number;name;set\n12345678;flat 1; left;5\n", "line 2 has more cells than there are headings"),
        ("number;set;set\n12345678;5;6\n", "line 1: the heading 'set' stands there twice"),
    ],
    ids=["a delimiter in a name", "a heading twice"],
)
def test_a_value_that_may_stand_in_another_column_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        rows_of_list(path)
    assert problem in raised.value.message
