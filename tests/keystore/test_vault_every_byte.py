"""No byte of a store's file changes unseen: at open, at unlock, at first touch, or by `verify`."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from keystore.errors import KeystoreError
from keystore.vault import ProblemKind, Vault, VerifyReport
from tests.keystore.made_up import PASSPHRASE, record_of
from tests.keystore.raw_store import raw

STEP = int(os.environ.get("FIELDTOOL_BYTE_STEP", "223"))
"""Every how many bytes of the file one is changed; 1 takes minutes."""


def report_of(path: Path) -> VerifyReport | None:
    """What `verify` says; None when the store could not even be unlocked."""
    try:
        with Vault.open(path) as vault:
            vault.unlock(PASSPHRASE)
            return vault.verify()
    except KeystoreError:
        return None


@pytest.fixture
def worn(vault: Vault, store_path: Path) -> Path:
    """A store with a past: rows were removed and changed, so that its pages hold remnants."""
    vault.put(record_of(number) for number in range(120))
    for number in range(0, 60, 3):
        vault.remove(str(number))
    vault.put(record_of(number, label="changed " * 9) for number in range(60, 120, 4))
    vault.slots.add_recovery(PASSPHRASE)
    vault.close()
    return store_path


def test_a_store_with_a_past_verifies_byte_for_byte(worn: Path) -> None:
    report = report_of(worn)
    assert report is not None
    assert (report.ok, report.sealed, report.problems) == (True, True, ())


def test_every_changed_byte_is_seen(worn: Path) -> None:
    original = worn.read_bytes()
    offsets = {*range(0, 120), *range(120, len(original), STEP)}
    for offset in sorted(offsets):
        for mask in (0x01, 0xFF):
            changed = bytearray(original)
            changed[offset] ^= mask
            worn.write_bytes(changed)
            report = report_of(worn)
            assert report is None or not report.ok, (offset, mask)
            # Looking at a store does not put it right, nor seal it as it is.
            assert worn.read_bytes() == bytes(changed), (offset, mask)


def test_every_byte_of_the_seal_is_seen(worn: Path) -> None:
    original = worn.read_bytes()
    with raw(worn) as connection:
        (body,) = connection.execute("SELECT body FROM seal").fetchone()
    start = original.index(body)
    for offset in range(start, start + len(body)):
        worn.write_bytes(original[:offset] + bytes([original[offset] ^ 0x04]) + original[offset + 1 :])
        report = report_of(worn)
        assert report is not None
        assert ProblemKind.SEAL in {problem.kind for problem in report.problems}, offset


def test_a_file_that_is_longer_or_shorter_is_seen(worn: Path) -> None:
    original = worn.read_bytes()
    for content in (original + b"\0", original + bytes(4096), original[:-1], original[:-4096], original[:4096]):
        worn.write_bytes(content)
        report = report_of(worn)
        assert report is None or not report.ok, len(content)


def test_a_store_that_was_not_sealed_says_so_and_is_sealed_by_the_next_close(store_path: Path, vault: Vault) -> None:
    vault.put([record_of(1)])
    content = store_path.read_bytes()
    vault.close()
    store_path.write_bytes(content)  # as a killed process leaves it
    report = report_of(store_path)
    assert report is not None
    assert (report.ok, report.sealed) == (True, False)
    report = report_of(store_path)
    assert report is not None
    assert (report.ok, report.sealed) == (True, True)


def test_a_seal_of_the_future_is_seen(worn: Path, vault: Vault) -> None:
    with raw(worn) as connection:
        rows = {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
            for name in ("state", "item", "lookup", "audit")
        }
    with Vault.open(worn) as again:
        again.unlock(PASSPHRASE)
        again.put([record_of(9999)])
    with raw(worn) as connection:
        for name, content in rows.items():
            connection.execute(f"DELETE FROM {name}")  # noqa: S608
            marks = ", ".join("?" * len(content[0]))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", content)  # noqa: S608
    with Vault.open(worn) as again:
        again.unlock(PASSPHRASE)
        report = again.verify()
        assert [problem.kind for problem in report.problems] == [ProblemKind.SEAL]
        assert "after the last" in report.problems[0].text


def test_a_store_that_another_program_vacuums_is_whole_but_no_longer_sealed(worn: Path) -> None:
    connection = sqlite3.connect(worn)
    connection.execute("VACUUM")
    connection.close()
    with Vault.open(worn) as again:
        again.unlock(PASSPHRASE)
        report = again.verify()
        assert {problem.kind for problem in report.problems} == {ProblemKind.SEAL}
        # After a look at what is wrong, the user may go on: a write makes the file one of ours again.
        again.put([record_of(7777)])
        again.seal()
        assert again.verify().ok
        assert again.verify().sealed


def test_several_vaults_of_one_process_share_a_file(worn: Path) -> None:
    """Closing one must not drop the locks of another: on POSIX systems a closed descriptor would."""
    first, second = Vault.open(worn), Vault.open(worn)
    first.unlock(PASSPHRASE)
    second.unlock(PASSPHRASE)
    with first._session.writing() as writer:  # type: ignore[union-attr]
        writer.note("test")
        second.close()
        probe = sqlite3.connect(worn, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            # Another connection of this process knows of the lock; another process asks the system.
            probe.execute("BEGIN IMMEDIATE")
        probe.close()
        assert _locked_for_others(worn)
    assert first.verify().ok
    first.close()


def _locked_for_others(path: Path) -> bool:
    import subprocess
    import sys

    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
        "try:\n"
        "    connection.execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError:\n"
        "    print('locked')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "locked"
