"""Telegrams that are pasted on the screens: opened, listed, asked a key for, or told why they are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from textual import events
from textual.pilot import Pilot

from fieldtool.pipeline.listening import Listening
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.paste_screen import PasteScreen, TelegramInput
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.session import Session
from fieldtool.tui.unlock_screen import UnlockScreen
from tests.fieldtool.conftest import GAS_HEX
from tests.fieldtool.paste_bench import CLEAR, PATIENCE_S, Keys, listening_to_nobody
from tests.fieldtool.tui.tui_scenes import CONNECTED, NARROW, NOW, Steps, run_app, screen_lines, screen_text, until

CLEAR_HEX = CLEAR.data.hex()
PASSPHRASE = "four"


def session_over(listening: Listening, keys: Keys, *, heard: bool = False) -> Session:
    return Session(
        listening.reception,
        sources=lambda: (CONNECTED,) if heard else (),
        clock=lambda: NOW,
        keystore=lambda: "locked" if keys.locked else "unlocked",
        paste=lambda frames: listening.paste(frames, PATIENCE_S),
        lock_keystore=keys.lock,
        unlock_keystore=lambda _: keys.unlock(),
        keystore_is_locked=lambda: keys.locked,
    )


def run_over(steps: Steps, keys: Keys | None = None, *, heard: bool = False, size: tuple[int, int] = NARROW) -> None:
    keys = keys or Keys()
    with listening_to_nobody(keys) as listening:
        run_app(session_over(listening, keys, heard=heard), steps, size)


def paste(app: FieldToolApp, text: str) -> None:
    """What the terminal says of a text that is pasted."""
    app.post_message(events.Paste(text))


def notes(app: FieldToolApp) -> list[str]:
    return [f"{note.title}: {note.message}" for note in app._notifications]


def meter_is_open(app: FieldToolApp, number: str) -> Callable[[], bool]:
    return lambda: isinstance(app.screen, MeterScreen) and number in screen_text(app)


def test_a_telegram_is_decoded_and_its_meter_opened_without_a_receiver() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "Paste a telegram, or press p." in screen_text(app))
        assert "p Paste" in screen_lines(app)[-1]
        paste(app, f"{GAS_HEX}\r")
        await until(pilot, meter_is_open(app, "ELS 12345678"))
        await until(pilot, lambda: "28504.27" in screen_text(app))
        assert "from pasted" in screen_text(app)
        assert "held" not in screen_text(app)
        assert notes(app) == []
        await pilot.press("escape")
        await until(pilot, lambda: "12345678" in screen_text(app) and isinstance(app.screen, ReceptionScreen))

    run_over(steps)


def test_the_next_one_is_pasted_on_the_open_meter() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, GAS_HEX)
        await until(pilot, meter_is_open(app, "ELS 12345678"))
        paste(app, f"my meter:\n{CLEAR_HEX}")
        await until(pilot, meter_is_open(app, "CEN 12345678"))
        assert notes(app) == ["Pasted: recognised: hex; 1 other line left out"]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReceptionScreen))

    run_over(steps)


def test_where_a_receiver_listens_the_pasted_telegram_is_held() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, GAS_HEX)
        await until(pilot, meter_is_open(app, "‖ held: newest telegram"))

    run_over(steps, heard=True)


def test_several_telegrams_are_all_in_the_list_and_counted() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, f"{GAS_HEX}\nand\n{CLEAR_HEX}")
        await until(pilot, lambda: bool(notes(app)))
        assert isinstance(app.screen, ReceptionScreen)
        assert notes(app)[0].startswith("Pasted: 2 telegrams of 2 meters; 1 line left out: ")
        assert {"ELS", "CEN"} <= set(screen_text(app).split())

    run_over(steps)


def test_a_filter_that_hides_what_was_pasted_is_told() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"ELS", "enter")
        paste(app, f"{GAS_HEX}\n{CLEAR_HEX}")
        await until(pilot, lambda: bool(notes(app)))
        assert notes(app) == ["Pasted: 2 telegrams of 2 meters; the filter hides 1: escape shows all"]

    run_over(steps)


@pytest.mark.parametrize(
    "text", ["hello\nhow are you?", "\x1b[2J\x1b]0;x\x07" * 50, "2E44" * 250_000, "", "C0FFEE" * 4000]
)
def test_what_is_no_telegram_is_told_and_nothing_changes(text: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, text)
        await until(pilot, lambda: bool(notes(app)))
        assert len(notes(app)) == 1
        assert notes(app)[0].isprintable()
        assert isinstance(app.screen, ReceptionScreen)
        assert app.session.reception.counters.received == 0

    run_over(steps)


def test_a_locked_store_is_asked_for_and_the_telegram_read() -> None:
    keys = Keys(locked=True)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, CLEAR_HEX)
        await until(pilot, meter_is_open(app, "CEN 12345678"))
        paste(app, GAS_HEX)
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await pilot.press(*PASSPHRASE, "enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen) and "28504.27" in screen_text(app))

    run_over(steps, keys)


def test_behind_the_question_for_the_passphrase_the_counts_fit_the_list() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, f"{GAS_HEX}\n{CLEAR_HEX}")
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await until(pilot, lambda: "2 meters" in screen_text(app))
        await until(pilot, lambda: "received 2" in screen_text(app))

    run_over(steps, Keys(locked=True))


def test_who_leaves_the_store_locked_sees_why_and_unlocks_it_later() -> None:
    keys = Keys(locked=True)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, GAS_HEX)
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await pilot.press("escape")
        await until(pilot, meter_is_open(app, "no key"))
        await pilot.press("u", *PASSPHRASE, "enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen) and "28504.27" in screen_text(app))

    run_over(steps, keys)


def test_a_key_opens_a_line_to_type_into_and_what_is_wrong_can_be_corrected() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PasteScreen))
        await pilot.press(*"63001468", "enter")
        await until(pilot, lambda: "4 bytes in hex are too few" in screen_text(app))
        typed = app.screen.query_one(TelegramInput)
        assert typed.value == "63001468"
        typed.value = ""
        await pilot.press(*CLEAR_HEX, "enter")
        await until(pilot, meter_is_open(app, "CEN 12345678"))

    run_over(steps)


def test_a_terminal_that_pastes_as_if_somebody_typed_loses_no_line() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PasteScreen))
        # All at once, as a terminal sends it: nothing waits until a key was taken.
        for one in f"{GAS_HEX}\n{CLEAR_HEX}\n":
            app.post_message(events.Key("enter", "\r") if one == "\n" else events.Key(one, one))
        await until(pilot, lambda: app.session.reception.counters.received == 2)
        await until(pilot, lambda: notes(app) == ["Pasted: 2 telegrams of 2 meters"])

    run_over(steps)


@pytest.mark.parametrize(("size", "text"), [(NARROW, GAS_HEX), ((20, 5), f"{GAS_HEX}\n")])
def test_the_box_takes_what_is_pasted_at_once(size: tuple[int, int], text: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PasteScreen))
        paste(app, "2E44" * 250_000)
        await until(pilot, lambda: "characters" in str(app.screen.query_one("#paste-problem").render()))
        paste(app, text)
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))

    run_over(steps, size=size)


@pytest.mark.parametrize("before", ["", "AES key: "], ids=["key", "words before it"])
def test_a_key_that_is_pasted_into_the_box_is_not_shown_there(before: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PasteScreen))
        paste(app, before + bytes(range(16)).hex(" " if before else ":"))
        await until(pilot, lambda: str(app.screen.query_one("#paste-problem").render()) != "")
        assert app.screen.query_one(TelegramInput).value == ""

    run_over(steps)


@pytest.mark.parametrize("before", ["", "63001468 "], ids=["key", "number and key"])
def test_a_key_that_is_typed_into_the_box_does_not_stand_there_any_longer(before: str) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PasteScreen))
        await pilot.press(*(before + bytes(range(16)).hex()).replace(" ", ";"), "enter")
        await until(pilot, lambda: "keys are filed with" in screen_text(app))
        assert app.screen.query_one(TelegramInput).value == ""

    run_over(steps)


def test_escape_leaves_the_box_and_other_windows_take_no_telegram() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PasteScreen))
        await pilot.press("escape", "question_mark")
        paste(app, GAS_HEX)
        await pilot.press("escape", "slash")
        paste(app, GAS_HEX)
        await pilot.pause()
        assert app.session.reception.counters.received == 0

    run_over(steps)


def test_where_nothing_decodes_nothing_is_offered() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, GAS_HEX)
        await pilot.press("p")
        await pilot.pause()
        assert isinstance(app.screen, ReceptionScreen)
        assert "Paste" not in screen_text(app)
        assert app.check_action("paste", ()) is False

    with listening_to_nobody(Keys()) as listening:
        run_app(replace(session_over(listening, Keys()), paste=None), steps)


def test_a_pipeline_that_has_ended_is_told() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        paste(app, GAS_HEX)
        await until(pilot, lambda: notes(app) == ["Nothing was decoded in time: paste it again"])

    with listening_to_nobody(Keys()) as listening:
        pass
    run_app(session_over(listening, Keys()), steps)
