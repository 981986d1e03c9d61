"""A small part of `make fuzz-import`, always the same."""

from __future__ import annotations

from itertools import islice

import pytest

from keystore.formats import READERS, open_export
from tests.fuzz.key_file_checks import check_files
from tests.fuzz.key_files import cases, seeds
from tests.keystore.made_up import NOON

pytest.importorskip("openpyxl")


def test_any_change_of_any_format_is_rows_or_one_refusal() -> None:
    found = check_files(islice(cases(2026), 3_000))
    assert found.files == 3_000
    assert found.outcomes["read"] > 300
    assert len(found.outcomes) > 6


def test_there_is_a_good_file_of_every_format() -> None:
    from keystore.formats import ReadOptions

    systems = set()
    for seed in seeds():
        if seed.password is not None:
            stream = open_export(seed.data, "x", ReadOptions(password=seed.password), imported_at=NOON)
            assert list(stream.rows)
            systems.add(stream.source.system)
    names = {"kem", "kem2", "csv", "elvaco_csv"} | set(READERS) - {"age", "zip"}
    assert systems == names - {"csv"}
