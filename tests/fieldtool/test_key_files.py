"""`keys import` and `keys export`: what is shown, what is asked, and what is on the disk afterwards."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from fieldtool.keys import key_import
from fieldtool.keys.key_maps import MAPS_VARIABLE
from keystore.formats import ReadOptions, read_export
from keystore.vault import KdfParameters, Vault
from tests.fieldtool.conftest import PASSPHRASE, Ran, Run
from tests.keystore.made_up import key_of

KEYS = [key_of(f"file {number}").hex().upper() for number in range(6)]
HEADER = "Serial number;Manufacturer;Label;Order;OMS key"
TABLE = f"{HEADER}\n63001468;KAM;flat 1;A;{KEYS[0]}\n63001469;KAM;flat 2;B;{KEYS[1]}\n123456;KAM;=1+1;B;{KEYS[2]}\n"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cheap unlocking, and a place of the test's own for mappings."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    monkeypatch.setenv(MAPS_VARIABLE, str(tmp_path / "config" / "maps.toml"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "keys.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "file-password"
    path.write_text("Portal-1234")
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Someone at the terminal, who gives these answers one after the other; further questions are a fault."""
    given: list[str] = []

    def ask_yes(question: str) -> bool:
        sys.stderr.write(f"{question}\n")
        return given.pop(0) == "y"

    for module in ("keys_import", "keys_export"):
        monkeypatch.setattr(f"fieldtool.cli.{module}.can_ask", lambda: True)
        monkeypatch.setattr(f"fieldtool.cli.{module}.ask_yes", ask_yes)
    return given


def count(store: Path) -> int:
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        return vault.count


def no_key_shown(ran: Ran) -> bool:
    return not any(key in (ran.out + ran.err).upper() for key in KEYS)


# Import.


def test_every_row_gets_a_verdict(run: Run, store: Path, table: Path) -> None:
    run("keys", "import", table)
    table.write_text(
        f"{HEADER}\n63001468;KAM;flat 1;A;{KEYS[0]}\n63001469;KAM;flat 2;B;{KEYS[3]}\n7;KAM;;;{KEYS[4]}\n8;KAM;;;xyz\n"
    )
    ran = run("keys", "import", table, "--json")
    rows = [json.loads(line) for line in ran.lines]
    assert [row["verdict"] for row in rows] == ["same", "changed", "new", "quarantined"]
    assert [row["row"] for row in rows] == [2, 3, 4, 5]
    assert rows[3]["reason"] == "the key is not hexadecimal"
    assert rows[2]["warnings"] == ["the serial number has 1 digit: filed with leading zeros"]
    assert ran.code == 1
    assert no_key_shown(ran)
    lines = run("keys", "import", table, "--rows").lines
    assert [line.split()[:3] for line in lines[:4]] == [
        ["2", "same", "63001468"],
        ["3", "same", "63001469"],
        ["4", "same", "7"],
        ["5", "quarantined", "8"],
    ]
    assert lines[4].startswith("keys.csv: 3 keys")


