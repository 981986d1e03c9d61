"""Stores written by released versions are read for ever: frozen files, with made-up keys and a cheap passphrase."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from keystore.model import KeyStatus, Ownership
from keystore.vault import Vault, restore_backup
from keystore.vault.primitives import FORMAT_VERSION
from protocols.model import Address
from tests.keystore import independent_reader
from tests.keystore.frozen_stores import (
    ACTIONS_1,
    DOCUMENT,
    FOLDER,
    PASSPHRASE,
    RECOVERY_KEYS,
    SECOND_PASSPHRASE,
    put_1,
)
from tests.keystore.made_up import key_of, record_of

BACKUP_PASSPHRASE = "frozen backup words"


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    return Path(shutil.copy(FOLDER / "format-1.vault", tmp_path / "keys.vault"))


def recovery_key(name: str) -> str:
    lines = dict(line.split(" ", 1) for line in RECOVERY_KEYS.read_text(encoding="ascii").splitlines())
    return lines[name]


def test_there_is_a_frozen_store_of_every_format() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.vault") if re.fullmatch(r"format-\d+", path.stem)) == [
        f"format-{version}.vault" for version in range(1, FORMAT_VERSION + 1)
    ]


@pytest.mark.parametrize("way", ["passphrase", "second passphrase", "recovery key"])
def test_format_1_is_read(frozen: Path, way: str) -> None:
    credentials = {
        "passphrase": PASSPHRASE,
        "second passphrase": SECOND_PASSPHRASE,
        "recovery key": recovery_key("format-1.vault"),
    }
    with Vault.open(frozen) as vault:
        vault.unlock(credentials[way])
        report = vault.verify()
        assert (report.ok, report.sealed, report.records) == (True, True, 7)
        assert tuple(entry.action for entry in vault.audit.entries()) == ACTIONS_1
        assert vault.documents.read("wallet") == DOCUMENT
        first = vault.find("KAM 63001468")
        assert [(record.value, record.status) for record in first] == [
            (key_of("63001468"), KeyStatus.ACTIVE),
            (key_of("newer"), KeyStatus.SUPERSEDED),
        ]
        assert first[0].source == put_1()[0][0].source
        assert vault.find("63001475")[0].ownership is Ownership.TRANSFERRED
        assert vault.find("63001482")[0].no_key
        assert vault.find("63001499") == []
        assert vault.find("63001505")[0].is_listing
        assert vault.find("70-B3-D5-E7-5E-00-00-01") == [put_1()[1][2]]
        (key,) = vault.keys_for(Address.of("EXA", "10000009", 1, 0x37))
        assert key.value == key_of("12345678")


def test_format_1_is_written_on(frozen: Path) -> None:
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        vault.put([record_of(1)])
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.verify().ok
        assert vault.count == 8


def test_the_second_reader_reads_format_1() -> None:
    contents = independent_reader.read_store(FOLDER / "format-1.vault", PASSPHRASE)
    assert contents.sealed
    assert len(contents.records) == 7
    assert [entry["action"] for entry in contents.audit] == list(ACTIONS_1)


def test_a_frozen_backup_is_restored(tmp_path: Path) -> None:
    report = restore_backup(FOLDER / "format-1.backup", BACKUP_PASSPHRASE, tmp_path / "keys.vault")
    assert report.records == 7
    with Vault.open(tmp_path / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        assert vault.verify().ok
