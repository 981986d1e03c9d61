"""The journal of key changes: begun and settled in one transaction each, both keys usable in between, no key shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keystore.errors import AlreadyExists, Damaged, NewerFormat, NotFound
from keystore.key_change import ChangeNote, KeyChange, decode_changes, encode_changes
from keystore.model import KeyRecord, KeyRole, KeyStatus
from keystore.vault import Vault
from protocols.model import Address
from tests.keystore.made_up import PASSPHRASE

METER = Address.of("KAM", "63001468", 0x1B, 0x16)
OTHER = Address.of("ELS", "12345678", 0x01, 0x07)
OLD, NEW = bytes(range(16)), bytes(range(16, 32))
AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
CHANGE = KeyChange(METER, KeyRole.WMBUS_DEK, OLD, NEW, AT, "anna", "0123")
NOTE = ChangeNote("meter_action", "KAM 63001468", {"action": "change-key"})


@pytest.fixture
def filed(vault: Vault) -> KeyRecord:
    record = KeyRecord(number=METER.number, value=OLD, manufacturer="KAM", label="cellar", adapter="00112233")
    vault.put([record, replace(record, number=OTHER.number, manufacturer="ELS", value=bytes([7]) * 16)])
    return record


def states(vault: Vault) -> dict[bytes, KeyStatus]:
    return {record.value: record.status for record in vault.find(METER.number)}


def test_both_keys_are_usable_while_a_change_is_open(vault: Vault, store_path: Path, filed: KeyRecord) -> None:
    vault.key_changes.begin(CHANGE, filed, NOTE)
    assert [key.value for key in vault.keys_for(METER)] == [OLD, NEW]
    assert vault.key_changes.pending_for(replace(METER, version=9)) == CHANGE
    assert vault.key_changes.pending_for(OTHER) is None
    assert states(vault) == {OLD: KeyStatus.ACTIVE, NEW: KeyStatus.SUPERSEDED}
    made = next(record for record in vault.find(METER.number) if record.value == NEW)
    assert (made.source.system, made.source.imported_by, made.label) == ("key_change", "anna", "cellar")
    assert list(vault.audit.entries())[-1].detail == NOTE.detail
    vault.close()
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        assert again.key_changes.pending() == (CHANGE,)
        assert again.verify().ok


@pytest.mark.parametrize(
    ("proved", "kept"),
    [
        (NEW, {NEW: KeyStatus.ACTIVE, OLD: KeyStatus.SUPERSEDED}),
        (OLD, {OLD: KeyStatus.ACTIVE, NEW: KeyStatus.REVOKED}),
    ],
    ids=["the new key", "the old key"],
)
def test_what_the_meter_proves_becomes_the_key(
    vault: Vault, filed: KeyRecord, proved: bytes, kept: dict[bytes, KeyStatus]
) -> None:
    vault.key_changes.begin(CHANGE, filed, NOTE)
    entries = vault.audit.head[0]
    generation = vault.generation
    vault.key_changes.settle(CHANGE, proved, 4, NOTE)
    assert vault.generation == generation + 1
    assert vault.audit.head[0] == entries + 1
    assert states(vault) == kept
    assert vault.key_changes.pending() == ()
    assert vault.keys_for(METER)[0].value == proved
    record = next(one for one in vault.find(METER.number) if one.value == proved)
    assert record.key_version == 4
    assert record.confirmed_at is not None
    assert [key.value for key in vault.keys_for(OTHER)] == [bytes([7]) * 16]
    with pytest.raises(NotFound, match="settled already"):
        vault.key_changes.settle(CHANGE, proved, 4, NOTE)
    assert vault.verify().ok


def test_a_key_that_was_removed_meanwhile_is_filed_again(vault: Vault, filed: KeyRecord) -> None:
    vault.key_changes.begin(CHANGE, filed, NOTE)
    vault.remove(METER.number)
    vault.key_changes.settle(CHANGE, NEW, None, NOTE)
    assert states(vault) == {NEW: KeyStatus.ACTIVE}


def test_only_one_change_of_a_meter_is_open(vault: Vault, filed: KeyRecord) -> None:
    vault.key_changes.begin(CHANGE, filed, NOTE)
    before = vault.generation
    with pytest.raises(AlreadyExists, match="KAM 63001468 is not settled yet"):
        vault.key_changes.begin(replace(CHANGE, new_key=bytes([9]) * 16), filed, NOTE)
    assert vault.generation == before
    assert states(vault) == {OLD: KeyStatus.ACTIVE, NEW: KeyStatus.SUPERSEDED}


def test_a_third_key_puts_both_aside(vault: Vault, filed: KeyRecord) -> None:
    third = bytes([3]) * 16
    vault.key_changes.begin(CHANGE, filed, NOTE)
    vault.put([replace(filed, value=third)])
    vault.key_changes.settle(CHANGE, third, None, NOTE)
    assert states(vault) == {third: KeyStatus.ACTIVE, OLD: KeyStatus.SUPERSEDED, NEW: KeyStatus.SUPERSEDED}


def test_a_change_shows_no_key() -> None:
    for key in (OLD, NEW):
        assert key.hex() not in repr(CHANGE)
        assert repr(key)[2:-1] not in repr(CHANGE)
    with pytest.raises(ValueError, match="from one key to another"):
        replace(CHANGE, new_key=OLD)


def test_a_journal_that_cannot_be_read_is_named() -> None:
    whole = encode_changes((CHANGE,))
    assert decode_changes(whole) == (CHANGE,)
    for damaged in (b"", b"[]", b"{}", whole[:-1], whole.replace(b"wmbus_dek", b"no_role"), b'{"version": 1}'):
        with pytest.raises(Damaged):
            decode_changes(damaged)
    with pytest.raises(NewerFormat):
        decode_changes(b'{"version": 2}')
