"""One meter on its bench, for every test of actions; a street of meters, for those of lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from keystore.vault import VaultSettings
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench, Clock, open_bench
from tests.fieldtool.actions.street_bench import Street, open_street
from tests.fieldtool.conftest import Run


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A vault with the meter's key and without a certificate; `enrol` fetches one."""
    with open_bench(tmp_path / "keys.vault") as opened:
        yield opened


@pytest.fixture
def serviced(bench: Bench) -> None:
    """The bench of the test with a certificate of level Service."""
    bench.enrol("service")


@pytest.fixture
def street(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    """Meters on one line, a store with their keys and without a certificate, and a list of them."""
    clock = Clock()
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setattr("fieldtool.enrolment.now", lambda: clock())
    # A socket that is closed sleeps; each meter has its own.
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time", SimpleNamespace(sleep=lambda _: None))
    settings = VaultSettings(actor="anna", now=clock)
    monkeypatch.setattr("fieldtool.access.vault_settings", lambda *_: settings)
    with open_street(run, tmp_path, clock) as opened:
        yield opened
