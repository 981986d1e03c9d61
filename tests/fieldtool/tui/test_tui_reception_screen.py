"""The home screen as a person uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from textual.pilot import Pilot

from fieldtool.errors import FieldToolError
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.meter_list import MeterList
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.meter_table import SortBy
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.session import Session
from protocols.model import Address, Outcome
from tests.fieldtool.tui.tui_scenes import (
    CONNECTED,
    NARROW,
    NOW,
    WIDE,
    address,
    run_app,
    screen_lines,
    screen_text,
    session_of,
    some_meters,
    telegram,
    until,
)


def _home(app: FieldToolApp) -> ReceptionScreen:
    assert isinstance(app.screen, ReceptionScreen)
    return app.screen


def _meters(app: FieldToolApp) -> MeterList:
    return _home(app).meters


def _selected_number(app: FieldToolApp) -> str | None:
    row = _meters(app).selected
    return row.address.number if row and row.address else None


def _line_of(app: FieldToolApp, number: str) -> int:
    return next(y for y, line in enumerate(screen_lines(app)) if number in line)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_one_row_a_meter_with_all_that_matters(size: tuple[int, int]) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "63001468" in screen_text(app))
        text = screen_text(app)
        for words in ("✓ ok", "○ no key", "✗ wrong key", "◇ unsupported", "≈ damaged", "12.345 m³", "▲", "KAM", "-88"):
            assert words in text
        assert "7 meters, by number" in text
        assert "● im871a:///dev/ttyUSB0 connected" in text
        words_or_signs = {
            NARROW: "received 7 · ✓ 2 · ≈ 1 · ○ 1 · ✗ 1 · ◇ 1 · ⊘ 1",
            WIDE: "received 7 · shown 2 · damaged 1 · no key 1 · wrong key 1 · unsupported 1 · not permitted 1",
        }
        assert words_or_signs[size] in text
        assert "keystore open, 8 keys" in text
        assert all(len(line) <= size[0] for line in screen_lines(app))

    run_app(session_of(some_meters()), steps, size)


def test_new_telegrams_come_in_by_themselves() -> None:
    session = session_of([])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        session.reception.accept(telegram(address(63001468)))
        await until(pilot, lambda: "63001468" in screen_text(app))
        session.reception.accept(telegram(address(63001468), value="77.001", access_number=2))
        await until(pilot, lambda: "77.001 m³" in screen_text(app))
        session.reception.add_lost(3)
        await until(pilot, lambda: "dropped 3" in screen_text(app))

    run_app(session, steps)


def test_cursor_stays_on_its_meter_while_others_come_in_above() -> None:
    session = session_of([telegram(address(number)) for number in range(100, 180, 2)])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 40)
        for _ in range(30):
            await pilot.press("down")
        await pilot.pause()
        chosen, line = _selected_number(app), _line_of(app, "00000160")
        assert chosen == "00000160"
        for number in (1, 2, 3, 101, 103):
            session.reception.accept(telegram(address(number)))
        await until(pilot, lambda: len(_meters(app).table) == 45)
        await pilot.pause()
        assert _selected_number(app) == chosen
        assert _line_of(app, "00000160") == line
        assert "▌00000160" in screen_text(app)

    run_app(session, steps)


def test_rows_keep_their_places_while_telegrams_come_in() -> None:
    session = session_of([telegram(address(number), rssi_dbm=-60 - number) for number in range(10)])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("o", "o")
        assert _meters(app).table.sorted_by is SortBy.RSSI
        await pilot.pause()
        before = [line[1:9] for line in screen_lines(app)]
        for number in range(10):
            session.reception.accept(telegram(address(number), rssi_dbm=-90 + number, access_number=2))
        await until(pilot, lambda: "-81" in screen_text(app))
        assert [line[1:9] for line in screen_lines(app)][:20] == before[:20]
        await pilot.press("O")
        await pilot.pause()
        assert screen_lines(app)[2][1:9] == "00000009"

    run_app(session, steps)


def test_pause_holds_the_list_and_says_so_while_counting_goes_on() -> None:
    session = session_of([telegram(address(1))])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "00000001" in screen_text(app))
        await pilot.press("space")
        session.reception.accept(telegram(address(2)))
        await until(pilot, lambda: "received 2" in screen_text(app))
        assert "‖ paused" in screen_text(app)
        assert "00000002" not in screen_text(app)
        await pilot.press("space")
        await until(pilot, lambda: "00000002" in screen_text(app))
        assert "paused" not in screen_text(app)

    run_app(session, steps)


def test_filter_is_typed_held_and_cleared() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 7)
        await pilot.press("slash", *"kam")
        await until(pilot, lambda: "2 of 7 meters" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "filter: kam" in screen_text(app))
        assert app.focused is _meters(app)
        assert "EFE" not in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "EFE" in screen_text(app))

    run_app(session_of(some_meters()), steps)


def test_filter_that_cannot_be_understood_is_red_with_reason_and_the_last_one_holds() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 7)
        await pilot.press("slash", *"kam", "space", *"rssi")
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "nothing to look for after 'rssi>'" in screen_text(app))
        field = app.screen.query_one("#filter")
        assert field.has_class("-refused")
        assert _meters(app).table.filter.text == "kam rssi"
        await pilot.press("minus", "8", "0")
        await until(pilot, lambda: not field.has_class("-refused"))
        assert _meters(app).table.filter.text == "kam rssi>-80"
        assert len(_meters(app).table) == 1

    run_app(session_of(some_meters()), steps)


def test_filter_that_hides_all_says_what_to_do() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 7)
        await pilot.press("slash", *"nothing", "enter")
        await until(pilot, lambda: "None of 7 meters matches the filter nothing" in screen_text(app))
        assert "Press escape to show all" in screen_text(app)
        await pilot.press("enter", "c")
        assert isinstance(app.screen, ReceptionScreen)

    run_app(session_of(some_meters()), steps)


_LOST = SourceEvent("im871a:///dev/ttyUSB0", SourceState.LOST, "the stick was unplugged", NOW, "plug it in again")


@pytest.mark.parametrize(
    ("sources", "simulator", "words"),
    [
        ((), False, ("No receiver yet.", "fieldtool listen im871a:///dev/ttyUSB0", "○ no receiver")),
        ((), True, ("No receiver yet.", "Press s to start simulated meters.")),
        ((CONNECTED,), False, ("Listening. No telegram yet.", "● im871a:///dev/ttyUSB0 connected")),
        ((_LOST,), True, ("the stick was unplugged", "plug it in again", "Press s", "○ im871a:///dev/ttyUSB0 lost")),
    ],
    ids=["nothing", "nothing but a simulator", "listening", "lost"],
)
def test_empty_states_name_the_next_step(sources: Sequence[SourceEvent], simulator: bool, words: Sequence[str]) -> None:
    start = (lambda: session_of([])) if simulator else None
    session = replace(session_of([], sources), start_simulator=start)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: all(word in screen_text(app) for word in words))

    run_app(session, steps)


def test_simulator_is_started_from_the_empty_screen_and_closed_at_the_end() -> None:
    closed: list[str] = []
    simulated = replace(session_of([telegram(address(42))]), close=lambda: closed.append("closed"))
    session = replace(session_of([], ()), start_simulator=lambda: simulated)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await until(pilot, lambda: "00000042" in screen_text(app))
        await pilot.press("s")
        assert not closed

    app = run_app(session, steps)
    app.close_started()
    app.close_started()
    assert closed == ["closed"]


def test_simulator_that_does_not_start_says_why() -> None:
    def fail() -> Session:
        raise FieldToolError("cannot open a port", "close the other program [/x]")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await until(pilot, lambda: "cannot open a port: close the other program [/x]" in screen_text(app))
        assert isinstance(app.screen, ReceptionScreen)

    run_app(replace(session_of([], ()), start_simulator=fail), steps, WIDE)


def test_enter_opens_the_meter_and_escape_comes_back_to_it() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 7)
        await pilot.press("home", "down", "down")
        chosen = _selected_number(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        assert isinstance(app.screen, MeterScreen)
        assert isinstance(app.screen.sender, Address)
        assert app.screen.sender.number == chosen
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReceptionScreen))
        assert _selected_number(app) == chosen

    run_app(session_of(some_meters()), steps)


def test_copy_takes_the_newest_frame_as_received() -> None:
    one = telegram(address(1))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 1)
        await pilot.press("c")
        await until(pilot, lambda: "26 bytes copied as hex" in screen_text(app))
        assert app.clipboard == one.frame.data.hex().upper()

    run_app(session_of([one]), steps)


def test_ages_grow_with_the_clock_alone() -> None:
    now = [NOW]
    session = replace(session_of([telegram(address(1))]), clock=lambda: now[0])

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: " now " in screen_text(app))
        now[0] += timedelta(seconds=75)
        await until(pilot, lambda: " 1m " in screen_text(app))

    run_app(session, steps)


def test_mouse_chooses_and_opens() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 7)
        await pilot.click("#meters", offset=(5, 3))
        assert _meters(app).cursor == 3
        await pilot.click("#meters", offset=(5, 3), times=2)
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))

    run_app(session_of(some_meters()), steps)


def test_a_row_without_an_address_can_be_opened_too() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: "Frames without a readable address" in screen_text(app))
        assert "CRC of block 2 does not fit" in screen_text(app)

    run_app(session_of([telegram(None, Outcome.DAMAGED)]), steps)


def test_an_error_of_the_screens_ends_without_local_variables(capfd: pytest.CaptureFixture[str]) -> None:
    class Failing(Reception):
        def rows(self) -> list[object]:  # type: ignore[override]
            canary = "canary-local-variable"
            raise RuntimeError(f"rows failed, {len(canary)}")

    failing = Failing()
    failing.accept(telegram(address(1)))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.failure is not None)

    with pytest.raises(RuntimeError, match="rows failed"):
        run_app(Session(failing, clock=lambda: NOW), steps)
    out, err = capfd.readouterr()
    assert "canary-local-variable" not in out + err


def test_a_long_hint_is_wrapped_where_nothing_is_received() -> None:
    hint = "check that the broker runs and speaks MQTT there; with TLS it is mqtts:// and mostly 8883"
    broker = SourceEvent("mqtt 127.0.0.1:1/x", SourceState.FAILED, "nobody answers there", NOW, hint)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        assert hint in " ".join(screen_text(app).split())

    for width in (60, 80, 140):
        run_app(session_of([], (broker,)), steps, (width, 24))


@pytest.mark.parametrize("opened", ["", "enter", "question_mark", "slash"])
def test_ctrl_z_gives_the_terminal_back_for_a_while_on_every_screen(
    opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspended: list[str] = []
    monkeypatch.setattr(FieldToolApp, "action_suspend_process", lambda _app: suspended.append("now"))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(_meters(app).table) == 1)
        if opened:
            await pilot.press(opened)
            await pilot.pause()
        await pilot.press("ctrl+z")
        await until(pilot, lambda: suspended == ["now"])

    run_app(session_of([telegram(address(1))]), steps)


def test_the_bottom_line_offers_no_key_that_only_types_a_letter() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "/ Filter" in screen_lines(app)[-1])
        await pilot.press("slash")
        await until(pilot, lambda: "Back to the list" in screen_lines(app)[-1])
        assert "/ Filter" not in screen_lines(app)[-1]
        await pilot.press("escape")
        await until(pilot, lambda: "/ Filter" in screen_lines(app)[-1])

    run_app(session_of(some_meters()), steps)


def test_the_title_counts_the_filed_meters_that_were_heard() -> None:
    reception = Reception(label_of=lambda names, maker: "flat 12" if names[0] == "00000002" else None)
    for number in (1, 2):
        reception.accept(telegram(address(number)))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "Reception  2 meters, 1 of 3 filed, by number" in screen_lines(app)[0])
        await pilot.press("slash", *"kam", "enter")
        await until(pilot, lambda: "filter: kam" in screen_lines(app)[0])
        assert "filed" not in screen_lines(app)[0]

    run_app(Session(reception, clock=lambda: NOW, filed_meters=3, has_labels=True), steps, NARROW)
