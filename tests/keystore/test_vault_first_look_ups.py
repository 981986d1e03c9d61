"""The first look-up of an address: one lock of the file, no source read twice, and nothing of another time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from keystore.audit import AuditAction
from keystore.errors import Damaged
from keystore.model import KeyRecord, Ownership, Provenance, SignatureState
from keystore.vault import Vault, book, records
from tests.keystore.made_up import CHEAP, NOON, PASSPHRASE, address_of, key_of, record_of
from tests.keystore.raw_store import raw

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Provenance("csv", "first.csv", imported_at=NOON)
LATER = Provenance("csv", "later.csv", imported_at=NOON)

CORRECT_THE_SOURCE = """
import sys
from dataclasses import replace
from pathlib import Path
from keystore.vault import Vault
from tests.keystore.made_up import PASSPHRASE, key_of, record_of
from tests.keystore.test_vault_first_look_ups import LATER
with Vault.open(Path(sys.argv[1])) as vault:
    vault.unlock(PASSPHRASE)
    vault.put([record_of(1, source=LATER, label="flat 1"), record_of(2, source=LATER, value=key_of("second"))])
"""


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The file names of the sources that were decoded."""
    names: list[str] = []
    decode = records.decode_source

    def counted(plain: bytes) -> Provenance:
        source = decode(plain)
        names.append(source.file_name)
        return source

    monkeypatch.setattr(records, "decode_source", counted)
    return names


def labels(vault: Vault, number: int) -> list[str]:
    """Say where the keys of a meter come from."""
    return [key.label.rpartition(" ")[2] for key in vault.keys_for(address_of(number))]


def test_a_source_is_decoded_once_while_unlocked(vault: Vault, decoded: list[str]) -> None:
    vault.put([record_of(number, source=LATER if number % 2 else SOURCE) for number in range(10)])
    for number in range(10):
        assert labels(vault, number) == ["later.csv" if number % 2 else "first.csv"]
    assert vault.device_records("70b3d5e75e000001") == ()
    assert sorted(decoded) == ["first.csv", "later.csv"]
    vault.lock()
    vault.unlock(PASSPHRASE)
    assert labels(vault, 1) == ["later.csv"]
    assert len(decoded) == 3


def test_no_more_sources_are_remembered_than_there_is_room_for(
    vault: Vault, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "SOURCES_KEPT", 2)
    sources = [Provenance("csv", f"{number}.csv") for number in range(5)]
    vault.put(record_of(number + more, source=sources[number]) for number in range(5) for more in (0, 100))
    for number in (0, 1, 2, 3, 4, 100, 104):
        assert labels(vault, number) == [f"{number % 100}.csv"]
    assert decoded == ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv", "0.csv"]


def test_what_another_process_writes_is_seen_by_the_next_look_up(
    vault: Vault, store_path: Path, decoded: list[str]
) -> None:
    vault.put([record_of(number, source=SOURCE) for number in range(4)])
    assert labels(vault, 0) == ["first.csv"]
    assert len(vault.keys_for(address_of(2))) == 1
    arguments = [sys.executable, "-c", CORRECT_THE_SOURCE, str(store_path)]
    subprocess.run(arguments, check=True, cwd=ROOT, timeout=60)
    assert labels(vault, 1) == ["later.csv"]
    assert [key.value for key in vault.keys_for(address_of(2))] == [key_of("second"), key_of("00000002")]
    assert labels(vault, 3) == ["first.csv"]
    assert decoded == ["first.csv", "later.csv", "first.csv"]


def test_a_source_that_is_altered_after_it_was_read_is_found(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1), record_of(2)])
    assert vault.keys_for(address_of(1))
    with raw(store_path) as connection:
        assert connection.execute("UPDATE item SET sealed = zeroblob(length(sealed)) WHERE kind = 1").rowcount == 1
    with pytest.raises(Damaged):
        vault.keys_for(address_of(2))


def test_a_record_that_is_altered_is_found_whatever_is_remembered(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1), record_of(2)])
    assert vault.keys_for(address_of(1))
    with raw(store_path) as connection:
        assert connection.execute("UPDATE item SET sealed = zeroblob(length(sealed)) WHERE kind = 2").rowcount == 2
    for number in (1, 2):
        with pytest.raises(Damaged):
            vault.keys_for(address_of(number))


