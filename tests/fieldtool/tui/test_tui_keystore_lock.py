"""Locking and unlocking the keystore from the screens: what is typed is not shown, and errors are told."""

from __future__ import annotations

import asyncio

from fieldtool.pipeline.reception import Reception
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.session import Session
from fieldtool.tui.unlock_screen import UnlockScreen
from keystore.errors import WrongPassphrase

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
        return "locked" if self.locked else "unlocked"


def app_over(store: Store) -> FieldToolApp:
    return FieldToolApp(
        Session(
            Reception(),
            keystore=lambda: store.text,
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
