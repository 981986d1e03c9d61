"""Stores that unlock fast, and records to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keystore.vault import KdfParameters, Vault
from tests.keystore.made_up import CHEAP, PASSPHRASE


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "keys.store"


@pytest.fixture
def vault(store_path: Path) -> Iterator[Vault]:
    with Vault.create(store_path, PASSPHRASE, CHEAP) as created:
        yield created


@pytest.fixture
def cheap() -> KdfParameters:
    return CHEAP
