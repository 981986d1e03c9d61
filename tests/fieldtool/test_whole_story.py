"""The whole story by command line alone: `docs/levels-in-practice.md`, run as it stands there.

Every command of the page's console blocks is run in this process, but for the simulated meter (`&`), which is a process
of its own. Every line that the page shows has to be among what was said; `…` stands for anything, and a word of `WORDS`
for what was in its place the first time.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keystore.model import key_check_value
from keystore.vault import KdfParameters
from tests.fieldtool.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "levels-in-practice.md"
PASSPHRASE = "four words and a number 4"
WORDS = {
    "FINGERPRINT": r"[0-9a-f]{64}",
    "LINK": r"[^\s\"]+",
    "LINK2": r"[^\s\"]+",
    "KEY": r"[0-9A-F]{32}",
    "OLDKEY": r"[0-9a-f]{6}",
    "NEWKEY": r"[0-9a-f]{6}",
}
"""What each word may stand for; the last two are key check values."""
ANY_WORD = re.compile(rf"\b({'|'.join(WORDS)})\b")
TELLS_CODE = '; echo "exit code $?"'
CODE = re.compile(r"exit code (\d+)")


@dataclass
class Step:
    """One command of the page with the lines that it is said to print, or a file to be written."""

    command: str = ""
    lines: list[str] = field(default_factory=list)
    file: str = ""


def steps_of_the_page() -> list[Step]:
    """All console and CSV blocks, in their order."""
    steps: list[Step] = []
    for kind, block in re.findall(r"```(console|csv)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        if kind == "csv":
            steps.append(Step(file=block))
            continue
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:]))
            else:
                steps[-1].lines.append(line)
    return steps


class Story:
    """What the words of the page stand for, and everything that the tool has said."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run = run
        self.folder = folder
        self.known: dict[str, str] = {}
        self.said: list[str] = []
        self.stack = ExitStack()

    def tell(self, step: Step) -> None:
        """Do one step, and compare what is said with the page."""
        if step.file:
            (self.folder / "meters.csv").write_text(self.filled(step.file))
            return
        command = step.command.removesuffix(TELLS_CODE)
        if command.endswith(" &"):
            # A meter that is started again takes the place of the one before.
            self.stack.close()
            said, code = [self.stack.enter_context(background(self.argv(command[:-2]), self.folder))], 0
        else:
            ran = self.run(*self.argv(command))
            said, code = f"{ran.out}{ran.err}".splitlines(), ran.code
            self.said += said
        wanted = step.lines
        expected = 0
        if command != step.command:
            wanted, told = step.lines[:-1], CODE.fullmatch(step.lines[-1])
            assert told is not None, f"{step.command}: its last line says no exit code"
            expected = int(told[1])
        assert code == expected, f"{step.command}: exit code {code}: {said}"
        for line in wanted:
            self.find(line, said, step.command)

    def find(self, line: str, said: list[str], command: str) -> None:
        """Find a line of the page among what was said; words that are not known yet are known afterwards."""

        def meant(word: re.Match[str]) -> str:
            known = self.known.get(word[0])
            return rf"(?P<{word[0]}>{WORDS[word[0]]})" if known is None else re.escape(known)

        compiled = re.compile(ANY_WORD.sub(meant, re.escape(line)).replace("…", ".*"))
        found = next((match for one in said if (match := compiled.fullmatch(one))), None)
        assert found is not None, f"{command}: {line!r} is not among {said}"
        self.known |= found.groupdict()

    def filled(self, text: str) -> str:
        return ANY_WORD.sub(lambda word: self.known[word[0]], text)

    def argv(self, command: str) -> list[str]:
        program, *words = shlex.split(self.filled(command))
        assert program == "fieldtool", f"{command}: only the tool itself is run"
        return words


@contextmanager
def background(argv: list[str], folder: Path) -> Iterator[str]:
    """Run a command as a process of its own until the end; gives the first line that it says."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "fieldtool", *argv],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rstrip("\n")
        finally:
            process.terminate()


@pytest.fixture
def story(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """An empty folder and a passphrase file."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.chdir(tmp_path)
    told = Story(run, tmp_path)
    with told.stack:
        yield told


def test_the_page_is_what_happens(story: Story) -> None:
    steps = steps_of_the_page()
    assert len(steps) > 30
    for step in steps:
        story.tell(step)

    known = story.known
    assert known.keys() == WORDS.keys()
    assert known["OLDKEY"] == key_check_value(bytes.fromhex(known["KEY"]))
    meter = json.loads((story.folder / "meter.json").read_text())
    new = bytes.fromhex(meter["key"])
    assert known["NEWKEY"] == key_check_value(new) != known["OLDKEY"]
    assert (meter["customer_number"], meter["primary_address"], meter["alarms"]) == ("K-4711", 5, 0)
    everything = "\n".join(story.said).casefold()
    assert not any(key.hex() in everything for key in (bytes.fromhex(known["KEY"]), new)), "a key was said"


def test_a_page_that_says_something_else_is_found_out(story: Story) -> None:
    story.find("fingerprint FINGERPRINT", ["made it", f"fingerprint {'3f' * 32}"], "make")
    story.find("again … FINGERPRINT", [f"again and again {'3f' * 32}"], "again")
    for line in ("fingerprint", "again … 4f", "made", "OLDKEY"):
        with pytest.raises(AssertionError, match="is not among"):
            story.find(line, ["made it", f"fingerprint {'3f' * 32}"], "make")
    with pytest.raises(AssertionError, match="exit code 2"):
        story.tell(Step("fieldtool certs trust desk/anchor.pem", []))
