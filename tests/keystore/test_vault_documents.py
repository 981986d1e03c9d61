"""Named documents in the vault: one transaction with the audit log, and nothing half done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keystore.errors import Damaged
from keystore.vault import Vault
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
