"""The frozen store with documents and the generations that wrote them in its header: keys, certificates, sessions."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from fieldtool.kept.session_book import DOCUMENT as SESSIONS_DOCUMENT
from fieldtool.kept.session_document import decode_sessions
from keystore.certificates.certificate_store import DOCUMENT as CERTIFICATES_DOCUMENT
from keystore.certificates.certificate_store import CertificateStore
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.standing import judge, standing_of
from keystore.errors import Damaged
from keystore.key_change import ChangeNote
from keystore.model import KeyStatus
from keystore.vault import Vault, restore_backup
from keystore.vault.header import Header, decode_header
from keystore.vault.key_changes import DOCUMENT as CHANGES_DOCUMENT
from tests.keystore import independent_reader
from tests.keystore.frozen_documents import (
    ACTIONS,
    BACKUP,
    BACKUP_PASSPHRASE,
    CHANGE,
    METER,
    RECORDS,
    REVOKED_TAG,
    STORE,
)
from tests.keystore.frozen_stores import MADE_AT, PASSPHRASE, SECOND_PASSPHRASE
from tests.keystore.made_up import CHEAP, key_of
from tests.keystore.raw_store import raw
from tests.keystore.test_frozen_stores import recovery_key
from tests.protocols.lorawan.lorawan_bench import DEV_EUI

LATER = MADE_AT + timedelta(hours=2)
DOCUMENTS = {CERTIFICATES_DOCUMENT, SESSIONS_DOCUMENT, CHANGES_DOCUMENT}


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORE, tmp_path / "keys.vault"))


def header_of(path: Path) -> Header:
    with raw(path) as connection:
        (body,) = connection.execute("SELECT body FROM header").fetchone()
    return decode_header(body)


def document_rows(path: Path) -> dict[str, int]:
    with raw(path) as connection:
        rows = connection.execute(
            "SELECT lower(hex(lookup.term)), item.generation FROM lookup JOIN item ON item.id = lookup.item "
            "WHERE item.kind = 3"
        ).fetchall()
    return dict(rows)


def test_the_header_says_which_generation_wrote_each_document() -> None:
    written = dict(header_of(STORE).documents)
    assert len(written) == len(DOCUMENTS)
    assert written == document_rows(STORE)
    assert len(set(written.values())) == len(DOCUMENTS)


@pytest.mark.parametrize("way", ["passphrase", "recovery key"])
def test_keys_and_the_open_change_of_one_are_read(frozen: Path, way: str) -> None:
    with Vault.open(frozen) as vault:
        vault.unlock({"passphrase": PASSPHRASE, "recovery key": recovery_key(STORE.name)}[way])
        report = vault.verify()
        assert (report.ok, report.sealed, report.records) == (True, True, len(RECORDS) + 1)
        assert tuple(entry.action for entry in vault.audit.entries()) == ACTIONS
        assert vault.key_changes.pending() == (CHANGE,)
        assert [key.value for key in vault.keys_for(METER)] == [key_of(METER.number), key_of("next")]
        (device,) = vault.find(DEV_EUI)
        assert (device.value, device.join_eui) == (RECORDS[2].value, RECORDS[2].join_eui)


def test_the_certificates_are_read(frozen: Path) -> None:
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        wallet = CertificateStore(vault.documents).load()
    assert [request.tag for request in wallet.requests] == ["cora"]
    assert wallet.latest_seen == MADE_AT
    assert standing_of(wallet, LATER).title == "Commissioner"
    (revoked,) = [one for one in wallet.credentials if one.tag == REVOKED_TAG]
    with pytest.raises(CertificateRejected, match="revoked"):
        judge(wallet, revoked, LATER)
    assert wallet.requests[0].key.sign(b"text")


def test_the_sessions_are_read(frozen: Path) -> None:
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        data = vault.documents.read(SESSIONS_DOCUMENT)
    assert data is not None
    (session,) = decode_sessions(data).sessions
    assert (session.keys.dev_eui, session.joined, session.fcnt_up) == (DEV_EUI, True, 1)


def test_what_is_written_is_noted_and_the_rest_stays(frozen: Path) -> None:
    before = dict(header_of(frozen).documents)
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        vault.slots.add_passphrase(PASSPHRASE, SECOND_PASSPHRASE, CHEAP, label="office")
        assert dict(header_of(frozen).documents) == before
        vault.key_changes.settle(CHANGE, CHANGE.new_key, None, ChangeNote("meter_action", "KAM 63001468", {}))
    with Vault.open(frozen) as vault:
        vault.unlock(SECOND_PASSPHRASE)
        assert vault.verify().ok
        assert vault.key_changes.pending() == ()
        (active,) = [one for one in vault.find(METER.number) if one.status is KeyStatus.ACTIVE]
        assert active.value == CHANGE.new_key
    after = dict(header_of(frozen).documents)
    assert after == document_rows(frozen)
    (changed,) = [term for term in before if before[term] != after[term]]
    assert after[changed] > before[changed]


def test_an_older_row_of_its_certificates_is_refused(frozen: Path) -> None:
    with raw(frozen) as connection:
        old = connection.execute("SELECT id, generation, sealed FROM item WHERE kind = 3 ORDER BY id").fetchall()
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        store = CertificateStore(vault.documents)
        store.change(lambda wallet: (wallet.seen(LATER), None, ()))
    with raw(frozen) as connection:
        for item, generation, sealed in old:
            connection.execute("UPDATE item SET generation = ?, sealed = ? WHERE id = ?", (generation, sealed, item))
    with Vault.open(frozen) as vault:
        vault.unlock(PASSPHRASE)
        with pytest.raises(Damaged, match="put back"):
            CertificateStore(vault.documents).load()


def test_the_second_reader_reads_it() -> None:
    contents = independent_reader.read_store(STORE, PASSPHRASE)
    assert contents.sealed
    assert len(contents.records) == len(RECORDS) + 1
    assert [entry["action"] for entry in contents.audit] == list(ACTIONS)


def test_its_backup_is_restored_with_its_documents(tmp_path: Path) -> None:
    report = restore_backup(BACKUP, BACKUP_PASSPHRASE, tmp_path / "keys.vault")
    assert report.records == len(RECORDS) + 1
    with Vault.open(tmp_path / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        assert vault.verify().ok
        assert standing_of(CertificateStore(vault.documents).load(), LATER).title == "Commissioner"
        assert vault.key_changes.pending() == (CHANGE,)
