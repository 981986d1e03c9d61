"""Screens are waited for in shorter steps than the library's: it looks every 20 ms whether the program is at rest."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _look_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.005)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 0.0005)
