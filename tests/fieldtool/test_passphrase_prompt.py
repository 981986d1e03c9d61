"""A new passphrase typed at a terminal: judged at every key, never shown."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fieldtool import access, passphrase_prompt
from keystore.passphrase_policy import POLICIES, PolicyName

pty = pytest.importorskip("pty", reason="needs a pseudo terminal")

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import sys
from fieldtool.passphrase_prompt import ask_judged
from keystore.passphrase_policy import POLICIES, PolicyName
try:
    got = ask_judged(sys.argv[2], POLICIES[PolicyName.FOUR_CLASSES_12])
except (KeyboardInterrupt, EOFError) as end:
    got = type(end).__name__
open(sys.argv[1], "w").write(got)
"""


def typed(keys: bytes, tmp_path: Path, prompt: str = "new: ", columns: int = 0) -> tuple[str, str]:
    """Type keys at a terminal; return what was understood, and all that was shown."""
    ours, theirs = pty.openpty()
    if columns:
        import termios

        termios.tcsetwinsize(theirs, (24, columns))
    answer = tmp_path / "answer"
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, str(answer), prompt], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while b"characters of four classes" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, keys)
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:
        pass  # the other end was closed
    process.wait(timeout=20)
    os.close(ours)
    return answer.read_text(encoding="utf-8"), shown.decode(errors="replace")


def test_it_is_judged_while_it_is_typed_and_not_shown(tmp_path: Path) -> None:
    got, shown = typed(b"Canary-Zug1x\n", tmp_path)
    assert got == "Canary-Zug1x"
    assert "Canary" not in shown
    assert "6 characters · weak · still needs 6 more characters, a digit" in shown
    assert "12 characters" in shown


@pytest.mark.parametrize(
    ("keys", "got"),
    [
        (b"abc\x7f\x7fx\n", "ax"),
        (b"abc\x15xyz\n", "xyz"),
        ("zähler\n".encode(), "zähler"),
        ("ä\x7fb\n".encode(), "b"),
        (b"\x7f\x7f\n", ""),
        (b"abc\x03", "KeyboardInterrupt"),
        (b"\x04", "EOFError"),
        (b"a\x01\x1bb\n", "ab"),
    ],
)
def test_keys_that_edit(tmp_path: Path, keys: bytes, got: str) -> None:
    assert typed(keys, tmp_path)[0] == got


@pytest.mark.parametrize("columns", [40, 80])
def test_what_is_drawn_fits_into_a_line_so_that_it_can_be_drawn_over(tmp_path: Path, columns: int) -> None:
    got, shown = typed(b"Canary\n", tmp_path, "new passphrase for a new keystore: ", columns)
    assert got == "Canary"
    drawn = re.findall(r"\r\x1b\[K([^\r]*)", shown)
    assert len(drawn) == len("Canary") + 1
    assert max(map(len, drawn)) < columns
    assert drawn[-1].startswith("6 characters · weak · still needs")


def test_a_passphrase_that_the_store_will_refuse_is_not_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def again(prompt: str) -> str:
        asked.append(prompt)
        return "short"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(passphrase_prompt, "ask_judged", lambda *_: "short")
    monkeypatch.setattr(getpass, "getpass", again)
    assert access.new_passphrase(None, POLICIES[PolicyName.LENGTH]) == "short"
    assert asked == []
