"""A walk through the app: every key is explained, every part that takes keys has help, every list an empty state."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

import fieldtool.tui
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.help_screen import HelpScreen, HelpView
from fieldtool.tui.key_bar import key_hints
from fieldtool.tui.line_view import LineView
from fieldtool.tui.meter_list import MeterList
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.reception_screen import ReceptionScreen
from tests.fieldtool.tui.tui_scenes import (
    NARROW,
    WIDE,
    address,
    run_app,
    screen_text,
    session_of,
    some_meters,
    telegram,
    until,
)


def _own_classes() -> Iterator[type[DOMNode]]:
    for module in pkgutil.iter_modules(fieldtool.tui.__path__, "fieldtool.tui."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and issubclass(found, Widget | App):
                yield found


def _own_bindings() -> list[tuple[str, Binding]]:
    return [
        (found.__name__, binding)
        for found in _own_classes()
        for bindings in BindingsMap(found.__dict__.get("BINDINGS", [])).key_to_bindings.values()
        for binding in bindings
    ]


def test_every_binding_has_description_tooltip_and_id() -> None:
    bindings = _own_bindings()
    assert len(bindings) > 30
    assert [(name, b.key) for name, b in bindings if not (b.description and b.tooltip and b.id)] == []


def test_every_id_means_one_action() -> None:
    actions: dict[str, set[tuple[str, str]]] = {}
    for name, binding in _own_bindings():
        actions.setdefault(str(binding.id), set()).add((name, binding.action))
    assert {identifier: found for identifier, found in actions.items() if len(found) > 1} == {}


def _focusable(screen: Screen[object]) -> list[Widget]:
    return [widget for widget in screen.walk_children(Widget) if widget.can_focus and widget.display]


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_everything_that_takes_keys_has_help_and_an_empty_state(size: tuple[int, int]) -> None:
    async def check(app: FieldToolApp) -> None:
        for widget in _focusable(app.screen):
            assert widget.HELP, widget
            if isinstance(widget, LineView) and not isinstance(widget, HelpView):
                assert widget.empty_lines(), widget
                assert all(line.strip() for line in widget.empty_lines()), widget

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, ReceptionScreen)
        await check(app)
        await pilot.press("slash")
        await check(app)
        await pilot.press("escape", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        await check(app)
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        for page in ("1", "2"):
            await pilot.press(page)
            await check(app)

    run_app(session_of([telegram(address(1))]), steps, size)


@pytest.mark.parametrize("key", ["question_mark", "f1"])
def test_help_explains_the_focused_part_and_its_keys(key: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press(key)
        await until(pilot, lambda: "Help: reception list" in screen_text(app))
        text = screen_text(app)
        assert "Every meter in range, one line each." in text
        for words in ("Show only some meters", "Pause the list", "Leave the program", "Copy the newest telegram"):
            assert words in text
        assert "Start simulated meters" not in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReceptionScreen))

    run_app(session_of([]), steps, WIDE)


def test_help_follows_remapped_keys() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        app.set_keymap({"home.filter": "f"})
        await pilot.press("f")
        assert app.focused is app.screen.query_one("#filter")
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: "Help: reception list" in screen_text(app))
        assert [line for line in screen_text(app).splitlines() if "│ f  " in line and "Filter" in line]

    run_app(session_of([]), steps, WIDE)


def test_help_names_the_simulator_where_there_is_one() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Start simulated meters" in screen_text(app))

    run_app(replace(session_of([]), start_simulator=lambda: session_of([])), steps, WIDE)


def test_help_of_a_meter_names_the_keys_of_the_part_that_has_the_focus() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("enter", "2", "question_mark")
        await until(pilot, lambda: "Help: one meter" in screen_text(app))
        assert "The telegram in the terms of its standard" in screen_text(app)
        assert "Close the branch, or go to it" in screen_text(app)

    run_app(session_of([telegram(address(1))]), steps, WIDE)


def test_palette_offers_what_applies_on_this_screen() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Reception: sort by RSSI", "Reception: filter"} <= offered
        assert "Reception: simulate" not in offered
        sort = next(c for c in app.get_system_commands(app.screen) if c.title == "Reception: sort by RSSI")
        sort.callback()
        assert app.screen.query_one(MeterList).table.sorted_by.value == "RSSI"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert "Meter: copy hex" in offered
        assert not any(title.startswith("Reception") for title in offered)

    run_app(session_of(some_meters()), steps)


@pytest.mark.parametrize("width", [30, 50, 80, 140])
def test_key_bar_fits_and_never_loses_help_and_quit(width: int) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        for expected in (ReceptionScreen, MeterScreen):
            await until(pilot, lambda kind=expected: isinstance(app.screen, kind))  # type: ignore[misc]
            await pilot.pause()
            last = screen_text(app).splitlines()[-1]
            assert len(last) <= width
            assert last.endswith("? Help  q Quit")
            await pilot.press("enter")

    run_app(session_of([telegram(address(1))]), steps, (width, 24))


def test_key_bar_names_the_simulator_at_80_columns() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.pause()
        assert "s Simulator" in screen_text(app).splitlines()[-1]

    run_app(replace(session_of([]), start_simulator=lambda: session_of([])), steps)


def test_key_bar_groups_keys_and_shows_what_cannot_be_done_now() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        hints = {hint.words: hint for hint in key_hints(app.screen)}
        assert hints["Telegram"].keys == "[ ]"
        assert hints["Page"].keys == "1 2"
        assert hints["Copy"].enabled

    run_app(session_of([telegram(address(1))]), steps)


def test_click_on_a_key_does_the_same_as_the_key() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.pause()
        line = screen_text(app).splitlines()[-1]
        await pilot.click("#keys", offset=(line.index("Help"), 0))
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        await pilot.click("#keys", offset=(line.index("Filter"), 0))
        await until(pilot, lambda: app.focused is app.screen.query_one("#filter"))

    run_app(session_of([telegram(address(1))]), steps)


def test_q_quits() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    assert run_app(session_of([]), steps).return_code == 0
