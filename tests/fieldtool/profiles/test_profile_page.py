"""`docs/add-a-profile.md` is true: what it prints is what the commands print, and every snippet of it is read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from protocols.profiles.schema import parse_profile
from tests.fieldtool.conftest import GAS_HEX, Run

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "add-a-profile.md").read_text(encoding="utf-8")
FILE = "els_gas.toml"
SHORTENED = "2E4493…EBF3"
LEFT_OUT = "…"

SNIPPETS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLE = SNIPPETS[0]
SESSIONS = re.findall(r"^```console\n\$ fieldtool (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MISTAKES = [
    tuple(cell.strip().removeprefix("`").removesuffix("`") for cell in row.split("|"))
    for row in re.findall(r"^\| (`.* \| `(?:error|warning): .*`) \|$", PAGE, re.MULTILINE)
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the page's commands run, with the page's file."""
    (tmp_path / FILE).write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_has_what_these_tests_look_for() -> None:
    assert EXAMPLE.startswith("schema = 1")
    assert (len(SESSIONS), len(SNIPPETS) > 12, len(MISTAKES) >= 20) == (4, True, True)
    assert all(len(row) == 3 for row in MISTAKES)


@pytest.mark.parametrize(("command", "shown"), SESSIONS, ids=range(len(SESSIONS)))
@pytest.mark.usefixtures("here")
def test_a_command_prints_what_the_page_shows(run: Run, command: str, shown: str) -> None:
    ran = run(*shlex.split(command.replace(SHORTENED, GAS_HEX)))
    assert (ran.code, ran.err) == (0, "")
    found = ran.out
    for part in filter(None, shown.split(f"{LEFT_OUT}\n")):
        before, middle, found = found.partition(part)
        assert middle == part, f"not printed:\n{part}"
        assert LEFT_OUT in shown or not before
    assert LEFT_OUT in shown or not found


@pytest.mark.parametrize("snippet", SNIPPETS[1:], ids=range(1, len(SNIPPETS)))
def test_every_snippet_is_part_of_a_profile(snippet: str) -> None:
    text = EXAMPLE + snippet if snippet.startswith("[[") else snippet + EXAMPLE
    parse_profile(text, FILE)


@pytest.mark.parametrize(("instead", "wrote", "says"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_told_as_the_page_says(run: Run, here: Path, instead: str, wrote: str, says: str) -> None:
    assert f"{instead}\n" in EXAMPLE
    (here / FILE).write_text(EXAMPLE.replace(f"{instead}\n", f"{wrote}\n" if wrote else "", 1), encoding="utf-8")
    ran = run("profiles", "check", FILE)
    assert f"{FILE}: {says}" in ran.lines, ran.out
    assert ran.code == int(": error: " in ran.out)
