"""Named documents in the vault: one transaction with the audit log, and nothing half done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keystore.errors import Damaged
from keystore.vault import Vault
from keystore.vault.session import read_header
from keystore.vault.writer import Writer
from tests.keystore.made_up import PASSPHRASE, record_of
from tests.keystore.raw_store import raw


@dataclass(frozen=True)
class Note:
    event: str
    subject: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


def test_a_document_is_made_changed_and_read(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    assert vault.documents.read("wallet") is None
    vault.documents.change("wallet", lambda old: (b"one" + (old or b""), (Note("made", "x", {"a": "b"}),)))
    vault.documents.change("wallet", lambda old: (b"two" + (old or b""), ()))
    vault.documents.change("other", lambda _: (b"\0binary\xff", ()))
    vault.close()
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        assert again.documents.read("wallet") == b"twoone"
        assert again.documents.read("other") == b"\0binary\xff"
        assert again.verify().ok
        assert again.count == 1
        last = list(again.audit.entries())[-1]
        assert (last.action, last.subject, last.detail) == ("made", "x", {"a": "b"})


def test_a_step_that_fails_changes_nothing(vault: Vault) -> None:
    def fail(_: bytes | None) -> tuple[bytes, tuple[Note, ...]]:
        raise ValueError("no")

    vault.documents.change("wallet", lambda _: (b"one", ()))
    before = vault.generation
    with pytest.raises(ValueError, match="no"):
        vault.documents.change("wallet", fail)
    assert (vault.generation, vault.documents.read("wallet")) == (before, b"one")


def test_one_document_does_not_pass_for_another(vault: Vault, store_path: Path) -> None:
    vault.documents.change("wallet", lambda _: (b"one", ()))
    vault.documents.change("other", lambda _: (b"two", ()))
    vault.close()
    with raw(store_path) as connection:
        connection.execute("UPDATE lookup SET item = 3 - item")
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        with pytest.raises(Damaged, match="not its own"):
            again.documents.read("wallet")
        assert not again.verify().ok


def put_back(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Write rows of items as they once were, as somebody can who has the file alone."""
    with raw(path) as connection:
        connection.executemany("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", rows)


def rows_of(path: Path) -> list[tuple[object, ...]]:
    with raw(path) as connection:
        return connection.execute("SELECT id, kind, generation, sealed FROM item").fetchall()


def test_an_older_document_that_was_put_back_is_refused(vault: Vault, store_path: Path) -> None:
    vault.documents.change("other", lambda _: (b"beside", ()))
    vault.documents.change("wallet", lambda _: (b"not revoked", ()))
    older = rows_of(store_path)
    vault.documents.change("wallet", lambda _: (b"revoked", ()))
    vault.put([record_of(1)])
    put_back(store_path, older)
    with pytest.raises(Damaged, match="older"):
        vault.documents.read("wallet")
    assert vault.documents.read("other") == b"beside"
    with pytest.raises(Damaged, match="older"):
        vault.documents.change("wallet", lambda old: (old or b"", ()))
    vault.close()
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        with pytest.raises(Damaged, match="older"):
            again.documents.read("wallet")


def test_a_document_that_was_taken_out_is_missed(vault: Vault, store_path: Path) -> None:
    vault.documents.change("wallet", lambda _: (b"revoked", ()))
    with raw(store_path) as connection:
        connection.execute("DELETE FROM lookup")
        connection.execute("DELETE FROM item")
    with pytest.raises(Damaged, match="missing"):
        vault.documents.read("wallet")


def test_what_is_known_of_documents_outlives_a_change_of_slots(vault: Vault, store_path: Path) -> None:
    vault.documents.change("wallet", lambda _: (b"one", ()))
    older = rows_of(store_path)
    vault.documents.change("wallet", lambda _: (b"two", ()))
    vault.slots.add_recovery(PASSPHRASE)
    assert vault.documents.read("wallet") == b"two"
    put_back(store_path, older)
    with pytest.raises(Damaged, match="older"):
        vault.documents.read("wallet")


def test_what_a_later_program_keeps_in_the_header_outlives_changes_of_documents_and_slots(
    vault: Vault, store_path: Path
) -> None:
    session = vault._session
    assert session is not None
    with session.writing() as writer:
        body = read_header(session.file)[0][:-1] + b',"later":[1,2]}'
        writer.replace_header(body)
    vault.documents.change("wallet", lambda _: (b"one", ()))
    vault.documents.change("other", lambda _: (b"two", ()))
    vault.slots.add_recovery(PASSPHRASE)
    assert b'"later":[1,2]' in read_header(session.file)[0]
    vault.close()
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        assert (again.documents.read("wallet"), again.documents.read("other")) == (b"one", b"two")
        assert again.verify().ok


def test_a_document_of_an_earlier_program_is_read_and_remembered_from_its_next_change_on(
    vault: Vault, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(Writer, "wrote_document", lambda writer, term: None)
        vault.documents.change("wallet", lambda _: (b"one", ()))
        assert vault.documents.read("wallet") == b"one"
    older = rows_of(store_path)
    vault.documents.change("wallet", lambda _: (b"two", ()))
    with monkeypatch.context() as earlier:
        earlier.setattr(Writer, "wrote_document", lambda writer, term: None)
        vault.documents.change("wallet", lambda _: (b"three", ()))
    assert vault.documents.read("wallet") == b"three"
    assert vault.verify().ok
    put_back(store_path, older)
    with pytest.raises(Damaged, match="older"):
        vault.documents.read("wallet")
