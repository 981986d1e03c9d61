"""One meter on its bench, for every test of actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fieldtool.actions.action_bench import Bench, open_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A vault with the meter's key and without a certificate; `enrol` fetches one."""
    with open_bench(tmp_path / "keys.vault") as opened:
        yield opened


@pytest.fixture
def serviced(bench: Bench) -> None:
    """The bench of the test with a certificate of level Service."""
    bench.enrol("service")
