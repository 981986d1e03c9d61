"""Whatever is changed in a store's file behind our back is detected."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from keystore.errors import Damaged, KeystoreError
from keystore.vault import ProblemKind, Vault, VerifyReport
from tests.keystore.made_up import PASSPHRASE, address_of, key_of, record_of
from tests.keystore.raw_store import raw


def verify(path: Path, least_generation: int | None = None) -> VerifyReport:
    with Vault.open(path) as vault:
        vault.unlock(PASSPHRASE)
        return vault.verify(least_generation)


def delete_row(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM item WHERE id = 5")


def delete_row_and_words(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM item WHERE id = 5")
    connection.execute("DELETE FROM lookup WHERE item = 5")


def delete_newest_row(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM item WHERE id = (SELECT max(id) FROM item)")
    connection.execute("DELETE FROM lookup WHERE item = (SELECT max(item) FROM lookup)")


def duplicate_row(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO item SELECT 99, kind, generation, sealed FROM item WHERE id = 5")


def duplicate_row_and_words(connection: sqlite3.Connection) -> None:
    duplicate_row(connection)
    connection.execute("INSERT INTO lookup SELECT term, 99 FROM lookup WHERE item = 5")


def swap_rows(connection: sqlite3.Connection) -> None:
    rows = dict(connection.execute("SELECT id, sealed FROM item WHERE id IN (5, 6)").fetchall())
    connection.execute("UPDATE item SET sealed = ? WHERE id = 5", (rows[6],))
    connection.execute("UPDATE item SET sealed = ? WHERE id = 6", (rows[5],))


def change_generation(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET generation = 3 WHERE id = 5")


def change_kind(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET kind = 1 WHERE id = 5")


def add_unknown_kind(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO item VALUES (99, 9, 1, x'00')")


def empty_row(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET sealed = x'' WHERE id = 5")


def text_row(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET sealed = 'text' WHERE id = 5")


def delete_look_up_word(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM lookup WHERE item = 5")


def redirect_look_up_word(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE lookup SET item = 6 WHERE item = 5")


def add_look_up_word(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO lookup VALUES (x'00112233445566778899aabbccddeeff', 5)")


def add_row_with_negative_id(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO item SELECT -5, kind, generation, sealed FROM item WHERE id = 5")
    connection.execute("UPDATE lookup SET item = -5 WHERE item = 5")


def add_row_with_the_last_id(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO item SELECT 9223372036854775807, kind, generation, sealed FROM item WHERE id = 5")


def add_row_of_a_kind_that_is_no_byte(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO item SELECT 99, 256, generation, sealed FROM item WHERE id = 5")


def put_text_into_every_column(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET kind = 'x', generation = 'y' WHERE id = 5")
    connection.execute("UPDATE lookup SET item = 'z' WHERE item = 5")


def put_a_fraction_into_generation(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET generation = 1.5 WHERE id = 5")


def make_generation_negative(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE item SET generation = -1 WHERE id = 5")


ROW_CHANGES: tuple[Callable[[sqlite3.Connection], None], ...] = (
    delete_row,
    delete_row_and_words,
    delete_newest_row,
    duplicate_row,
    duplicate_row_and_words,
    swap_rows,
    change_generation,
    change_kind,
    add_unknown_kind,
    empty_row,
    text_row,
    delete_look_up_word,
    redirect_look_up_word,
    add_look_up_word,
    add_row_with_negative_id,
    add_row_with_the_last_id,
    add_row_of_a_kind_that_is_no_byte,
    put_text_into_every_column,
    put_a_fraction_into_generation,
    make_generation_negative,
)


def test_an_untouched_store_verifies(filled: Path) -> None:
    report = verify(filled)
    assert report.ok
    assert report.sealed
    assert (report.generation, report.records, report.items) == (3, 11, 13)


@pytest.mark.parametrize("change", ROW_CHANGES, ids=lambda change: change.__name__)
def test_a_changed_row_is_found_by_verify(filled: Path, change: Callable[[sqlite3.Connection], None]) -> None:
    with raw(filled) as connection:
        change(connection)
    report = verify(filled)
    assert not report.ok
    assert all(problem.text for problem in report.problems)


@pytest.mark.parametrize("change", ROW_CHANGES, ids=lambda change: change.__name__)
def test_nothing_but_a_keystore_error_comes_of_a_changed_row(
    filled: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    with raw(filled) as connection:
        change(connection)
    with Vault.open(filled) as vault:
        vault.unlock(PASSPHRASE)
        for use in (
            lambda: vault.find("3"),
            lambda: vault.keys_for(address_of(3)),
            lambda: list(vault.records()),
            lambda: vault.put([record_of(3), record_of(77)]),
            lambda: vault.remove("3"),
        ):
            with suppress(KeystoreError):
                use()


@pytest.mark.parametrize("change", [swap_rows, change_generation, empty_row, text_row, delete_row])
def test_an_altered_row_is_found_at_first_touch(filled: Path, change: Callable[[sqlite3.Connection], None]) -> None:
    with raw(filled) as connection:
        change(connection)
    with Vault.open(filled) as vault:
        vault.unlock(PASSPHRASE)
        with pytest.raises(Damaged):
            # Item 1 is the source, so item 5 is number 3.
            vault.find("3")
        with pytest.raises(Damaged):
            vault.keys_for(address_of(3))


def test_a_redirected_look_up_word_hands_out_no_other_meters_key(filled: Path) -> None:
    with raw(filled) as connection:
        connection.execute("UPDATE lookup SET item = 6 WHERE item = 5")
    with Vault.open(filled) as vault:
        vault.unlock(PASSPHRASE)
        with pytest.raises(Damaged, match="not its own"):
            vault.keys_for(address_of(3))


def test_an_older_row_put_back_is_found(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    with raw(store_path) as connection:
        old_rows = connection.execute("SELECT * FROM item").fetchall()
        old_words = connection.execute("SELECT * FROM lookup").fetchall()
    vault.remove("1")
    vault.put([record_of(1, value=key_of("second"))])
    vault.close()
    with raw(store_path) as connection:
        connection.execute("DELETE FROM item")
        connection.execute("DELETE FROM lookup")
        connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", old_rows)
        connection.executemany("INSERT INTO lookup VALUES (?, ?)", old_words)
    assert ProblemKind.SET in {problem.kind for problem in verify(store_path).problems}


def test_an_older_state_is_found(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    with raw(store_path) as connection:
        state = connection.execute("SELECT * FROM state").fetchone()
    vault.put([record_of(2)])
    with raw(store_path) as connection:
        connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", state)
    with pytest.raises(Damaged, match="older copy"):
        vault.put([record_of(3)])
    vault.close()
    assert {problem.kind for problem in verify(store_path).problems} == {
        *(ProblemKind.COUNT, ProblemKind.SET, ProblemKind.AUDIT)
    }


def test_an_older_whole_file_shows_only_against_a_witness(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    copy = store_path.read_bytes()
    vault.put([record_of(2)])
    witness = vault.generation
    vault.close()
    store_path.write_bytes(copy)
    assert verify(store_path).ok
    assert [problem.kind for problem in verify(store_path, witness).problems] == [ProblemKind.OLDER]


@pytest.mark.parametrize(
    "column", ["generation", "items", "records", "lookups", "audit_entries", "set_hash", "audit_head", "mac"]
)
def test_a_changed_state_is_found_at_unlock(filled: Path, column: str) -> None:
    with raw(filled) as connection:
        if column in {"set_hash", "audit_head", "mac"}:
            connection.execute(f"UPDATE state SET {column} = zeroblob(32)")  # noqa: S608 - a fixed list above
        else:
            connection.execute(f"UPDATE state SET {column} = {column} + 1")  # noqa: S608 - a fixed list above
    with Vault.open(filled) as vault, pytest.raises(Damaged):
        vault.unlock(PASSPHRASE)


@pytest.mark.parametrize("table", ["header", "state"])
def test_a_missing_header_or_state_is_told(filled: Path, table: str) -> None:
    with raw(filled) as connection:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a fixed list above
    with pytest.raises(Damaged), Vault.open(filled) as vault:
        vault.unlock(PASSPHRASE)


def test_a_trigger_or_an_extra_table_is_refused(filled: Path) -> None:
    with raw(filled) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON item BEGIN DELETE FROM item; END")
    with pytest.raises(Damaged, match="tables"):
        Vault.open(filled)


def test_a_flipped_byte_anywhere_in_the_file_changes_no_key_unseen(filled: Path) -> None:
    """Every 37th byte of the file: an error, a failed verify, or a store that still gives exactly what was put."""
    original = filled.read_bytes()
    with Vault.open(filled) as vault:
        vault.unlock(PASSPHRASE)
        expected = list(vault.records())
    silent = 0
    for offset in range(0, len(original), 37):
        changed = bytearray(original)
        changed[offset] ^= 0x01
        filled.write_bytes(bytes(changed))
        try:
            with Vault.open(filled) as vault:
                vault.unlock(PASSPHRASE)
                if vault.verify().ok:
                    silent += 1
                    assert list(vault.records()) == expected, offset
        except KeystoreError:
            continue
    # What may stay unseen is unused space of the database's pages.
    assert silent < len(original) / 37


def test_a_cut_file_is_told(filled: Path) -> None:
    original = filled.read_bytes()
    for length in (10, 99, 512, 4096, 5000, 8192, len(original) - 4096, len(original) - 1):
        filled.write_bytes(original[:length])
        try:
            report = verify(filled)
        except KeystoreError:
            continue
        assert not report.ok, length
