"""Backup and restore: byte for byte, by a passphrase of its own, and nothing half done."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path

import pytest

from keystore.errors import (
    AlreadyExists,
    Damaged,
    KeystoreError,
    NewerFormat,
    NotAKeystore,
    PassphraseRefused,
    StorageFailed,
    WorkFactorTooHigh,
    WrongPassphrase,
)
from keystore.vault import Vault, VaultSettings, WitnessFolder, read_sealed, restore_backup, write_backup, write_sealed
from keystore.vault.sealed_file import CHUNK_BYTES
from tests.keystore.made_up import CHEAP, PASSPHRASE, record_of

OWN = "the backup's own words"


@pytest.fixture
def backup(vault: Vault, tmp_path: Path) -> Path:
    vault.put(record_of(number) for number in range(300))
    vault.slots.add_recovery(PASSPHRASE)
    vault.remove("7")
    path = tmp_path / "keys.backup"
    write_backup(vault, path, OWN, PASSPHRASE, CHEAP)
    vault.close()
    return path


def test_what_is_restored_is_the_same_file(backup: Path, store_path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    report = restore_backup(backup, OWN, again)
    assert again.read_bytes() == store_path.read_bytes()
    assert report.sha256 == hashlib.sha256(store_path.read_bytes()).hexdigest()
    assert (report.records, report.size_bytes) == (299, store_path.stat().st_size)
    with Vault.open(store_path) as original, Vault.open(again) as restored:
        original.unlock(PASSPHRASE)
        restored.unlock(PASSPHRASE)
        assert list(restored.records()) == list(original.records())
        assert list(restored.audit.entries()) == list(original.audit.entries())
        assert list(restored.audit.entries())[-1].action == "backed_up"
        assert restored.slots.list() == original.slots.list()
        assert restored.verify().ok
        assert restored.verify().sealed
    if os.name != "nt":
        assert stat.S_IMODE(again.stat().st_mode) == stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "keys.backup", "keys.store"]


def test_a_backup_alone_brings_a_store_back_whose_passphrase_is_lost(backup: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    restore_backup(backup, OWN, again, new_passphrase="brand new words", kdf_parameters=CHEAP)
    with Vault.open(again) as restored:
        restored.unlock("brand new words")
        assert restored.count == 299
        assert restored.verify().ok
        assert [slot.kind for slot in restored.slots.list()] == ["passphrase", "recovery", "passphrase"]
        restored.lock()
        restored.unlock(PASSPHRASE)


def test_a_restore_is_in_the_log_and_no_roll_back(backup: Path, store_path: Path, tmp_path: Path) -> None:
    settings = VaultSettings(witness=WitnessFolder(tmp_path / "state"))
    with Vault.open(store_path, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        vault.put([record_of(5000)])
    store_path.unlink()
    restore_backup(backup, OWN, store_path, settings=settings)
    with Vault.open(store_path, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is None
        last = list(vault.audit.entries())[-1]
        assert (last.action, last.detail) == ("restored", {"while_locked": "from keys.backup"})


def test_nothing_is_overwritten_and_nothing_left_behind(backup: Path, store_path: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(AlreadyExists):
        restore_backup(backup, OWN, store_path)
    with pytest.raises(WrongPassphrase):
        restore_backup(backup, "not it at all", tmp_path / "again")
    with pytest.raises(StorageFailed):
        restore_backup(tmp_path / "missing", OWN, tmp_path / "again")
    with pytest.raises(PassphraseRefused):
        restore_backup(backup, OWN, tmp_path / "again", new_passphrase="short")
    with Vault.open(store_path) as vault:
        vault.unlock(PASSPHRASE)
        with pytest.raises(AlreadyExists):
            write_backup(vault, backup, OWN, PASSPHRASE, CHEAP)
        with pytest.raises(PassphraseRefused):
            write_backup(vault, tmp_path / "b", "short", PASSPHRASE, CHEAP)
        with pytest.raises(WrongPassphrase):
            write_backup(vault, tmp_path / "b", OWN, "not it at all", CHEAP)
    assert sorted(tmp_path.iterdir()) == before


def test_every_byte_of_a_backup_matters(backup: Path, tmp_path: Path) -> None:
    original = backup.read_bytes()
    again = tmp_path / "again"
    offsets = {*range(200), *range(200, len(original), max(1, len(original) // 200)), len(original) - 1}
    for offset in sorted(offsets):
        backup.write_bytes(original[:offset] + bytes([original[offset] ^ 0x01]) + original[offset + 1 :])
        with pytest.raises(KeystoreError):
            restore_backup(backup, OWN, again)
        assert not again.exists()
    for content in (b"", original[:100], original[:-1], original + b"x", original[:-20]):
        backup.write_bytes(content)
        with pytest.raises(KeystoreError):
            restore_backup(backup, OWN, again)
    assert not again.exists()


def test_a_file_of_another_purpose_is_no_backup(tmp_path: Path) -> None:
    with (tmp_path / "package").open("wb") as out:
        write_sealed(out, [b"something"], OWN, "hand-over package", CHEAP)
    with pytest.raises(NotAKeystore):
        restore_backup(tmp_path / "package", OWN, tmp_path / "again")
    (tmp_path / "text").write_bytes(b"Serial number;Key\n")
    with pytest.raises(NotAKeystore):
        restore_backup(tmp_path / "text", OWN, tmp_path / "again")


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"\xff" * 100, b"\0\0\0\x02{}" + bytes(64)])
def test_a_sealed_file_with_other_content_is_no_backup(tmp_path: Path, content: bytes) -> None:
    with (tmp_path / "odd").open("wb") as out:
        write_sealed(out, [content], OWN, "keystore backup", CHEAP)
    with pytest.raises(Damaged):
        restore_backup(tmp_path / "odd", OWN, tmp_path / "again")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 7]
)
def test_sealed_files_of_every_length(size: int) -> None:
    plain = os.urandom(size)
    out = io.BytesIO()
    pieces = [plain[start : start + 300_001] for start in range(0, size, 300_001)]
    write_sealed(out, pieces, OWN, "package", CHEAP)
    assert b"".join(read_sealed(io.BytesIO(out.getvalue()), OWN, "package")) == plain


def test_chunks_cannot_be_cut_off_or_swapped() -> None:
    out = io.BytesIO()
    write_sealed(out, [bytes(3 * CHUNK_BYTES)], OWN, "package", CHEAP)
    sealed, size = out.getvalue(), CHUNK_BYTES + 16
    head = len(sealed) - 3 * size
    for changed in (
        sealed[: head + 2 * size],
        sealed[: head + size] + sealed[head + 2 * size :],
        sealed[:head] + sealed[head + size : head + 2 * size] + sealed[head : head + size] + sealed[head + 2 * size :],
        sealed + sealed[-size:],
    ):
        with pytest.raises(KeystoreError):
            list(read_sealed(io.BytesIO(changed), OWN, "package"))


def test_sealed_files_are_capped_and_versioned() -> None:
    out = io.BytesIO()
    write_sealed(out, [b"x"], OWN, "package", CHEAP)
    sealed = out.getvalue()
    with pytest.raises(NewerFormat):
        list(read_sealed(io.BytesIO(sealed[:8] + b"\x02" + sealed[9:]), OWN, "package"))
    hostile = sealed.replace(b'"iterations":1,"lanes":1', b'"iterations":9,"lanes":1').replace(
        b'"memory_kib":64', b'"memory_kib":9999999'
    )
    hostile = hostile[:9] + (int.from_bytes(hostile[9:13]) + len(hostile) - len(sealed)).to_bytes(4) + hostile[13:]
    with pytest.raises(WorkFactorTooHigh):
        list(read_sealed(io.BytesIO(hostile), OWN, "package"))


@pytest.mark.parametrize("name", ["memory_kib", "iterations", "lanes"])
@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e999", "64.5", "true", '"64"', "null", "9" * 30, "-1"])
def test_the_cost_of_a_sealed_file_is_three_whole_numbers(name: str, value: str) -> None:
    costs = {"memory_kib": "64", "iterations": "1", "lanes": "1", name: value}
    listed = ",".join(f'"{key}":{cost}' for key, cost in costs.items())
    header = f'{{"purpose":"package","kdf":"argon2id",{listed},"salt":"{"00" * 16}"}}'.encode()
    sealed = b"FTSEALED\x01" + len(header).to_bytes(4) + header + bytes(64)
    with pytest.raises(Damaged):
        list(read_sealed(io.BytesIO(sealed), OWN, "package"))
