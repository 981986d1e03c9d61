"""`store` and `keys`, and where passphrases come from."""

from __future__ import annotations

import getpass
import io
import json
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.access import choose_store, read_passphrase
from fieldtool.errors import ConfigError
from keystore.vault import KdfParameters
from simulators.portals.kamstrup import export_keys
from simulators.scenario import Scenario
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

PASSPHRASE = "correct horse battery staple"
MAC_KEY = bytes(range(16)).hex()
CLEAR_WITH_MAC = "25449315785634123303900F002C25B30A0000ACA2438C008BEB987A2A0000000C1427048502"
"""A volume in the clear, with a MAC of this key in its authentication layer."""

REAL_DATA = "1F44242320040100000071000000190C06512600000C131534120002FD170000"
"""Records of a Hydrometer meter behind CI 71, not scrambled."""

KEM_PASSWORD = "Portal-1234"


@pytest.fixture(autouse=True)
def _cheap_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlocking costs half a second on purpose; here it need not."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    return path


@pytest.fixture
def store(run: Run, tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, named by the environment."""
    path = tmp_path / "folder" / "keys.vault"
    monkeypatch.setenv("FIELDTOOL_STORE", str(path))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(passphrase_file))
    assert run("store", "create").code == 0
    return path


@pytest.fixture
def key_files(scenario: Scenario, tmp_path: Path) -> list[Path]:
    """The portals' exports of the demonstration: a KEM2 with password, and a CSV."""
    paths = []
    for file in export_keys(scenario, KEM_PASSWORD, datetime(2026, 11, 20, 8, 0, tzinfo=UTC)):
        path = tmp_path / file.file_name
        path.write_bytes(file.data)
        paths.append(path)
    return paths


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "kem-password"
    path.write_text(KEM_PASSWORD)
    return path


def test_a_store_is_made_once_and_for_the_user_alone(run: Run, store: Path) -> None:
    if sys.platform != "win32":
        assert stat.S_IMODE(store.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    before = store.read_bytes()
    again = run("store", "create")
    assert (again.code, store.read_bytes()) == (4, before)
    assert "exists already" in again.err


def test_info_needs_no_passphrase(run: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    facts = json.loads(run("store", "info", "--json").out)
    assert (facts["path"], facts["format_version"], facts["unlocked_by"]) == (str(store), 1, ["passphrase"])
    assert "format version" in run("store", "info").out


def test_import_list_find_verify(
    run: Run, store: Path, key_files: list[Path], password_file: Path, scenario: Scenario
) -> None:
    rehearsal = run("keys", "import", *key_files, "--password-file", password_file, "--dry-run")
    assert rehearsal.code == 0
    assert "3 keys: 3 would be new" in rehearsal.out
    assert run("keys", "list").out == ""
    done = run("keys", "import", *key_files, "--password-file", password_file)
    assert done.code == 0, done.err
    assert "3 keys: 3 new, 0 the same" in done.out
    assert "5 keys: 5 new" in done.out
    assert "3 keys: 0 new, 3 the same" in run("keys", "import", *key_files, "--password-file", password_file).out
    listed = [json.loads(line) for line in run("keys", "list", "--json").lines]
    assert {one["number"] for one in listed} == {
        meter.address.number for meter in scenario.meters if meter.exported_key is not None
    }
    assert all(len(one["key_check_value"]) == 6 for one in listed)
    found = run("keys", "find", "KAM63001468")
    assert found.code == 0
    assert "KAM 63001468" in found.out
    assert run("keys", "find", "11111111").code == 1
    assert "8 key records, all well" in run("store", "verify").out


def test_what_was_imported_decodes(
    run: Run, store: Path, key_files: list[Path], password_file: Path, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("keys", "import", *key_files, "--password-file", password_file)
    outcomes = {
        one["meter"]["number"]: one["outcome"] for one in map(json.loads, run("replay", capture, "--json").lines)
    }
    assert outcomes["63001468"] == "ok"
    assert outcomes["50597032"] == "ok", "a meter behind a radio adapter: the key is filed for the meter"
    assert outcomes["63001482"] == "no_key"
    assert outcomes["90015518"] == "wrong_key"
    in_processes = run("replay", capture, "--json", "--jobs", "2")
    assert in_processes.code == 1, in_processes.err
    assert in_processes.lines == run("replay", capture, "--json").lines
    telegram = next(json.loads(line)["hex"] for line in in_processes.lines if '"63001468"' in line)
    assert run("decode", telegram).code == 0
    jsonl = run("decode", "--jsonl", stdin=json.dumps({"hex": telegram}).encode())
    assert json.loads(jsonl.out)["ok"] is True
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    locked = run("decode", telegram)
    assert locked.code == 1
    assert "stays locked; to use its keys, give --passphrase-file FILE" in locked.err
    lines = {jobs: run("replay", capture, "--json", "--jobs", jobs).lines for jobs in ("1", "2")}
    assert lines["1"] == lines["2"]
    refused = next(one for one in map(json.loads, lines["1"]) if one["outcome"] == "no_key")
    assert "no key can be looked up: store locked" in refused["problem"]
    assert next(step["next"] for step in refused["verdict"] if step["next"]).startswith("to use its keys, give")


def test_a_command_that_needs_no_key_never_asks(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldtool.cli.main import main

    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")

    asked: list[str] = []

    def ask(prompt: str = "") -> str:
        asked.append(prompt)
        return PASSPHRASE

    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setattr(sys, "stdin", _Terminal())
    assert main(["decode", GAS_HEX, "--key", GAS_KEY]) == 0
    assert main(["simulate", "scenario"]) == 0
    assert main(["receivers", "list"]) == 0
    assert main(["store", "info"]) == 0
    assert main(["decode", REAL_DATA]) == 0
    assert asked == []
    assert main(["decode", GAS_HEX]) == 1
    assert len(asked) == 1, "what needs one does ask"


def test_a_mac_of_a_message_in_the_clear_is_checked_only_with_a_key_at_hand(
    run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from fieldtool.cli.main import main

    table = tmp_path / "keys.csv"
    table.write_text(f"serial,key\n12345678,{MAC_KEY}\n")
    assert run("keys", "import", table).code == 0

    def decoded(*words: str) -> tuple[bool, str]:
        assert main(["decode", CLEAR_WITH_MAC, "--json", *words]) == 0
        told = json.loads(capfd.readouterr().out)
        return told["security"]["authenticated"], next(s["detail"] for s in told["verdict"] if s["rung"] == "key")

    assert decoded()[0], "a passphrase file asks nobody"
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: pytest.fail(f"asked: {prompt}"))
    for standard_input in (io.StringIO(), _Terminal()):
        monkeypatch.setattr(sys, "stdin", standard_input)
        assert decoded() == (False, "no key needed; MAC not checked: store locked")
        assert decoded("--key", MAC_KEY)[0]
        assert not decoded("--key", "00" * 16)[0]


def test_a_wrong_passphrase(run: Run, store: Path, passphrase_file: Path) -> None:
    passphrase_file.write_text("something else")
    for argv in (["keys", "list"], ["store", "verify"], ["decode", GAS_HEX], ["listen", "sim:demo"]):
        ran = run(*argv)
        assert ran.code == 4
        assert "does not open keystore" in ran.err
        assert ran.out == ""


def test_verifying_after_a_wrong_passphrase_blames_no_program(run: Run, store: Path, passphrase_file: Path) -> None:
    right = passphrase_file.read_text()
    passphrase_file.write_text("something else")
    assert run("store", "verify").code == 4
    passphrase_file.write_text(right)
    first, second = run("store", "verify"), run("store", "verify")
    assert (first.code, second.code) == (0, 0)
    assert "was written to since it was last sealed" in first.err
    assert "run it again" in first.err
    assert "sealed" not in second.err


def test_nobody_to_ask(run: Run, store: Path, key_files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    no_password = run("keys", "import", *key_files)
    assert no_password.code == 4
    assert "the key file needs its password" in no_password.err
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    ran = run("keys", "list")
    assert ran.code == 4
    assert "--passphrase-file" in ran.err


def test_asking_on_the_terminal(
    store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from fieldtool.cli.main import main

    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    answers = iter(["wrong", PASSPHRASE])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    monkeypatch.setattr("sys.stdin", _Terminal())
    assert main(["store", "verify"]) == 0
    assert "does not open" in capfd.readouterr().err
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "always wrong")
    assert main(["store", "verify"]) == 4


@pytest.mark.parametrize(
    ("content", "code", "what"),
    [
        (b"", 4, "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00", 4, "not a known key file"),
        (b"PK\x03\x04 cut", 4, ""),
        (b"name;street\na;b\n", 4, ""),
        (f"serial;key\n63001468;{GAS_KEY}\n63001475;zz\n".encode(), 1, "row"),
    ],
)
def test_key_files_that_are_none(run: Run, store: Path, tmp_path: Path, content: bytes, code: int, what: str) -> None:
    path = tmp_path / "keys.csv"
    path.write_bytes(content)
    ran = run("keys", "import", path)
    assert ran.code == code, ran.err
    assert what in ran.err
    assert "Traceback" not in ran.err


def test_one_bad_file_of_several_imports_nothing(run: Run, store: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(f"serial;key\n63001468;{GAS_KEY}\n")
    bad.write_bytes(b"\x00\x01\x02")
    assert run("keys", "import", good, bad).code == 4
    assert run("keys", "list").out == ""


def test_a_damaged_store(run: Run, store: Path) -> None:
    data = bytearray(store.read_bytes())
    data[:16] = b"no database here"
    store.write_bytes(data)
    ran = run("keys", "list")
    assert ran.code == 4
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe\x00", "not UTF-8"), (b"x" * 5000, "longer than")],
)
def test_passphrase_files_that_are_none(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=what):
        read_passphrase(path)


def test_a_passphrase_file_that_is_not_there(run: Run, store: Path) -> None:
    ran = run("keys", "list", "--passphrase-file", "nowhere")
    assert ran.code == 2
    assert "passphrase file nowhere" in ran.err


@pytest.mark.parametrize("content", ["p w", "p w\n", "p w\r\n", "\ufeffp w", "p w\nsecond line"])
def test_the_first_line_is_the_passphrase(tmp_path: Path, content: str) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(content.encode())
    assert read_passphrase(path) == "p w"


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    default = choose_store(None, None)
    assert default.path.name == "keys.vault"
    assert (default.chosen, default.passphrase_file) == (False, None)
    monkeypatch.setenv("FIELDTOOL_STORE", "env.vault")
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", "env.txt")
    assert choose_store(None, None).path == Path("env.vault")
    assert choose_store("option.vault", None).path == Path("option.vault")
    assert choose_store(None, "option.txt").passphrase_file == Path("option.txt")
    assert choose_store("~/x", None).path == Path(os.path.expanduser("~/x"))  # noqa: PTH111 - what it is compared with


class _Terminal:
    """A standard input that someone sits at."""

    def isatty(self) -> bool:
        return True
