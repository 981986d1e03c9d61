"""Rows of a list in a file: number, label, and under a heading the meter's own link and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldtool.report.expected import ListRow, rows_of_list


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("KAM 1234.5678;flat 1\n", [ListRow(1, "12345678", "KAM", "flat 1")]),
        (
            "meter;at;set\n12345678;mbus+socket://10.0.0.5:10001;K-1\n",
            [ListRow(2, "12345678", None, "", "mbus+socket://10.0.0.5:10001", "K-1")],
        ),
        (
            "number\tflat\tSet\n12345678\tflat 1\t5\n12345679\tflat 2\n",
            [ListRow(2, "12345678", None, "flat 1", "", "5"), ListRow(3, "12345679", None, "flat 2")],
        ),
        ("12345678;flat 1;at;set\n", [ListRow(1, "12345678", None, "flat 1")]),
        ("12345678\n\n12345678\n", [ListRow(1, "12345678", None, ""), ListRow(3, "12345678", None, "")]),
    ],
    ids=["no heading", "link and value", "tabs and a short row", "no heading, no columns", "twice"],
)
def test_a_row_is_read_with_what_it_names(tmp_path: Path, text: str, rows: list[ListRow]) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    assert rows_of_list(path) == rows
