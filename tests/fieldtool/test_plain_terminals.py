"""Terminals without the program's signs: each sign still differs from the others, and nothing ends the program."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from fieldtool.cli import output
from fieldtool.export.lines import moment_text, outcome_text
from protocols.model import Outcome
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

ROOT = Path(__file__).resolve().parents[2]


def written(monkeypatch: pytest.MonkeyPatch, encoding: str, *lines: str) -> list[str]:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, newline="\n"))
    output.prepare()
    for line in lines:
        output.data(line, flush=True)
    return raw.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp850", "cp437", "latin-1", "utf-8"])
def test_outcomes_can_be_told_apart(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    texts = [outcome_text(outcome) for outcome in Outcome]
    shown = written(monkeypatch, encoding, *texts)
    signs = {text[0] for text in texts}
    assert len({text[0] for text in shown}) == len(signs)
    assert not any("?" in text for text in shown)
    assert written(monkeypatch, "utf-8", *texts) == texts


def test_units_stay_readable_and_foreign_letters_harm_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(monkeypatch, "ascii", "12.5 m³ at 20.1 °C \N{EN DASH} 水") == ["12.5 m3 at 20.1  C - ?"]
    assert written(monkeypatch, "cp1252", "12.5 m³ at 20.1 °C") == ["12.5 m³ at 20.1 °C"]


def test_a_telegram_in_a_plain_locale() -> None:
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment.pop("PYTHONIOENCODING", None)
    done = subprocess.run(
        [sys.executable, "-m", "fieldtool", "decode", "--explain", GAS_HEX, "--key", GAS_KEY],
        capture_output=True, env=environment, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    shown = done.stdout.decode("ascii" if sys.platform != "win32" else "utf-8", "replace")
    assert "decryption   AES-128-CBC" in shown
    assert "28504.27 m" in shown


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("store", "backup", "b.bak"), "--backup-passphrase-file"),
        (("store", "restore", "{store}"), "--backup-passphrase-file"),
        (("store", "passphrase"), "--new-passphrase-file"),
    ],
)
def test_without_a_terminal_the_option_is_named_that_answers(
    run: Run, store: Path, command: tuple[str, ...], option: str
) -> None:
    ran = run(*(word.format(store=store) for word in command))
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.splitlines()[-1] == f"  give {option} FILE"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 20, 8, 5, tzinfo=UTC), "2026-11-20 08:05 UTC"),
        (datetime(2026, 11, 20, 8, 5, 7, tzinfo=UTC), "2026-11-20 08:05:07 UTC"),
        (datetime(2026, 11, 20, 8, 5, tzinfo=timezone(timedelta(hours=1))), "2026-11-20 08:05+01:00"),
        (datetime(2026, 11, 20, 8, 5), "2026-11-20 08:05"),  # noqa: DTZ001 - a meter's own time, of no known zone
    ],
)
def test_times_are_written_as_people_read_them(moment: datetime, text: str) -> None:
    assert moment_text(moment) == text
