"""Canaries: keys, passphrases and KEM passwords that must never come out again, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.replay.worker import Task
from keystore.formats import KemVariant, devices_from_records, write_csv, write_kem
from keystore.model import KeyRecord
from keystore.vault import KdfParameters
from protocols.model import Key
from tests.fieldtool.conftest import GAS_HEX, Run

ROOT = Path(__file__).resolve().parents[2]

CANARY_KEY = bytes.fromhex("CA9A41CA9A41F00DCA9A41CA9A41F00D")
OTHER_KEY = bytes.fromhex("5EC4E75EC4E7BEEF5EC4E75EC4E7BEEF")
PASSPHRASE = "canary-passphrase-Zw7"
PASSWORD = "canary-Kem-8x"
TYPED_WRONG = ("canary-typed-key", "CA9A41CA9A41F00DCA9A41CA9A41F0", "CA9A41CA9A41F00DCA9A41CA9A41F00DAA")

NEEDLES = tuple(
    needle.lower()
    for needle in (
        CANARY_KEY.hex(),
        CANARY_KEY.hex(" "),
        OTHER_KEY.hex(),
        repr(CANARY_KEY)[2:-1],
        base64.b64encode(CANARY_KEY).decode(),
        PASSPHRASE,
        PASSWORD,
        *TYPED_WRONG,
    )
)


def leaks(text: str) -> list[int]:
    """Which canaries are in a text, by number: the failure message must not show them either."""
    low = text.lower()
    return [number for number, needle in enumerate(NEEDLES) if needle in low]


@pytest.fixture
def store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a canary key filed for the gas meter, imported from a KEM2 and a CSV file."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    (tmp_path / "password").write_text(PASSWORD)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    record = KeyRecord(number="63001468", value=CANARY_KEY, manufacturer="KAM", serial="63001468")
    kem = write_kem(devices_from_records([record]), PASSWORD, KemVariant.KEM2, at=datetime(2026, 11, 20, tzinfo=UTC))
    (tmp_path / "keys.kem2").write_bytes(kem)
    other = KeyRecord(number="12345678", value=OTHER_KEY, manufacturer="ELS", serial="12345678")
    (tmp_path / "keys.csv").write_bytes(write_csv([other]))
    return tmp_path


def test_no_command_shows_what_it_was_given(run: Run, store: Path, capture: Path) -> None:
    said: list[str] = []

    def say(*argv: str | Path, stdin: bytes = b"") -> None:
        ran = run("--verbose", *argv, stdin=stdin)
        said.append(f"{ran.out}\n{ran.err}")

    kem, csv, password = store / "keys.kem2", store / "keys.csv", store / "password"
    say("store", "create")
    say("keys", "import", kem)
    say("keys", "import", kem, "--password-file", store / "passphrase")
    say("keys", "import", kem, csv, "--password-file", password)
    say("keys", "list")
    say("keys", "list", "--json")
    say("keys", "find", "63001468")
    say("store", "info", "--json")
    say("store", "verify")
    say("decode", GAS_HEX)
    say("decode", "--json", GAS_HEX)
    say("decode", "--explain", GAS_HEX, "--key", CANARY_KEY.hex())
    say("replay", "--json", capture)
    say("replay", "--json", "--jobs", "2", capture)
    say("listen", f"file:{capture}")
    request = {"hex": GAS_HEX, "keys": [CANARY_KEY.hex(), OTHER_KEY.hex()]}
    say("decode", "--jsonl", stdin=json.dumps(request).encode())
    (store / "passphrase").write_text("not the right one")
    say("keys", "list")
    assert all(said)
    assert [leaks(text) for text in said] == [[]] * len(said)
    assert any("key_check_value" in text for text in said)


@pytest.mark.parametrize("typed", range(len(TYPED_WRONG)))
def test_a_mistyped_key_is_not_repeated(run: Run, typed: int, tmp_path: Path) -> None:
    key = TYPED_WRONG[typed]
    broken = [
        run("decode", GAS_HEX, "--key", key),
        run("decode", GAS_HEX, f"--key={key}"),
        run("decode", key),
        run("decode", GAS_HEX, "--keys", key),
        run("decode", "--jsonl", stdin=json.dumps({"hex": GAS_HEX, "key": key}).encode()),
        run("decode", "--jsonl", stdin=b'{"key": "' + key.encode() + b'", "hex": }'),
        run("decode", stdin=key.encode()),
        run("replay", tmp_path / "x.hex", "--key", key),
        run("listen", "sim:demo", "--key", key),
    ]
    shown = [leaks(ran.out.replace(GAS_HEX, "") + ran.err) for ran in broken[:2] + broken[3:]]
    assert shown == [[]] * len(shown)
    assert all(ran.code in (1, 2) for ran in broken)


@pytest.mark.parametrize("column", ["key", "aes key"])
def test_a_damaged_key_file_is_not_repeated(run: Run, store: Path, column: str) -> None:
    run("store", "create")
    path = store / "damaged.csv"
    rows = [f"serial;{column}"] + [f"{number};{key}" for number, key in enumerate(TYPED_WRONG, start=63001460)]
    path.write_text("\n".join(rows))
    ran = run("keys", "import", path)
    assert leaks(ran.out + ran.err) == []
    cut = store / "cut.kem2"
    cut.write_bytes((store / "keys.kem2").read_bytes()[:-40])
    ran = run("keys", "import", cut, "--password-file", store / "password")
    assert ran.code == 4
    assert leaks(ran.out + ran.err) == []


def test_a_crash_report_holds_no_secret(run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("store", "create")
    run("keys", "import", store / "keys.csv")
    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(reports))

    def crash(*_: object) -> None:
        raise RuntimeError("a bug, with a key in its frame")

    monkeypatch.setattr("fieldtool.cli.decode.summary", crash)
    ran = run("decode", GAS_HEX)
    assert "internal error" in ran.err
    (report,) = reports.glob("*.log")
    assert "RuntimeError" in report.read_text()
    assert leaks(report.read_text() + ran.err) == []


def test_values_that_carry_keys_do_not_show_them() -> None:
    key = Key(CANARY_KEY, "given")
    assert leaks(repr(key) + str(key) + repr(Task("json", (key,))) + repr(LazyKeys("x", "y"))) == []


def test_the_demonstration_shows_no_key_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fieldtool", "demo", "--seconds", "3", "--json", "--verbose"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scenario = subprocess.run(
        [sys.executable, "-m", "fieldtool", "simulate", "scenario", "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    keys = [meter["key"] for meter in json.loads(scenario.stdout) if meter["key"]]
    assert len(keys) >= 5
    assert done.stdout
    assert not any(key.lower() in (done.stdout + done.stderr).lower() for key in keys)
