"""Thousands of meters and telegrams: what is drawn is bounded by the screen, not by what is received."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.live_screen import PULL_INTERVAL_S
from fieldtool.tui.meter_list import MeterList
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.session import Session
from protocols.model import Telegram
from tests.fieldtool.tui.tui_scenes import NARROW, NOW, address, run_app, session_of, telegram, until

METERS = 5_000
A_SECOND = 2_000
PULLS_A_SECOND = round(1 / PULL_INTERVAL_S)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lines of the reception list that were drawn."""
    lines: list[int] = []
    draw = MeterList.render_line

    def counting(self: MeterList, y: int) -> Strip:
        lines.append(y)
        return draw(self, y)

    monkeypatch.setattr(MeterList, "render_line", counting)
    return lines


def _busy_second() -> Iterator[list[Telegram]]:
    """The telegrams of one second, as many as come between two pulls at a time."""
    per_pull = A_SECOND // PULLS_A_SECOND
    for pull in range(PULLS_A_SECOND):
        at = NOW + timedelta(seconds=60 + pull * PULL_INTERVAL_S)
        numbers = [(pull * per_pull + i) * 7 % METERS for i in range(per_pull)]
        yield [telegram(address(number), access_number=2, value="99.001", at=at) for number in numbers]


def many_meters() -> Session:
    return session_of(telegram(address(number)) for number in range(METERS))


async def at_rest(app: FieldToolApp, pilot: Pilot[None], drawn: list[int], *keys: str) -> ReceptionScreen:
    """Wait for all meters, press the keys, stop looking for news, and forget what was drawn until then."""
    screen = app.screen
    assert isinstance(screen, ReceptionScreen)
    await until(pilot, lambda: len(screen.meters.table) == METERS)
    await pilot.press(*keys)
    screen.on_screen_suspend()
    await pilot.pause()
    drawn.clear()
    return screen


def test_a_busy_second_draws_no_more_than_the_visible_lines(drawn: list[int]) -> None:
    session = many_meters()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        screen = await at_rest(app, pilot, drawn)
        for telegrams in _busy_second():
            for one in telegrams:
                session.reception.accept(one)
            screen.pull()
            await pilot.pause()
        assert session.reception.counters.received == METERS + A_SECOND
        visible = screen.meters.size.height
        assert len(drawn) <= visible * PULLS_A_SECOND
        assert len(drawn) >= 1

    run_app(session, steps, NARROW)


def test_nothing_is_drawn_for_meters_out_of_sight(drawn: list[int]) -> None:
    session = many_meters()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        screen = await at_rest(app, pilot, drawn)
        for number in range(1_000, 3_000):
            session.reception.accept(telegram(address(number), access_number=2, at=NOW))
        screen.pull()
        await pilot.pause()
        assert drawn == []
        session.reception.accept(telegram(address(3), access_number=2, at=NOW, value="99.001"))
        screen.pull()
        await pilot.pause()
        assert drawn == [3]

    run_app(session, steps, NARROW)


def test_moving_the_cursor_draws_two_lines(drawn: list[int]) -> None:
    session = many_meters()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await at_rest(app, pilot, drawn, "home")
        await pilot.press("down")
        await pilot.pause()
        assert sorted(drawn) == [0, 1]

    run_app(session, steps, NARROW)


def test_hidden_screens_do_not_pull() -> None:
    session = session_of([telegram(address(1))])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        home = app.screen
        assert isinstance(home, ReceptionScreen)
        await until(pilot, lambda: len(home.meters.table) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not home)
        await pilot.pause()
        session.reception.accept(telegram(address(2)))
        shown = app.screen
        await until(pilot, lambda: getattr(shown, "_seen_version", 0) == session.reception.version)
        assert len(home.meters.table) == 1
        await pilot.press("escape")
        await until(pilot, lambda: len(home.meters.table) == 2)

    run_app(session, steps)
