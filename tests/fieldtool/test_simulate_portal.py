"""`simulate portal`: key files of simulated meters, which `keys import` takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.cli.simulate_portal import write_file
from fieldtool.errors import OutputError
from fieldtool.keys.key_import import read_key_file
from keystore.errors import WrongPassword
from keystore.formats import ReadOptions
from simulators.portals.kamstrup import PortalFile, export_keys
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run


@pytest.mark.usefixtures("store")
def test_its_files_are_imported_with_the_password_that_it_prints(run: Run, tmp_path: Path, scenario: Scenario) -> None:
    made = [json.loads(line) for line in run("simulate", "portal", "--folder", tmp_path, "--json").lines]
    assert len(made) == 3
    assert [bool(one["password"]) for one in made] == [True, False, False]
    secret = tmp_path / "secret"
    secret.write_text(made[0]["password"])
    ran = run("keys", "import", *(one["file"] for one in made), "--password-file", secret, "--yes")
    assert ran.code == 0
    listed = run("keys", "list").out
    with_key = [meter for meter in scenario.meters if meter.exported_key is not None]
    assert all(meter.address.number in listed for meter in with_key)


def test_a_password_that_was_given_is_not_printed(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not-to-be-seen")
    ran = run("simulate", "portal", "--folder", tmp_path, "--password-file", secret)
    assert ran.code == 0
    assert "not-to-be-seen" not in ran.out + ran.err
    secret.write_text("longer than sixteen bytes")
    assert run("simulate", "portal", "--folder", tmp_path / "b", "--password-file", secret).code == 2


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "devices.csv"
    path.write_text("somebody's")
    with pytest.raises(OutputError, match="exists already"):
        write_file(path, PortalFile(path.name, b"other"))
    assert path.read_text() == "somebody's"


def test_the_folder_must_be_there(run: Run, tmp_path: Path) -> None:
    ran = run("simulate", "portal", "--folder", tmp_path / "no" / "such")
    assert ran.code == 2
    assert "cannot be written" in ran.err


def test_a_mistyped_password_is_asked_for_again(tmp_path: Path, scenario: Scenario) -> None:
    """Who is thrown out types the password once more, into the shell and its history."""
    file = export_keys(scenario, "right", datetime(2026, 11, 20, tzinfo=UTC))[0]
    path = tmp_path / file.file_name
    path.write_bytes(file.data)
    asked: list[str] = []

    def ask_with(*answers: str) -> Callable[[str], str]:
        left = iter(answers)

        def ask(question: str) -> str:
            asked.append(question)
            return next(left)

        return ask

    assert any(True for _ in read_key_file(path, ReadOptions(), ask_with("wrong", "", "right")).open().rows)
    assert asked[0] == f"password of {path.name}: "
    assert asked[1].startswith(f"the password does not open {path.name}")
    with pytest.raises(WrongPassword):
        read_key_file(path, ReadOptions(), ask_with("wrong", "wrong", "wrong"))
    with pytest.raises(WrongPassword):
        read_key_file(path, ReadOptions(password="wrong"), ask_with())