def test_wrong_rows_are_written_beside_the_file_with_their_keys_masked(run: Run, store: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEADER}\n63001468;KAM;@flat;A;{KEYS[0][:-1]}\n\n{KEYS[1]};KAM;;;{KEYS[2]}\n7;KAM;;;{KEYS[3]}\n")
    rehearsal = run("keys", "import", path, "--dry-run")
    assert not (tmp_path / "bad.csv.quarantine.csv").exists()
    assert rehearsal.code == 1
    ran = run("keys", "import", path)
    assert "the wrong rows are in bad.csv.quarantine.csv" in ran.err
    lines = (tmp_path / "bad.csv.quarantine.csv").read_text("utf-8-sig").splitlines()
    assert lines[0] == "Row;Meter;Reason;Warnings;What the row says"
    assert lines[1].startswith("2;63001468;the key has 31 hex digits, not 16, 32, 48, 64")
    assert "wmbus_dek=31 characters" in lines[1]
    assert lines[2].startswith("4;(long hex text);the serial number looks like a key")
    assert len(lines) == 3
    assert not any(key[:-1] in "".join(lines) for key in KEYS)
    assert not list(tmp_path.glob("*.part"))
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "bad.csv.quarantine.csv").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not made read-only like this")
def test_a_folder_that_cannot_be_written_keeps_no_key_out(
    run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    path = folder / "keys.csv"
    path.write_text(f"{HEADER}\n63001468;KAM;;;{KEYS[0]}\n7;KAM;;;xyz\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fieldtool.keys.quarantine_file.QuarantineFile._open", refuse)
    ran = run("keys", "import", path)
    assert "1 new" in ran.out
    assert "could not be saved beside it: Permission denied" in ran.err


def test_a_file_too_large_to_be_an_export_is_not_read(
    run: Run, store: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_import, "FILE_LIMIT", len(TABLE.encode()))
    assert run("keys", "import", table, "--dry-run").code == 0
    monkeypatch.setattr(key_import, "FILE_LIMIT", len(TABLE.encode()) - 1)
    ran = run("keys", "import", table, "--dry-run")
    assert (ran.code, ran.out) == (2, "")
    assert "keys.csv: larger than" in ran.err


def test_a_folder_is_not_a_key_file(run: Run, store: Path, tmp_path: Path) -> None:
    ran = run("keys", "import", tmp_path, "--dry-run")
    assert ran.code == 2
    assert "name the files in it" in ran.err


def test_all_files_of_a_command_are_one_transaction(run: Run, store: Path, table: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text(f'Serial;Key\n1;{KEYS[0]}\n2;"{"x" * 200_000}\n')
    ran = run("keys", "import", table, broken)
    assert ran.code == 4
    assert "cannot be read as a table from line 3" in ran.err
    assert count(store) == 0
    assert not list(tmp_path.glob("*quarantine*"))


def test_a_terminal_is_shown_what_would_happen_and_asked(
    run: Run, store: Path, table: Path, answers: list[str]
) -> None:
    answers += ["n"]
    ran = run("keys", "import", table)
    assert (ran.code, ran.out, count(store)) == (0, "", 0)
    assert "import 3 keys?" in ran.err
    assert "leading zeros" in ran.err
    answers += ["y", "n"]
    ran = run("keys", "import", table)
    assert "3 new" in ran.out
    assert (count(store), table.exists()) == (3, True)
    assert ran.err.count("leading zeros") == 1
    assert answers == []


def test_a_file_that_holds_nothing_new_is_not_asked_about(
    run: Run, store: Path, table: Path, answers: list[str]
) -> None:
    assert run("keys", "import", table, "--yes").code == 0
    answers.append("n")
    ran = run("keys", "import", table)
    assert "3 the same" in ran.out
    assert answers == []


def test_yes_asks_nothing(run: Run, store: Path, table: Path, answers: list[str]) -> None:
    assert "3 new" in run("keys", "import", table, "--yes").out


def test_a_spent_key_file_is_deleted_only_when_asked_for(
    run: Run, store: Path, table: Path, tmp_path: Path, answers: list[str]
) -> None:
    answers += ["y", "y"]
    ran = run("keys", "import", table)
    assert "whoever has keys.csv has the keys" in ran.err
    assert not table.exists()
    table.write_text(TABLE)
    bad = tmp_path / "bad.csv"
    bad.write_text(f"{HEADER}\n7;KAM;;;xyz\n")
    run("keys", "import", table, bad, "--delete-after", "--yes")
    assert (table.exists(), bad.exists()) == (False, True)
    table.write_text(TABLE)
    run("keys", "import", table, "--dry-run", "--delete-after")
    assert table.exists()


def test_weak_and_shared_keys_are_pointed_out(run: Run, store: Path, table: Path) -> None:
    table.write_text(f"{HEADER}\n1;KAM;;;{'00' * 16}\n2;KAM;;;{KEYS[0]}\n3;KAM;;;{KEYS[0]}\n2;KAM;;;{KEYS[0]}\n")
    ran = run("keys", "import", table)
    assert "1 key without protection" in ran.err
    assert "1 meter sharing a key with another" in ran.err


def test_a_mapping_is_remembered_by_name(run: Run, store: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(f"{KEYS[0]},x,63001468\n")
    saved = run("keys", "import", path, "--map", "serial=3,key=1", "--save-map", "supplier-a")
    assert "1 new" in saved.out
    assert "1 the same" in run("keys", "import", path, "--map", "supplier-a").out
    maps = (tmp_path / "config" / "maps.toml").read_text()
    assert "[supplier-a]" in maps
    run("keys", "import", path, "--map", "serial=3,key=1", "--save-map", "b")
    assert "[supplier-a]" in (tmp_path / "config" / "maps.toml").read_text()
    unknown = run("keys", "import", path, "--map", "supplier-b")
    assert unknown.code == 2
    assert "known are: b, supplier-a" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--map", "seral=1,key=2"), "did you mean serial?"),
        (("--save-map", "a"), "--save-map needs --map"),
        (("--map", "serial=1,key=2", "--save-map", "../a"), "letters, digits"),
        (("--delimiter", "ab"), "one character"),
        (("--thousands", "7"), "one character"),
        (("--signer", "missing.pem"), "certificate missing.pem"),
        (("--signer", "keys.csv"), "is not a certificate"),
    ],
)
def test_options_that_make_no_sense_are_told(
    run: Run,
    store: Path,
    table: Path,
    arguments: tuple[str, ...],
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("keys", "import", table, *arguments)
    assert ran.code == 2
    assert what in ran.err
    assert count(store) == 0


def test_damaged_mappings_are_told(run: Run, store: Path, table: Path, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    for text in ("[a", "[a]\nserial = [1]\n", "a = 1\n", '[a]\nseral = 1\nkey = "x"\n'):
        (tmp_path / "config" / "maps.toml").write_text(text)
        ran = run("keys", "import", table, "--map", "a")
        assert ran.code == 2, text
        assert "maps.toml" in ran.err


def test_progress_is_told_of_a_known_length(table: Path) -> None:
    file = key_import.read_key_file(table, ReadOptions(), lambda _: "")
    told: list[float | None] = []
    path = table.with_name("p.vault")
    with Vault.create(path, PASSPHRASE, KdfParameters(64, 1, 1)) as vault:
        key_import.import_files(vault, [file], progress=told.append)
    assert told == [0.4, 0.6, 0.8]


# Export.


@pytest.fixture
def filled(run: Run, store: Path, table: Path) -> Path:
    assert run("keys", "import", table).code == 0
    return store


def exported_numbers(path: Path, password: str | None = None) -> list[str]:
    return [record.number for record in read_export(path.read_bytes(), path.name, password).ready]


def test_an_export_asks_counts_and_is_audited(run: Run, filled: Path, tmp_path: Path, answers: list[str]) -> None:
    out = tmp_path / "out.csv"
    answers += ["n", "y"]
    refused = run("keys", "export", out, "--format", "csv")
    assert (refused.code, out.exists()) == (2, False)
    assert "3 keys of 3 meters leave the store" in refused.err
    ran = run("keys", "export", out, "--format", "csv")
    assert ran.code == 0
    assert exported_numbers(out) == ["63001468", "63001469", "00123456"]
    assert b";'=1+1;" in out.read_bytes()
    assert no_key_shown(ran)
    if sys.platform != "win32":
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with Vault.open(filled) as vault:
        vault.unlock(PASSPHRASE)
        entries = [entry for entry in vault.audit.entries() if entry.action == "exported"]
    assert [(entry.subject, entry.detail["keys"], entry.detail["format"]) for entry in entries] == [
        ("out.csv", "3", "csv")
    ]


def test_without_a_terminal_an_export_needs_a_yes(run: Run, filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    ran = run("keys", "export", out, "--format", "csv")
    assert (ran.code, out.exists()) == (2, False)
    assert "--yes" in ran.err


def test_nothing_is_overwritten_without_force(run: Run, filled: Path, tmp_path: Path, password_file: Path) -> None:
    out = tmp_path / "out.zip.kem2"
    out.write_text("mine")
    arguments = ("keys", "export", out, "--yes", "--password-file", password_file)
    assert "exists already" in run(*arguments).err
    assert out.read_text() == "mine"
    assert run(*arguments, "--force").code == 0
    assert exported_numbers(out, "Portal-1234") == ["63001468", "63001469", "00123456"]
    assert not list(tmp_path.glob(".out*"))


def test_a_selection_leaves_and_nothing_else(run: Run, filled: Path, tmp_path: Path) -> None:
    base = ("--format", "csv", "--yes", "--force")
    out = tmp_path / "out.csv"
    run("keys", "export", out, *base, "--meter", "KAM 63001469", "--meter", "63001468", "--meter", "1")
    assert exported_numbers(out) == ["63001469", "63001468"]
    run("keys", "export", out, *base, "--order", "b")
    assert exported_numbers(out) == ["63001469", "00123456"]
    nothing = run("keys", "export", tmp_path / "none.csv", *base, "--owner", "nobody")
    assert nothing.code == 1
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.parametrize(
    ("name", "written"), [("a.keys", True), ("a.zip.kem2", True), ("a.KEM2", True), ("a.csv", False), ("a", False)]
)
def test_an_ending_that_only_one_format_has_says_what_to_write(
    run: Run, filled: Path, tmp_path: Path, password_file: Path, name: str, written: bool
) -> None:
    ran = run("keys", "export", tmp_path / name, "--yes", "--password-file", password_file)
    assert (tmp_path / name).exists() == written
    assert (ran.code == 2) == (not written)
    assert written or "--format NAME: " in ran.err
    assert name != "a.csv" or ("the_things_stack_csv" in ran.err and "kem2" not in ran.err)


def test_meter_files_go_into_a_folder(run: Run, filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "meters"
    ran = run("keys", "export", folder, "--format", "wmbusmeters", "--yes")
    assert ran.code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["KAM_00123456", "KAM_63001468", "KAM_63001469"]
    assert "key=" + KEYS[0] in (folder / "KAM_63001468").read_text()
    assert run("keys", "export", folder, "--format", "wmbusmeters", "--yes").code == 2


def test_weak_kem_passwords_and_impossible_ones(run: Run, filled: Path, tmp_path: Path, password_file: Path) -> None:
    out = tmp_path / "out.zip.kem"
    weak = run("keys", "export", out, "--yes", "--password-file", password_file)
    assert "easily guessed" in weak.err
    password_file.write_text("x" * 17)
    long = run("keys", "export", out, "--yes", "--force", "--password-file", password_file)
    assert long.code == 2
    assert "1 to 16 bytes" in long.err
    assert run("keys", "export", tmp_path / "x.what", "--yes").code == 2


def test_a_package_needs_a_passphrase_worth_its_name(
    run: Run, filled: Path, tmp_path: Path, password_file: Path
) -> None:
    package = tmp_path / "a.keys"
    password_file.write_text("short")
    refused = run("keys", "export", package, "--yes", "--password-file", password_file)
    assert (refused.code, package.exists()) == (2, False)
    assert "3 more characters" in refused.err
    password_file.write_text("password")
    assert "the password is weak" in run("keys", "export", package, "--yes", "--password-file", password_file).err


def test_a_package_goes_into_another_store(
    run: Run, filled: Path, tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "house-7.keys"
    assert run("keys", "export", package, "--yes", "--password-file", password_file).code == 0
    assert not any(key.encode() in package.read_bytes().upper() for key in KEYS)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "owner.vault"))
    run("store", "create")
    assert "3 new" in run("keys", "import", package, "--password-file", password_file).out
