"""Slots, recovery, backup, audit log, search and removal from the command line."""

from __future__ import annotations

import getpass
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldtool.access import StoreChoice, choose_store, open_for_listening, open_store
from keystore.model import KeyRecord, Ownership, Provenance
from keystore.vault import KdfParameters, Vault
from tests.fieldtool.conftest import Run

PASSPHRASE = "correct horse battery staple"
CANARY = bytes.fromhex("ca" * 15 + "01")


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unlocking costs half a second on purpose; here it need not. Witnesses go into a folder of the test's own."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two meters and one that is only listed."""
    path = tmp_path / "keys.vault"
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(path))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    assert run("store", "create").code == 0
    source = Provenance("csv", "keys.csv", row=2)
    with Vault.open(path) as vault:
        vault.unlock(PASSPHRASE)
        vault.put(
            [
                KeyRecord("63001468", value=CANARY, manufacturer="KAM", label="flat 1", source=source),
                KeyRecord("63001475", value=bytes(16), manufacturer="KAM", source=source),
                KeyRecord("63001482", manufacturer="KAM", ownership=Ownership.UNCLAIMED, source=source),
            ]
        )
    return path


def passphrase_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / f"file-{len(text)}"
    path.write_text(text)
    return path


def test_a_recovery_key_opens_the_store_like_a_passphrase(run: Run, store: Path, tmp_path: Path) -> None:
    printed = run("store", "recovery", "--label", "safe").out.strip()
    file = passphrase_file(tmp_path, printed)
    assert "3 key records, all well" in run("store", "verify", "--passphrase-file", file).out
    slots = [json.loads(line) for line in run("store", "slots", "--json").lines]
    assert [(slot["slot"], slot["kind"], slot["label"]) for slot in slots] == [
        (1, "passphrase", ""),
        (2, "recovery", "safe"),
    ]
    new = passphrase_file(tmp_path, "a new one for all")
    assert run("store", "passphrase", "--passphrase-file", file, "--new-passphrase-file", new).out == "changed slot 1\n"
    assert run("keys", "list").code == 4
    assert run("keys", "list", "--passphrase-file", new).code == 0
    wrong = passphrase_file(tmp_path, printed[:-1] + ("0" if printed[-1] != "0" else "1"))
    told = run("keys", "list", "--passphrase-file", wrong)
    assert (told.code, "mistyped in group 8" in told.err) == (4, True)


def test_slots_are_added_and_removed(run: Run, store: Path, tmp_path: Path) -> None:
    new = passphrase_file(tmp_path, "another eight words")
    assert (
        run("store", "passphrase", "--add", "--label", "office", "--new-passphrase-file", new).out
        == "added as slot 2\n"
    )
    assert "office" in run("store", "slots").out
    assert run("store", "slots", "--remove", "1", "--passphrase-file", new).code == 0
    last = run("store", "slots", "--remove", "2", "--passphrase-file", new)
    assert (last.code, "last passphrase" in last.err) == (4, True)
    assert run("store", "slots", "--remove", "9", "--passphrase-file", new).code == 4