def test_nothing_is_remembered_of_a_write_that_was_not_kept(vault: Vault) -> None:
    def interrupted() -> Iterator[KeyRecord]:
        yield record_of(1, source=LATER, label="flat 1")
        assert labels(vault, 1) == ["later.csv"]
        raise InterruptedError

    vault.put([record_of(1, source=SOURCE)])
    with pytest.raises(InterruptedError):
        vault.put(interrupted())
    # The item of this source has the number that the one not kept had.
    vault.put([record_of(2, source=Provenance("csv", "another.csv"))])
    assert labels(vault, 2) == ["another.csv"]
    assert labels(vault, 1) == ["first.csv"]


def test_a_look_up_takes_the_lock_of_the_file_once(vault: Vault) -> None:
    vault.put([record_of(1), record_of(2)])
    said: list[str] = []
    connection = vault._file.connection
    connection.set_trace_callback(lambda statement: said.append(statement.split()[0]))
    assert vault.keys_for(address_of(1))  # the source as well
    assert said == ["BEGIN", "PRAGMA", "SELECT", "SELECT", "SELECT", "ROLLBACK"]
    said.clear()
    assert vault.keys_for(address_of(2))
    assert said == ["BEGIN", "PRAGMA", "SELECT", "SELECT", "ROLLBACK"]
    said.clear()
    assert vault.keys_for(address_of(2))
    assert said == ["PRAGMA"]


def test_a_look_up_that_fails_leaves_no_transaction_behind(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1), record_of(2)])
    with raw(store_path) as connection:
        connection.execute("DELETE FROM item WHERE id = (SELECT max(id) FROM item)")
    with pytest.raises(Damaged, match="is missing"):
        vault.keys_for(address_of(2))
    assert not vault._file.connection.in_transaction
    with Vault.open(store_path) as other:
        other.unlock(PASSPHRASE)
        other.put([record_of(3)])
    assert vault.keys_for(address_of(3))


def test_a_look_up_within_a_transaction_leaves_it_open(tmp_path: Path) -> None:
    with Vault.create(tmp_path / "keys.store", PASSPHRASE, CHEAP) as vault:
        vault.put([record_of(1)])
        with vault.held_still():
            assert vault.keys_for(address_of(1))
            assert vault._file.connection.in_transaction
        assert not vault._file.connection.in_transaction


def test_a_source_at_a_row_keeps_everything_else() -> None:
    source = Provenance(
        "kem2", "a.kem2", "ab" * 32, "b.xml", 1, NOON, SignatureState.VERIFIED, imported_by="anna", signer="CN=maker"
    )
    plain = Provenance("")
    assert all(getattr(source, one.name) != getattr(plain, one.name) for one in fields(Provenance))
    assert source.at_row(7) == replace(source, row=7)


def test_many_look_ups_take_the_lock_of_the_file_once(vault: Vault) -> None:
    vault.put([record_of(number) for number in range(20)])
    said: list[str] = []
    vault._file.connection.set_trace_callback(lambda statement: said.append(statement.split()[0]))
    found = vault.keys_for_many([address_of(number) for number in range(21)])
    assert [said.count(word) for word in ("BEGIN", "PRAGMA", "ROLLBACK")] == [1, 1, 1]
    said.clear()
    assert found == {address_of(number): vault.keys_for(address_of(number)) for number in range(21)}
    assert said == ["PRAGMA"] * 21  # remembered
    assert [len(keys) for keys in found.values()] == [1] * 20 + [0]


def test_many_look_ups_note_the_use_of_a_key_given_away(vault: Vault) -> None:
    vault.put([record_of(1), record_of(2, ownership=Ownership.TRANSFERRED), record_of(3)])
    found = vault.keys_for_many([address_of(number) for number in (1, 2, 3)])
    assert [len(keys) for keys in found.values()] == [1, 1, 1]
    used = [entry for entry in vault.audit.entries() if entry.action == AuditAction.TRANSFERRED_KEY_USED]
    assert [entry.detail["key_check_value"] for entry in used] == [record_of(2).key_check_value]
