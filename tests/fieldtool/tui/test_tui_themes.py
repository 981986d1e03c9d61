"""Themes and terminals without colours: the screens stay readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot

import fieldtool.tui
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.meter_screen import MeterScreen
from protocols.model import Outcome
from tests.fieldtool.tui.tui_scenes import WIDE, address, run_app, screen_text, session_of, some_meters, telegram, until

STYLES = Path(fieldtool.tui.__file__).with_name("app.tcss")
_LITERAL_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\s*;|\brgba?\(|\bhsla?\(|:\s*(red|green|blue|white|black|yellow)\b")


def test_stylesheet_names_only_colours_of_the_theme() -> None:
    assert not _LITERAL_COLOUR.search(STYLES.read_text("utf-8"))


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "ansi-light", "nord", "dracula"])
def test_screens_can_be_drawn_in_every_kind_of_theme(theme: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        app.theme = theme
        await until(pilot, lambda: "wrong key" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        assert "Verdict" in screen_text(app)

    run_app(session_of(some_meters()), steps, WIDE)


def test_without_colours_outcome_cursor_and_encryption_are_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "○ no key" in screen_text(app))
        assert "▌00000001" in screen_text(app)
        await pilot.press("enter", "2")
        await until(pilot, lambda: "8A~" in screen_text(app))

    app = run_app(session_of([telegram(address(1), Outcome.NO_KEY)]), steps, WIDE)
    assert app.no_color
