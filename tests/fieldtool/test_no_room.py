"""A disk that is full, or files that may not grow: one clear line, nothing half done, the store as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fieldtool.conftest import Run
from tests.keystore.made_up import key_of

resource = pytest.importorskip("resource")

LIMIT = 100_000
"""Bytes that a file may have: more than the store has, and less than it would have with all keys."""

ROWS = 3_000


@pytest.fixture
def store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.vault"
    (tmp_path / "passphrase").write_text("correct horse battery staple")
    monkeypatch.setenv("FIELDTOOL_STORE", str(path))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run("store", "create").code == 0
    return path


def limited(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may make no file longer than `LIMIT`."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT})); "
    call = "import sys; from fieldtool.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", limit + call, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_an_import_that_does_not_fit_leaves_the_store_as_it_was(run: Run, store: Path, tmp_path: Path) -> None:
    table = tmp_path / "many.txt"
    table.write_text("".join(f"KAM;{number:08d};{key_of(str(number)).hex()}\n" for number in range(ROWS)))
    before = store.read_bytes()
    done = limited("keys", "import", table, "--yes")
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"fieldtool: keystore {store} cannot be written: no file may be longer than {LIMIT:,} bytes here",
        "  raise the limit (ulimit -f), or keep the store where there is none",
    ]
    assert store.read_bytes() == before
    assert run("store", "verify").code == 0


def test_wrong_rows_that_find_no_room_keep_no_key_out(run: Run, store: Path, tmp_path: Path) -> None:
    table = tmp_path / "wrong.csv"
    wrong = "".join(f"{number:08d};KAM;{'zz' * 16}\n" for number in range(ROWS))
    table.write_text(f"Serial number;Manufacturer;OMS key\n{wrong}00004711;KAM;{key_of('good').hex()}\n")
    done = limited("keys", "import", table, "--yes")
    assert "the wrong rows could not be saved beside it: File too large" in done.stderr
    assert "1 key: 1 new" in done.stdout
    assert [path.name for path in tmp_path.glob("wrong.csv*")] == ["wrong.csv"]
    assert run("keys", "find", "4711").code == 0


def test_a_restore_that_does_not_fit_leaves_nothing(run: Run, store: Path, tmp_path: Path) -> None:
    table = tmp_path / "many.txt"
    table.write_text("".join(f"KAM;{number:08d};{key_of(str(number)).hex()}\n" for number in range(ROWS)))
    assert run("keys", "import", table, "--yes").code == 0
    backup, own = tmp_path / "b.bak", tmp_path / "own"
    own.write_text("another horse battery staple")
    assert run("store", "backup", backup, "--backup-passphrase-file", own).code == 0
    again = tmp_path / "again.vault"
    done = limited("store", "restore", backup, "--store", again, "--backup-passphrase-file", own)
    assert done.stderr.splitlines()[0] == f"fieldtool: {again} cannot be restored from {backup}: File too large"
    assert not list(tmp_path.glob("again*"))
