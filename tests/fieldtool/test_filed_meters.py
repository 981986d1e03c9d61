"""The meters of a store as lists show them: how many are filed, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldtool.keys.filed_meters import FiledMeters
from keystore.model import KeyRecord, KeyRole
from keystore.vault import Vault
from tests.fieldtool.conftest import PASSPHRASE

VALUE = bytes(range(16))


def _filed(store: Path, *records: KeyRecord) -> FiledMeters:
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        vault.put(list(records))
        return FiledMeters.of_store(vault)


@pytest.mark.parametrize("maker_first", [True, False])
def test_a_meter_counts_once_whose_keys_are_filed_with_and_without_its_maker(store: Path, maker_first: bool) -> None:
    records = [
        KeyRecord("63001468", value=VALUE, manufacturer="KAM", label="flat 1"),
        KeyRecord("63001468", value=VALUE, role=KeyRole.PK, label="flat 1"),
    ]
    filed = _filed(store, *(records if maker_first else records[::-1]))
    assert filed.meters == 1
    assert filed.label_of(["63001468"], "KAM") == "flat 1"


def test_two_makers_that_give_the_same_number_make_two_meters(store: Path) -> None:
    filed = _filed(
        store,
        KeyRecord("63001468", value=VALUE, manufacturer="KAM", label="flat 1"),
        KeyRecord("63001468", value=VALUE, manufacturer="ELS", label="flat 2"),
        KeyRecord("63001475", value=VALUE),
    )
    assert filed.meters == 3
    assert [filed.label_of(["63001468"], maker) for maker in ("KAM", "ELS")] == ["flat 1", "flat 2"]
