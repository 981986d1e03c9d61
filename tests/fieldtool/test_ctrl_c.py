"""Ctrl-C while something is listened to: what was heard by then is not lost."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldtool.cli import listen
from fieldtool.cli import main as cli_main
from fieldtool.pipeline.listening import Heard, Listening
from tests.fieldtool.conftest import Run
from tests.keystore.made_up import key_of

WANTED = 12


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user press Ctrl-C as soon as a dozen telegrams were heard."""
    show_until = listen._show_until

    def until(listening: Listening, show: Callable[[Heard], None], limit_s: float | None) -> None:
        heard = 0

        def counting(news: Heard) -> None:
            nonlocal heard
            show(news)
            heard += 1
            if heard == WANTED:
                raise KeyboardInterrupt

        show_until(listening, counting, limit_s)

    monkeypatch.setattr(listen, "_show_until", until)


def test_keys_check_prints_what_it_knows(run: Run, store: Path, ctrl_c: None) -> None:
    ran = run("keys", "check", "sim:demo?speed=60", "--seconds", "60", "--json")
    assert ran.code == 130
    states = {json.loads(line)["state"] for line in ran.lines}
    assert "missing" in states
    assert "interrupted: what was heard so far is checked" in ran.err
    assert "need attention" in ran.err


def test_keys_check_assigns_nothing_then(run: Run, store: Path, tmp_path: Path, ctrl_c: None) -> None:
    loose = tmp_path / "loose.txt"
    loose.write_text(f"{key_of('a').hex()}\n")
    ran = run("keys", "check", "sim:demo?speed=60", "--try", loose, "--assign", "--yes")
    assert ran.code == 130
    assert "no key was assigned" in ran.err
    assert run("keys", "list").out == ""


def test_keys_check_says_when_nothing_was_heard(
    run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(listen, "_show_until", at_once)
    ran = run("keys", "check", "sim:demo")
    assert (ran.code, ran.out) == (130, "")
    assert "no meter was heard" in ran.err


@pytest.mark.parametrize("at_terminal", [True, False])
def test_the_shell_does_not_write_behind_a_question(
    run: Run, store: Path, monkeypatch: pytest.MonkeyPatch, at_terminal: bool
) -> None:
    def asked(prompt: str) -> str:
        sys.stderr.write(prompt)
        raise KeyboardInterrupt

    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    monkeypatch.setattr("fieldtool.access.ask_passphrase", lambda prompt, _: asked(prompt))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: at_terminal)
    ran = run("keys", "list")
    assert ran.code == 130
    assert ran.err == f"passphrase of {store}: " + "\n" * at_terminal


@pytest.mark.parametrize("command", [("listen", "sim:demo?speed=60"), ("demo",)])
def test_listening_is_summed_up(run: Run, command: tuple[str, ...], ctrl_c: None) -> None:
    ran = run(*command)
    assert ran.code == 130
    assert " telegrams of " in ran.err.splitlines()[-1]
    assert len(ran.lines) >= WANTED - 2, "duplicates are not shown"


@pytest.mark.skipif(not hasattr(signal, "SIGCONT"), reason="Windows has no such signal")
def test_a_closed_terminal_draws_no_screen_again() -> None:
    drawn: list[int] = []
    before = signal.signal(signal.SIGCONT, lambda number, _: drawn.append(number))
    try:
        with pytest.raises(KeyboardInterrupt), cli_main._ended_in_order():
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGCONT)
    finally:
        signal.signal(signal.SIGCONT, before)
    assert drawn == []
