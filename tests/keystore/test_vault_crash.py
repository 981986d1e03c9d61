"""Whatever ends a write in the middle: the store opens, no committed change is lost, none is half there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from keystore.vault import Vault
from tests.keystore.made_up import PASSPHRASE, record_of

ROOT = Path(__file__).resolve().parents[2]

FILL = """
import resource, sys
from pathlib import Path
from keystore.errors import StorageFailed
from keystore.vault import Vault
from tests.keystore.made_up import PASSPHRASE, record_of
path, room = Path(sys.argv[1]), int(sys.argv[2])
with Vault.open(path) as vault:
    vault.unlock(PASSPHRASE)
    limit = path.stat().st_size + room
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        vault.put(record_of(number) for number in range(100, 6000))
    except StorageFailed as error:
        print("told:", error.message)
    print(vault.count, vault.verify().ok)
    try:
        vault.put([record_of(50)])
    except StorageFailed as error:
        print("told:", error.message)
"""

READ = """
import os, sys
import urllib.parse  # nobody may not be allowed to read where Python is installed
from pathlib import Path
from keystore.errors import StorageFailed
from keystore.vault import Vault, VaultSettings, WitnessFolder
from tests.keystore.made_up import PASSPHRASE, address_of, record_of
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[1])
settings = VaultSettings(witness=WitnessFolder(path.parent / "state"))
with Vault.open(path, settings=settings) as vault:
    vault.unlock(PASSPHRASE)
    print(vault.count, len(vault.keys_for(address_of(1))), vault.verify().ok, vault.history)
    try:
        vault.put([record_of(2)])
    except StorageFailed as error:
        print("told:", error.message)
"""

SHARE = """
import sys
from pathlib import Path
from keystore.vault import Vault, VaultSettings
from tests.keystore.made_up import PASSPHRASE, address_of, record_of
path, first = Path(sys.argv[1]), int(sys.argv[2])
for start in range(first, first + 200, 50):
    with Vault.open(path, settings=VaultSettings(busy_timeout_s=30.0)) as vault:
        vault.unlock(PASSPHRASE)
        for number in range(start, start + 50, 5):
            vault.put(record_of(each) for each in range(number, number + 5))
            assert vault.keys_for(address_of(number))
            vault.confirm(record_of(number))
"""


def run_apart(script: str, *arguments: object) -> list[str]:
    """Run a script in a process of its own; return its lines. The superuser, who may write anything, becomes nobody."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_processes_and_power_cuts() -> None:
    """A little of `make torture`."""
    arguments = [sys.executable, "-m", "tools.torture_keystore", "--kills", "8", "--cuts", "30", "--seed", "4711"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 processes killed" in done.stdout
    assert "30 power cuts" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a limit of file sizes")
@pytest.mark.parametrize("room", [0, 4096, 100_000, 400_000])
def test_a_full_disk_is_told_and_leaves_what_was_there(vault: Vault, store_path: Path, room: int) -> None:
    vault.put(record_of(number) for number in range(10))
    vault.close()
    lines = run_apart(FILL, store_path, room)
    assert lines[0].startswith("told: keystore ")
    assert lines[1] == "10 True"
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        assert again.count in {10, 11}
        assert again.verify().ok
        assert again.put([record_of(99)]).new == 1


@pytest.mark.skipif(os.name == "nt", reason="needs permission bits")
@pytest.mark.parametrize("folder_mode", [0o555, 0o755], ids=["folder too", "file only"])
def test_a_store_that_may_only_be_read_is_read(vault: Vault, store_path: Path, folder_mode: int) -> None:
    vault.put([record_of(1)])
    vault.close()
    folder = Path(tempfile.mkdtemp())
    try:
        copy = folder / "keys.store"
        shutil.copy(store_path, copy)
        copy.chmod(0o444)
        folder.chmod(folder_mode)
        lines = run_apart(READ, copy)
        assert lines[0] == "1 1 True None"
        assert lines[1].startswith("told: keystore ")
        assert copy.read_bytes() == store_path.read_bytes()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_processes_that_write_at_once_share_cleanly(vault: Vault, store_path: Path) -> None:
    vault.close()
    arguments = [sys.executable, "-c", SHARE, str(store_path)]
    workers = [subprocess.Popen([*arguments, str(first)], cwd=ROOT) for first in (0, 1000, 2000)]
    assert [worker.wait(timeout=100) for worker in workers] == [0, 0, 0]
    with Vault.open(store_path) as again:
        again.unlock(PASSPHRASE)
        report = again.verify()
        assert (report.problems, report.records, report.sealed) == ((), 600, True)
        assert again.audit.head[0] == 1 + 3 * 80
