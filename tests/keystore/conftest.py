"""Stores that unlock fast, and records to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keystore.vault import Vault
from tests.keystore.made_up import CHEAP, PASSPHRASE, key_of, record_of


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "keys.store"


@pytest.fixture
def vault(store_path: Path) -> Iterator[Vault]:
    with Vault.create(store_path, PASSPHRASE, CHEAP) as created:
        yield created


@pytest.fixture
def filled(vault: Vault, store_path: Path) -> Path:
    """A store of two writes: numbers 0 to 9, then a second key of number 3; closed."""
    vault.put(record_of(number) for number in range(10))
    vault.put([record_of(3, value=key_of("second"))])
    vault.close()
    return store_path
