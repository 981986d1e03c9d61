"""A terminal that is slow holds no keys up, and one that is gone ends the program, whatever still waits to be drawn."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from textual.app import App
from textual.driver import Driver as TextualDriver
from textual.pilot import Pilot

from fieldtool.tui.app import FieldToolApp, run
from fieldtool.tui.terminal import TerminalOutput, patient
from tests.fieldtool.tui.tui_scenes import PATIENCE_S, address, run_app, screen_text, session_of, telegram, until

pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")

_BUSY_SCREENS = """
import itertools, threading, time
from tests.fieldtool.tui.tui_scenes import address, session_of, telegram
from fieldtool.tui.app import run

session = session_of([telegram(address(1))])

def hear():
    for count in itertools.count():
        for number in range(30):
            value = f"{count}.{number:03d}"
            session.reception.accept(telegram(address(number), value=value, access_number=count % 256))
        time.sleep(0.02)

threading.Thread(target=hear, daemon=True).start()
run(session)
"""


class _Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


class _Blocked(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.is_waiting = threading.Event()
        self.may_go_on = threading.Event()

    def flush(self) -> None:
        self.is_waiting.set()
        assert self.may_go_on.wait(PATIENCE_S)


def test_what_a_closed_terminal_does_not_take_goes_nowhere() -> None:
    gone: list[str] = []
    output = TerminalOutput(_Closed(), lambda: gone.append("gone"))
    for _ in range(3):
        output.write("text")
        output.flush()
    assert gone == ["gone"]
    assert not output.is_behind


def test_a_terminal_is_behind_until_it_has_taken_everything() -> None:
    file = _Blocked()
    output = TerminalOutput(file, lambda: None)
    seen: list[bool] = []
    output.write("text")
    seen.append(output.is_behind)
    writer = threading.Thread(target=output.flush)
    writer.start()
    assert file.is_waiting.wait(PATIENCE_S)
    seen.append(output.is_behind)
    file.may_go_on.set()
    writer.join(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while output.is_behind and time.monotonic() < deadline:
        time.sleep(0.01)
    seen.append(output.is_behind)
    assert seen == [False, True, False]
    assert file.getvalue() == "text"


def test_nothing_new_is_drawn_while_the_terminal_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = [True]
    session = session_of([telegram(address(1))])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "00000001" in screen_text(app))
        asked: list[object] = []

        def ask(app: object) -> bool:
            asked.append(app)
            return behind[0]

        monkeypatch.setattr("fieldtool.tui.live_screen.is_behind", ask)
        session.reception.accept(telegram(address(2)))
        await until(pilot, lambda: len(asked) > 2)
        assert "00000002" not in screen_text(app)
        await pilot.press("question_mark", "escape")
        behind[0] = False
        await until(pilot, lambda: "00000002" in screen_text(app))

    run_app(session, steps)


def test_busy_screens_end_when_their_terminal_is_closed_that_took_nothing(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    script = tmp_path / "busy.py"
    script.write_text(_BUSY_SCREENS)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-W", "ignore", str(script)]
    screens = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    try:
        assert os.read(master, 1), "the screens have begun to draw"
        with pytest.raises(subprocess.TimeoutExpired):
            screens.wait(2)
        os.close(master)
        screens.wait(3 * PATIENCE_S)
    finally:
        screens.kill()
        screens.wait()


def test_screens_that_are_broken_off_leave_no_thread_that_reads_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def break_off(app: FieldToolApp) -> None:
        monkeypatch.setattr(app, "_driver", SimpleNamespace(exit_event=ended))
        raise KeyboardInterrupt

    monkeypatch.setattr(FieldToolApp, "run", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(session_of([]))
    assert ended.is_set()


def test_a_driver_that_writes_to_no_file_is_left_as_it_is() -> None:
    """Textual's driver for browsers."""

    class Driver:
        def __init__(self, app: object, **options: object) -> None:
            self.app = app

    async def made() -> object:
        return patient(cast("type[TextualDriver]", Driver))(cast("App[None]", None))

    assert not hasattr(asyncio.run(made()), "_file")
