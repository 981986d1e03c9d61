"""The actions beside what else is open: help, the palette, the shell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.reception_screen import ReceptionScreen
from tests.fieldtool.actions.action_bench import Clock, open_bench
from tests.fieldtool.tui.action_scenes import Field, on_actions, says, visit
from tests.fieldtool.tui.tui_scenes import run_app, screen_lines, until


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    clock = Clock()
    monkeypatch.setattr("fieldtool.enrolment.now", clock)
    with open_bench(tmp_path / "keys.vault", clock) as bench:
        yield Field(bench, [])


def test_ctrl_z_leaves_no_meter_waiting(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    suspended: list[str] = []
    monkeypatch.setattr(FieldToolApp, "action_suspend_process", lambda _app: suspended.append("now"))
    field.bench.enrol("installer")
    field.wait = threading.Event()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "start-radio")
        await until(pilot, says(app, "waiting for the meter"))
        await pilot.press("ctrl+z")
        assert not suspended
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query_one("#message").has_class("-bad"))
        await pilot.press("ctrl+z")
        await until(pilot, lambda: suspended == ["now"])

    on_actions(field, steps)


@pytest.mark.parametrize("opened", ["question_mark", "ctrl+p"])
def test_windows_before_a_screen_change_nothing_of_what_can_be_done_there(field: Field, opened: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "a Actions" in screen_lines(app)[-1])
        await pilot.press(opened)
        await until(pilot, lambda: not isinstance(app.screen, ReceptionScreen))
        await pilot.pause()
        assert app.check_action("actions", ())
        assert "Actions" in {command.title for command in app.get_system_commands(app.screen_stack[-2])}
        await pilot.press("escape")
        await until(pilot, lambda: "a Actions" in screen_lines(app)[-1])

    run_app(field.session(), steps)