def test_a_policy_is_asked_for_and_kept(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "strict.vault"
    weak = passphrase_file(tmp_path, "only lower case letters")
    refused = run("store", "create", "--store", path, "--policy", "four-classes-12", "--passphrase-file", weak)
    assert refused.code == 4
    assert "still needs an upper-case letter, a digit" in refused.err
    assert not path.exists()
    good = passphrase_file(tmp_path, "Four-Classes-12!")
    assert run("store", "create", "--store", path, "--policy", "four-classes-12", "--passphrase-file", good).code == 0
    assert json.loads(run("store", "info", "--store", path, "--json").out)["passphrase_policy"] == "four-classes-12"
    changed = run("store", "passphrase", "--store", path, "--passphrase-file", good, "--new-passphrase-file", weak)
    assert changed.code == 4


def test_a_weak_passphrase_is_said_to_be_weak(run: Run, tmp_path: Path) -> None:
    weak = passphrase_file(tmp_path, "passwort12")
    done = run("store", "create", "--store", tmp_path / "weak.vault", "--passphrase-file", weak)
    assert done.code == 0
    assert "weak" in done.err
    assert "passwort" not in done.err


def test_backup_and_restore(run: Run, store: Path, tmp_path: Path) -> None:
    own = passphrase_file(tmp_path, "the backup's own")
    backup, again = tmp_path / "keys.backup", tmp_path / "again.vault"
    assert run("store", "backup", backup, "--backup-passphrase-file", own).code == 0
    restored = run("store", "restore", backup, "--store", again, "--backup-passphrase-file", own)
    assert restored.code == 0, restored.err
    assert "3 key records and 3 audit entries, verified byte for byte" in restored.out
    assert again.read_bytes() == store.read_bytes()
    assert run("store", "restore", backup, "--store", again, "--backup-passphrase-file", own).code == 4
    assert run("store", "restore", tmp_path / "none", "--store", tmp_path / "x").code == 2
    last = json.loads(run("audit", "list", "--store", again, "--json", "--last", "1").out)
    assert last["action"] == "restored"
    new = passphrase_file(tmp_path, "for the one who lost it")
    third = tmp_path / "third.vault"
    options = ["--store", third, "--backup-passphrase-file", own, "--new-passphrase-file", new]
    assert run("store", "restore", backup, *options).code == 0
    assert run("store", "verify", "--store", third, "--passphrase-file", new).code == 0


def test_an_older_copy_is_warned_of(run: Run, store: Path, tmp_path: Path) -> None:
    assert run("keys", "list").code == 0
    shutil.copy(store, tmp_path / "old")
    assert run("keys", "mark", "63001468", "--ownership", "transferred", "--owner", "City Works").code == 0
    shutil.copy(tmp_path / "old", store)
    listed = run("keys", "list")
    assert listed.code == 0
    assert "not the one that was last used here" in listed.err
    assert "fieldtool store verify --accept" in listed.err
    verified = run("store", "verify", "--json")
    assert verified.code == 4
    assert [problem["kind"] for problem in json.loads(verified.out)["problems"]] == ["older"]
    assert run("store", "verify", "--accept").code == 0
    assert run("keys", "list").err == "3 keys\n"


def test_show_reveals_only_after_a_yes_and_on_the_record(
    run: Run, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("keys", "show", "KAM 63001468")
    assert shown.code == 0
    assert "flat 1" in shown.out
    assert CANARY.hex() not in shown.out + shown.err
    refused = run("keys", "show", "63001468", "--reveal")
    assert (refused.code, CANARY.hex() in refused.out) == (4, False)
    assert "revealed" not in run("audit", "list").out
    revealed = run("keys", "show", "63001468", "--reveal", "--yes", "--json")
    assert json.loads(revealed.out)["key"] == CANARY.hex()
    entry = json.loads(run("audit", "list", "--json", "--last", "1").out)
    assert (entry["action"], entry["subject"]) == ("revealed", "KAM 63001468")
    assert CANARY.hex() not in run("audit", "list").out
    assert run("keys", "show", "11111111").code == 1
    monkeypatch.setattr("fieldtool.cli.keys.can_ask", lambda: True)
    monkeypatch.setattr("fieldtool.cli.keys.ask_yes", lambda _: False)
    declined = run("keys", "show", "63001468", "--reveal")
    assert (declined.code, CANARY.hex() in declined.out) == (1, False)


def test_unclaimed_meters_are_shown_as_such(run: Run, store: Path) -> None:
    listed = {line.split()[1]: line for line in run("keys", "list").lines}
    assert "missing" in listed["63001482"]
    assert "unclaimed" in listed["63001482"]
    assert run("keys", "list", "--ownership", "unclaimed").lines == [listed["63001482"]]
    assert "claim the meter" in run("keys", "show", "63001482").out


@pytest.mark.parametrize("text", ["63001468", "KAM63001468", "68140063", "3001468", "6300 1468"])
def test_keys_are_found_by_any_spelling_and_by_a_part(run: Run, store: Path, text: str) -> None:
    (line,) = run("keys", "find", text, "--json").lines
    assert json.loads(line)["number"] == "63001468"


def test_search_in_the_list(run: Run, store: Path) -> None:
    assert len(run("keys", "list", "--search", "flat").lines) == 1
    assert len(run("keys", "list", "--search", "630014").lines) == 3
    assert run("keys", "list", "--search", "nowhere").lines == []


def test_lint(run: Run, store: Path) -> None:
    done = run("keys", "lint", "--json")
    assert done.code == 1
    assert {json.loads(line)["rule"] for line in done.lines} == {"all_zero"}
    assert "the key is all zero" in run("keys", "lint").out


def test_marks(run: Run, store: Path) -> None:
    assert run("keys", "mark", "63001468").code == 2
    assert run("keys", "mark", "11111111", "--status", "revoked").code == 4
    assert run("keys", "mark", "63001468", "--status", "revoked", "--ownership", "transferred").out == "1 key changed\n"
    record = json.loads(run("keys", "find", "63001468", "--json").out)
    assert (record["status"], record["ownership"]) == ("revoked", "transferred")


def test_removal_asks(run: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("keys", "remove", "63001468").code == 4
    assert run("keys", "remove", "63001468", "--role", "gpk", "--yes").code == 1
    assert run("keys", "remove", "63001468", "--key-check-value", "000000", "--yes").code == 1
    monkeypatch.setattr("fieldtool.cli.keys_change.can_ask", lambda: True)
    monkeypatch.setattr("fieldtool.cli.keys_change.ask_yes", lambda _: False)
    assert run("keys", "remove", "63001468").code == 1
    monkeypatch.setattr("fieldtool.cli.keys_change.ask_yes", lambda _: True)
    removed = run("keys", "remove", "63001468")
    assert (removed.code, removed.err) == (0, "1 key removed\n")
    assert run("keys", "find", "63001468").code == 1
    assert json.loads(run("audit", "list", "--json", "--last", "1").out)["action"] == "removed"


def test_the_audit_log_is_verified(run: Run, store: Path) -> None:
    facts = json.loads(run("audit", "verify", "--json").out)
    assert (facts["ok"], facts["entries"], len(facts["head"])) == (True, 2, 64)
    assert "2 entries, all well" in run("audit", "verify").out
    assert len(run("audit", "list", "--subject", "KEYS.CSV").lines) == 1
    import sqlite3

    connection = sqlite3.connect(store)
    with connection:
        connection.execute("DELETE FROM audit WHERE number = 1")
    connection.close()
    broken = run("audit", "verify")
    assert (broken.code, "entry 1 is missing" in broken.out) == (4, True)
    assert run("store", "verify").code == 4


@pytest.fixture
def kept(run: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the system's keychain holds: with it alone the store can be unlocked."""
    kept: dict[str, bytes] = {}

    class Keychain:
        def read(self, name: str) -> bytes | None:
            return kept.get(name)

        def write(self, name: str, secret: bytes) -> None:
            kept[name] = secret

        def remove(self, name: str) -> None:
            kept.pop(name)

    for module in ("fieldtool.access", "fieldtool.cli.store_slots"):
        monkeypatch.setattr(f"{module}.SystemKeychain", Keychain)
    assert run("store", "slots", "--add-keychain").code == 0
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    monkeypatch.setattr(getpass, "getpass", lambda _: pytest.fail("asked"))
    return kept


def test_the_keychain_unlocks_when_there_is_one(run: Run, kept: dict[str, bytes]) -> None:
    assert len(run("keys", "list").lines) == 3
    kept.clear()
    assert run("keys", "list").code == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("way", [open_store, open_for_listening])
def test_an_unlocked_store_leaves_no_core_dump(
    kept: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, way: Callable[[StoreChoice], object]
) -> None:
    import resource

    limited: list[int] = []
    monkeypatch.setattr("resource.setrlimit", lambda what, _: limited.append(what))
    opened = way(choose_store(None, None))
    vault = opened[0] if isinstance(opened, tuple) else opened
    assert isinstance(vault, Vault)
    assert not vault.is_locked
    vault.close()
    assert limited == [resource.RLIMIT_CORE]


def test_a_store_that_nobody_can_unlock_is_closed_again(kept: dict[str, bytes], store: Path) -> None:
    kept.clear()
    vault, why = open_for_listening(choose_store(None, None))
    assert vault is None
    assert "stays locked" in why
    with Vault.open(store) as again:
        again.unlock(PASSPHRASE)


def test_a_new_passphrase_is_typed_twice(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldtool.cli.main import main

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    answers = iter(["a new passphrase", "another one"])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    assert main(["store", "passphrase"]) == 4
    answers = iter(["a new passphrase", "a new passphrase"])
    assert main(["store", "passphrase"]) == 0


@pytest.mark.parametrize("damage", ["another passphrase", "cut", "a changed byte", "another file", "nothing in it"])
def test_a_restore_that_fails_names_the_file(run: Run, store: Path, tmp_path: Path, damage: str) -> None:
    backup, own = tmp_path / "monday.bak", passphrase_file(tmp_path, "another horse battery")
    assert run("store", "backup", backup, "--backup-passphrase-file", own).code == 0
    data = backup.read_bytes()
    changed = {
        "cut": data[: len(data) // 2],
        "a changed byte": data[:-40] + bytes((data[-40] ^ 1,)) + data[-39:],
        "another file": b"hello",
        "nothing in it": b"",
    }
    backup.write_bytes(changed.get(damage, data))
    asked = passphrase_file(tmp_path, "not this one, ever") if damage == "another passphrase" else own
    failed = run("store", "restore", backup, "--store", tmp_path / "x", "--backup-passphrase-file", asked)
    assert failed.code == 4
    assert str(backup) in failed.err.splitlines()[0]
    assert not (tmp_path / "x").exists()


def test_a_passphrase_is_asked_for_with_the_name_of_its_file(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldtool.cli.main import main

    class Terminal:
        def isatty(self) -> bool:
            return True

    asked: list[str] = []

    def answer(prompt: str, *_: object) -> str:
        asked.append(prompt)
        return "another horse battery staple"

    monkeypatch.setattr("fieldtool.passphrase_prompt.ask_judged", answer)
    monkeypatch.setattr(getpass, "getpass", answer)
    monkeypatch.setattr(sys, "stdin", Terminal())
    backup, package = tmp_path / "monday.bak", tmp_path / "house.keys"
    assert main(["store", "backup", str(backup)]) == 0
    assert main(["store", "restore", str(backup), "--store", str(tmp_path / "x")]) == 0
    assert main(["keys", "export", str(package), "--format", "handover", "--yes"]) == 0
    assert [prompt for prompt in asked if prompt != "repeat it: "] == [
        f"new passphrase for the backup {backup}: ",
        f"passphrase of {backup}: ",
        f"password of the new file {package}: ",
    ]
