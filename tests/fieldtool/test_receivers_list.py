"""`fieldtool receivers list`: the kinds of receivers as a table that fits 80 columns, whatever kinds there are."""

from __future__ import annotations

from fieldtool.doctor.air import MODES_NAMED
from protocols.receivers.registry import REGISTRY, receiver
from tests.fieldtool.conftest import Run


def test_each_known_receiver_has_a_line_of_its_own(run: Run) -> None:
    said = run("receivers", "list").err.splitlines()
    assert said[0].split() == ["known", "receivers", "mode="]
    rows = said[1 : 1 + len(REGISTRY)]
    assert [row.split()[0] for row in rows] == list(REGISTRY)
    column = said[0].index("mode=")
    for row, kind in zip(rows, REGISTRY, strict=True):
        family = receiver(kind)
        assert family.TITLE in row
        modes = row[column:].split()
        if len(family.MODES) <= MODES_NAMED:
            assert modes == sorted(family.MODES)
        else:
            assert modes[0] == family.DEFAULT_MODE


def test_the_table_fits_a_narrow_terminal(run: Run) -> None:
    assert [line for line in run("receivers", "list").err.splitlines() if len(line) > 80] == []
