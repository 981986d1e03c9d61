"""The vault from outside: what goes in comes out, to the right meter, and only while unlocked."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from keystore.errors import (
    AlreadyExists,
    Damaged,
    InUse,
    KeystoreError,
    Locked,
    NotAKeystore,
    NotFound,
    PassphraseRefused,
    StorageFailed,
    WrongPassphrase,
)
from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership, Provenance, SignatureState
from keystore.vault import PutVerdict, Vault, VaultSettings
from tests.keystore.made_up import CHEAP, NOON, PASSPHRASE, address_of, key_of, record_of


def full_record() -> KeyRecord:
    """A record with every field away from its default."""
    return KeyRecord(
        number="21N001052",
        role=KeyRole.OTHER,
        value=key_of("full"),
        role_detail="optical head ä",
        manufacturer="INT",
        version=7,
        medium_code=0x16,
        serial="21N-001052",
        dev_eui="70b3d5e75e000001",
        join_eui="70b3d5e75e000002",
        label="cellar, left",
        meter_type="water",
        type_number="02146C0K879",
        config_number="1234567890123",
        order="4711  3",
        batch_reference="B7",
        status=KeyStatus.SUPERSEDED,
        source=Provenance("csv", "k.csv", "ab" * 32, "inner.csv", 12, NOON, SignatureState.NOT_VERIFIED, "me", "CN=x"),
        adapter="10000001",
        adapter_manufacturer="EXA",
        dev_addr="260b0001",
        key_version=3,
        not_before=NOON,
        not_after=NOON + timedelta(days=365),
        confirmed_at=NOON + timedelta(days=1),
        owner="City Works",
        ownership=Ownership.TRANSFERRED,
    )


def test_every_field_of_a_record_comes_back(vault: Vault, store_path: Path) -> None:
    record = full_record()
    defaults = KeyRecord("12345678", no_key=True)
    unlike = {f.name for f in fields(KeyRecord) if getattr(record, f.name) != getattr(defaults, f.name)}
    assert unlike == {f.name for f in fields(KeyRecord)}
    vault.put([record, record_of(1), record_of(2, no_key=True)])
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        assert list(again.records()) == [record, record_of(1), record_of(2, no_key=True)]
        assert again.count == 3


def test_more_records_than_a_page_come_back_in_order(vault: Vault) -> None:
    put = [record_of(number) for number in range(2500)]
    assert vault.put(iter(put)).new == 2500
    assert list(vault.records()) == put


@pytest.mark.parametrize(
    "spelling", ["63001468", "KAM63001468", "kam 63001468", "6300 1468", "63-00-14-68", "KAM-63001468"]
)
def test_a_number_is_found_in_any_spelling(vault: Vault, spelling: str) -> None:
    vault.put([record_of("63001468"), record_of(2)])
    assert vault.find(spelling) == [record_of("63001468")]


def test_serials_and_euis_are_found(vault: Vault) -> None:
    vault.put([full_record(), record_of("00123456", serial="KAM 123456/2021")])
    assert vault.find("21n 001052") == vault.find("70-B3-D5-E7-5E-00-00-01") == [full_record()]
    assert [r.number for r in vault.find("123456")] == ["00123456"]
    assert [r.number for r in vault.find("KAM123456/2021")] == ["00123456"]
    assert vault.find("99999999") == []


def test_putting_twice_stores_once(vault: Vault) -> None:
    assert vault.put([record_of(1), record_of(1)]).verdicts == (PutVerdict.NEW, PutVerdict.SAME)
    assert vault.put([record_of(1, manufacturer=None), record_of(1, manufacturer="KAW")]).same == 2
    assert vault.count == 1


def test_a_different_key_is_kept_beside_the_older_one_and_comes_first(vault: Vault) -> None:
    vault.put([record_of(1)])
    changed = record_of(1, value=key_of("new"))
    result = vault.put([changed, record_of(1, role=KeyRole.GPK, role_detail="1")])
    assert result.verdicts == (PutVerdict.CHANGED, PutVerdict.NEW)
    assert vault.find("1", role=KeyRole.WMBUS_DEK) == [changed, record_of(1)]
    assert [key.value for key in vault.keys_for(address_of(1))] == [key_of("new"), key_of("00000001")]


def test_another_makers_meter_with_the_same_number_is_no_conflict(vault: Vault) -> None:
    other = record_of(1, manufacturer="ELS", value=key_of("els"))
    assert vault.put([record_of(1), other]).verdicts == (PutVerdict.NEW, PutVerdict.NEW)
    assert vault.find("1", "ELS") == [other, record_of(1)]
    assert [key.value for key in vault.keys_for(address_of(1, "ELS"))] == [key_of("els"), key_of("00000001")]


def test_a_kamstrup_meter_that_sends_as_kaw_finds_its_key_first(vault: Vault) -> None:
    vault.put([record_of(1), record_of(1, manufacturer="ELS", value=key_of("els"))])
    assert vault.keys_for(address_of(1, "KAW"))[0].value == key_of("00000001")


def test_only_usable_radio_keys_are_handed_to_the_decoder(vault: Vault) -> None:
    vault.put(
        [
            record_of(1, role=KeyRole.GPK),
            record_of(1, value=key_of("revoked"), status=KeyStatus.REVOKED),
            record_of(1, value=key_of("active")),
            record_of(1, value=key_of("old"), status=KeyStatus.SUPERSEDED),
            record_of(1, no_key=True),
        ]
    )
    keys = vault.keys_for(address_of(1))
    assert [key.value for key in keys] == [key_of("active"), key_of("old")]
    assert keys[0].label == "KAM wmbus_dek from meters.zip.kem2"


def test_cached_answers_follow_this_and_other_connections(vault: Vault, store_path: Path) -> None:
    assert vault.keys_for(address_of(1)) == ()
    vault.put([record_of(1)])
    assert len(vault.keys_for(address_of(1))) == 1
    with Vault.open(store_path) as other:
        other.unlock(PASSPHRASE)
        other.put([record_of(1, value=key_of("other"))])
        assert len(vault.keys_for(address_of(1))) == 2
        other.remove("1")
    assert vault.keys_for(address_of(1)) == ()


def test_removal_is_narrowed(vault: Vault) -> None:
    records = [record_of(1), record_of(1, role=KeyRole.GPK), record_of(1, value=key_of("new")), record_of(2)]
    vault.put(records)
    assert vault.remove("1", role=KeyRole.GPK) == 1
    assert vault.remove("1", manufacturer="ELS") == 0
    assert vault.remove("1", key_check_value=records[0].key_check_value.upper()) == 1
    assert list(vault.records()) == [records[2], records[3]]
    assert vault.remove("1") == 1
    assert vault.verify().ok


def test_a_failing_source_of_records_leaves_nothing_behind(vault: Vault) -> None:
    def rows() -> list[KeyRecord]:
        raise UnicodeDecodeError("utf-8", b"x", 0, 1, "the file is gone")

    vault.put([record_of(1)])
    before = vault.generation
    with pytest.raises(UnicodeDecodeError, match="gone"):
        vault.put(record for part in ([record_of(2)], None) for record in (part or rows()))
    assert (vault.count, vault.generation) == (1, before)
    assert vault.verify().ok


def test_a_dry_run_says_what_would_happen_and_changes_nothing(vault: Vault) -> None:
    vault.put([record_of(1)])
    before = vault.generation
    result = vault.put([record_of(1), record_of(2), record_of(2), record_of(1, value=key_of("x"))], dry_run=True)
    assert (result.new, result.same, result.changed) == (1, 2, 1)
    assert (vault.count, vault.generation) == (1, before)


def test_a_locked_vault_gives_nothing(vault: Vault) -> None:
    vault.put([record_of(1)])
    listing = vault.records()
    vault.lock()
    assert vault.is_locked
    for use in (
        lambda: vault.find("1"),
        lambda: vault.keys_for(address_of(1)),
        lambda: vault.put([]),
        lambda: vault.count,
        lambda: vault.verify(),
        lambda: vault.remove("1"),
        lambda: next(vault.records()),
        lambda: next(listing),
    ):
        with pytest.raises(Locked):
            use()
    vault.unlock(PASSPHRASE)
    assert vault.find("1") == [record_of(1)]


def test_a_wrong_passphrase_is_told_and_leaves_the_vault_locked(vault: Vault, store_path: Path) -> None:
    with Vault.open(store_path) as locked:
        with pytest.raises(WrongPassphrase) as caught:
            locked.unlock("canary-passphrase")
        assert "canary" not in str(caught.value) + caught.value.hint + repr(caught.value)
        assert locked.is_locked


def test_composed_and_decomposed_passphrases_are_the_same(store_path: Path) -> None:
    Vault.create(store_path, "schl\u00fcssel", CHEAP).close()
    with Vault.open(store_path) as again:
        again.unlock("schlu\u0308ssel")
        assert again.count == 0


def test_changing_the_passphrase_keeps_the_data(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    with pytest.raises(WrongPassphrase):
        vault.slots.change_passphrase("not it", "new words", CHEAP)
    with pytest.raises(PassphraseRefused):
        vault.slots.change_passphrase(PASSPHRASE, "", CHEAP)
    vault.slots.change_passphrase(PASSPHRASE, "new words", CHEAP)
    assert vault.find("1") == [record_of(1)]
    with Vault.open(store_path) as again:
        with pytest.raises(WrongPassphrase):
            again.unlock(PASSPHRASE)
        again.unlock("new words")
        assert again.verify().ok
        assert again.find("1") == [record_of(1)]


def test_what_a_store_says_of_itself_locked(vault: Vault, store_path: Path) -> None:
    with Vault.open(store_path) as locked:
        info = locked.info
    assert (info.format_version, info.slots, len(info.store_id)) == (1, ("passphrase",), 32)
    assert info.size_bytes == store_path.stat().st_size


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_only_the_owner_can_read_any_file_of_a_store(store_path: Path) -> None:
    before = os.umask(0)
    try:
        with Vault.create(store_path.parent / "new" / "keys.store", PASSPHRASE, CHEAP) as vault:
            seen: set[tuple[str, int]] = set()

            def rows() -> object:
                for number in range(3000):
                    if number % 1000 == 999:
                        folder = (store_path.parent / "new").iterdir()
                        seen.update((file.name, stat.S_IMODE(file.stat().st_mode)) for file in folder)
                    yield record_of(number)

            vault.put(rows())  # type: ignore[arg-type]
    finally:
        os.umask(before)
    assert seen == {("keys.store", 0o600), ("keys.store-journal", 0o600)}
    assert stat.S_IMODE((store_path.parent / "new").stat().st_mode) == 0o700
    assert [file.name for file in (store_path.parent / "new").iterdir()] == ["keys.store"]


def test_a_store_is_never_made_over_a_file(store_path: Path) -> None:
    store_path.write_bytes(b"precious")
    with pytest.raises(AlreadyExists):
        Vault.create(store_path, PASSPHRASE, CHEAP)
    assert store_path.read_bytes() == b"precious"


def test_what_is_no_store_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(PassphraseRefused):
        Vault.create(tmp_path / "a", "", CHEAP)
    with pytest.raises(NotFound):
        Vault.open(tmp_path / "missing")
    with pytest.raises(NotAKeystore, match="is a folder"):
        Vault.open(tmp_path)
    (tmp_path / "text").write_bytes(b"Serial number;OMS key\n" * 100)
    with pytest.raises(NotAKeystore):
        Vault.open(tmp_path / "text")
    (tmp_path / "empty").touch()
    with pytest.raises(Damaged, match="interrupted"):
        Vault.open(tmp_path / "empty")
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE contacts (name)").connection.close()
    with pytest.raises(NotAKeystore):
        Vault.open(tmp_path / "other")
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((StorageFailed, AlreadyExists)):
        Vault.create(tmp_path / "file" / "keys.store", PASSPHRASE, CHEAP)


def test_a_full_disk_is_told_and_nothing_is_half_there(vault: Vault) -> None:
    vault.put([record_of(1)])
    connection = vault._file.connection  # the only way to fill a disk in a test
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFailed, match="disk is full"):
        vault.put(record_of(number) for number in range(2, 5000))
    connection.execute("PRAGMA max_page_count = 1000000")
    assert vault.count == 1
    assert vault.verify().ok


def test_a_read_only_store_can_be_read_but_not_written(vault: Vault) -> None:
    vault.put([record_of(1)])
    vault._file.connection.execute("PRAGMA query_only = ON")  # works for the superuser too, unlike permission bits
    assert vault.find("1") == [record_of(1)]
    with pytest.raises(StorageFailed, match="read-only"):
        vault.put([record_of(2)])


def test_another_process_that_writes_is_named_as_the_reason(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", script, str(store_path)]
    with (
        Vault.open(store_path, settings=VaultSettings(busy_timeout_s=0.05)) as impatient,
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"locked"
        impatient.unlock(PASSPHRASE)
        with pytest.raises(InUse):
            impatient.put([record_of(2)])
        assert impatient.find("1") == [record_of(1)]
        other.communicate()
        assert impatient.put([record_of(2)]).new == 1


def test_several_threads_share_a_vault(vault: Vault) -> None:
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 20):
                vault.put([record_of(number)])
                assert vault.keys_for(address_of(number))[0].value == key_of(f"{number:08d}")
                assert sum(1 for _ in vault.records()) >= 1
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(start,), name=f"put-{start}") for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    assert vault.count == 60
    assert vault.verify().ok


def test_no_key_and_no_serial_stands_in_the_file(vault: Vault, store_path: Path) -> None:
    canary = bytes.fromhex("ca" * 16)
    vault.put([record_of("63001468", value=canary, label="cellar of Mrs Canary"), record_of(2)])
    content = store_path.read_bytes()
    for secret in (canary, canary.hex().encode(), b"63001468", b"Canary", b"meters.zip", PASSPHRASE.encode()):
        assert secret not in content


def test_no_key_is_shown_by_repr_or_errors(vault: Vault, store_path: Path) -> None:
    canary = bytes.fromhex("ca" * 16)
    vault.put([record_of(1, value=canary)])
    shown = [repr(vault), repr(vault.find("1")), str(vault.find("1")), repr(vault.keys_for(address_of(1)))]
    shown += [repr(vault.info), repr(vault.verify())]
    with pytest.raises(KeystoreError) as caught:
        Vault.create(store_path, PASSPHRASE, CHEAP)
    shown += [repr(caught.value), caught.value.message, caught.value.hint]
    connection = sqlite3.connect(store_path)
    with connection:
        connection.execute("UPDATE item SET sealed = zeroblob(length(sealed)) WHERE kind = 2")
    connection.close()
    with pytest.raises(Damaged) as damaged:
        vault.find("1")
    shown += [repr(damaged.value), damaged.value.message, damaged.value.hint]
    for text in shown:
        assert canary.hex() not in text.lower().replace("\\x", "")
        assert PASSPHRASE not in text
