"""The audit log: all that is done to keys is in it, and nothing is taken out, altered or reordered unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keystore.audit import MAX_TEXT, AuditAction
from keystore.errors import Locked
from keystore.model import KeyStatus, Ownership
from keystore.vault import Vault, VaultSettings
from tests.keystore.made_up import CHEAP, NOON, PASSPHRASE, key_of, record_of
from tests.keystore.raw_store import raw


def settings() -> VaultSettings:
    moments = iter(NOON + timedelta(seconds=second) for second in range(1000))
    return VaultSettings(now=lambda: next(moments), actor="anna")


def test_what_is_done_is_written_down(store_path: Path) -> None:
    with Vault.create(store_path, PASSPHRASE, CHEAP, settings=settings()) as vault:
        vault.put([record_of(1), record_of(2)])
        vault.put([record_of(3)], dry_run=True)
        vault.confirm(record_of(1))
        vault.set_ownership("2", Ownership.TRANSFERRED, "City Works")
        vault.set_status("2", KeyStatus.REVOKED)
        vault.audit.note(AuditAction.METER_ACTION, "KAM 00000001", action="reset", level="installer")
        vault.remove("1")
        vault.slots.add_recovery(PASSPHRASE, label="safe")
        entries = list(vault.audit.entries())
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("store_created", "keys.store"),
        ("imported", "meters.zip.kem2"),
        ("confirmed", "KAM 00000001"),
        ("ownership_changed", "KAM 00000002"),
        ("status_changed", "KAM 00000002"),
        ("meter_action", "KAM 00000001"),
        ("removed", "KAM 00000001"),
        ("slot_added", "slot 2"),
    ]
    assert [entry.number for entry in entries] == list(range(1, 9))
    assert {entry.by for entry in entries} == {"anna"}
    assert entries[1].detail == {"new": "2", "same": "0", "changed": "0"}
    assert entries[5].detail == {"action": "reset", "level": "installer"}
    times = [entry.at for entry in entries]
    assert times == sorted(times)
    everything = repr(entries)
    assert key_of("00000001").hex() not in everything
    assert PASSPHRASE not in everything


def test_entries_are_read_from_a_place_on_and_texts_are_cut(vault: Vault) -> None:
    for number in range(5):
        vault.audit.note(AuditAction.METER_ACTION, f"meter {number}", text="x" * 9999)
    found = list(vault.audit.entries(after=4))
    assert [entry.subject for entry in found] == ["meter 3", "meter 4"]
    assert len(found[0].detail["text"]) == MAX_TEXT
    assert vault.audit.head[0] == 6
    vault.lock()
    with pytest.raises(Locked):
        list(vault.audit.entries())
    with pytest.raises(Locked):
        vault.audit.verify()


def remove_in_the_middle(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM audit WHERE number = 4")


def remove_the_last(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM audit WHERE number = 7")


def remove_the_first(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM audit WHERE number = 1")


def alter(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE audit SET sealed = zeroblob(length(sealed)) WHERE number = 5")


def swap(connection: sqlite3.Connection) -> None:
    found = connection.execute("SELECT number, generation, sealed, link FROM audit WHERE number IN (3, 6)").fetchall()
    for (number, *_), (_, *content) in zip(found, reversed(found), strict=True):
        connection.execute("UPDATE audit SET generation = ?, sealed = ?, link = ? WHERE number = ?", (*content, number))


def close_the_gap(connection: sqlite3.Connection) -> None:
    remove_in_the_middle(connection)
    for number in (5, 6, 7):
        connection.execute("UPDATE audit SET number = ? WHERE number = ?", (number - 1, number))


def repeat(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO audit SELECT 8, generation, sealed, link FROM audit WHERE number = 7")


def change_a_link(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE audit SET link = zeroblob(32) WHERE number = 3")


def change_the_last_link(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE audit SET link = zeroblob(32) WHERE number = 7")


def put_text_into_every_column(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE audit SET generation = 'x', sealed = 'y', link = 'z' WHERE number = 2")


CHANGES: tuple[tuple[Callable[[sqlite3.Connection], None], str], ...] = (
    (remove_in_the_middle, "entry 4 is missing"),
    (remove_the_last, "entry 7 is missing"),
    (remove_the_first, "entry 1 is missing"),
    (alter, "entry 5 was altered"),
    (swap, "entry 6 is in the place of entry 3"),
    (close_the_gap, "entry 5 is in the place of entry 4"),
    (repeat, "entry 8 was altered"),
    (change_a_link, "entry 3 does not follow"),
    (change_the_last_link, "entry 7 does not follow"),
    (put_text_into_every_column, "entry 2 was altered"),
)


@pytest.mark.parametrize(("change", "text"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_verify_names_what_was_done_to_the_log(
    vault: Vault, store_path: Path, change: Callable[[sqlite3.Connection], None], text: str
) -> None:
    for number in range(6):
        vault.audit.note(AuditAction.METER_ACTION, f"meter {number}")
    assert vault.audit.verify().ok
    vault.close()
    with raw(store_path) as connection:
        change(connection)
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        report = again.audit.verify()
        assert not report.ok
        assert any(text in problem for problem in report.problems), report.problems
        assert not again.verify().ok


def test_a_log_of_another_store_is_none_of_ours(store_path: Path, tmp_path: Path) -> None:
    for path in (store_path, tmp_path / "other"):
        with Vault.create(path, PASSPHRASE, CHEAP) as vault:
            vault.audit.note(AuditAction.METER_ACTION, "meter")
    with raw(tmp_path / "other") as connection:
        foreign = connection.execute("SELECT * FROM audit").fetchall()
    with raw(store_path) as connection:
        connection.execute("DELETE FROM audit")
        connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?)", foreign)
    with Vault.open(store_path) as vault:
        vault.unlock(PASSPHRASE)
        assert not vault.audit.verify().ok
