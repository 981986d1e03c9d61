"""Locking and unlocking the keystore from the screens: what is typed is not shown, and errors are told."""

from __future__ import annotations

import asyncio

import pytest

from fieldtool.pipeline.reception import Reception
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.session import Session
from fieldtool.tui.unlock_screen import UnlockScreen
from keystore.errors import WrongPassphrase
from protocols.model import Outcome
from tests.fieldtool.tui.tui_scenes import NARROW, address, screen_lines, screen_text, telegram, until

RIGHT = "four words of nonsense"


class Store:
    """A keystore as the screens see it."""

    def __init__(self) -> None:
        self.locked = False
        self.touched = 0
        self.tried: list[str] = []

    def lock(self) -> None:
        self.locked = True

    def unlock(self, typed: str) -> None:
        self.tried.append(typed)
        if typed != RIGHT:
            raise WrongPassphrase("the passphrase does not open keystore x", "try again")
        self.locked = False

    def touch(self) -> None:
        self.touched += 1

    @property
    def text(self) -> str:
        return "waits for its passphrase" if self.locked else "locked in 9 min"


def app_over(store: Store) -> FieldToolApp:
    return FieldToolApp(
        Session(
            Reception(),
            keystore=lambda: store.text,
            keystore_is_locked=lambda: store.locked,
            touch=store.touch,
            lock_keystore=store.lock,
            unlock_keystore=store.unlock,
        )
    )


def test_lock_and_unlock() -> None:
    store = Store()

    async def go() -> list[str]:
        app = app_over(store)
        async with app.run_test() as pilot:
            app.action_lock_keystore()
            assert store.locked
            for typed in ("mistaken words", RIGHT):
                app.action_unlock_keystore()
                await pilot.pause()
                assert isinstance(app.screen, UnlockScreen)
                await pilot.press(*("space" if c == " " else c for c in typed))
                shown = app.export_screenshot()
                assert typed not in shown
                await pilot.press("enter")
                await app.workers.wait_for_complete() if typed == RIGHT else await pilot.pause(0.1)
                await pilot.pause()
            descriptions = [worker.description for worker in app.workers]
            notes = [note.message for note in app._notifications]
        assert not any(RIGHT in description for description in descriptions)
        return notes

    notes = asyncio.run(go())
    assert store.tried == ["mistaken words", RIGHT]
    assert not store.locked
    assert store.touched > len(RIGHT)
    assert any("does not open" in note for note in notes)


def test_escape_leaves_it_locked() -> None:
    store = Store()

    async def go() -> None:
        app = app_over(store)
        async with app.run_test() as pilot:
            app.action_lock_keystore()
            app.action_unlock_keystore()
            await pilot.pause()
            await pilot.press("a", "escape")
            await pilot.pause()
            assert not isinstance(app.screen, UnlockScreen)

    asyncio.run(go())
    assert store.locked
    assert store.tried == []


def test_the_palette_offers_it_only_where_there_is_a_store() -> None:
    async def titles(app: FieldToolApp) -> list[str]:
        async with app.run_test():
            return [command.title for command in app.get_system_commands(app.screen)]

    assert "Keystore: lock" in asyncio.run(titles(app_over(Store())))
    assert "Keystore: lock" not in asyncio.run(titles(FieldToolApp(Session(Reception()))))


@pytest.mark.parametrize("opened", [(), ("enter",)])
def test_what_a_telegram_without_its_key_says_can_be_pressed(opened: tuple[str, ...]) -> None:
    store = Store()

    async def go() -> None:
        app = app_over(store)
        app.session.reception.accept(telegram(address(1), Outcome.NO_KEY))
        async with app.run_test(size=NARROW) as pilot:
            await until(pilot, lambda: "00000001" in screen_text(app))
            await pilot.press(*opened)
            await until(pilot, lambda: bool(opened) == isinstance(app.screen, MeterScreen))
            await pilot.press("u")
            await pilot.pause()
            assert not isinstance(app.screen, UnlockScreen), "there is nothing to unlock"
            assert "u Unlock" not in screen_text(app)
            store.lock()
            await until(pilot, lambda: "u Unlock" in screen_lines(app)[-1])
            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
            await pilot.press(*("space" if c == " " else c for c in RIGHT), "enter")
            await until(pilot, lambda: not store.locked and "u Unlock" not in screen_lines(app)[-1])

    asyncio.run(go())
