"""A bench with a meter, as the actions screen is given it, and what a person does there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from textual.pilot import Pilot

from fieldtool.actions.errors import LinkSilent
from fieldtool.actions.links import FieldLink, LinkContext, MeterChoice
from fieldtool.tui.action_screen import ActionScreen
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.session import Session
from keystore.certificates.levels import level_table
from tests.fieldtool.actions.action_bench import Bench
from tests.fieldtool.tui.tui_scenes import (
    NARROW,
    Steps,
    run_app,
    screen_text,
    session_of,
    some_meters,
    until,
)

LINK = "mbus+socket://127.0.0.1:10001"
NAMES = list(level_table().actions)


@dataclass
class Field:
    """A bench, and what the screens asked of it."""

    bench: Bench
    opened: list[tuple[str, str]]
    closed: int = 0
    wait: threading.Event | None = None

    def open_link(self, text: str, meter: MeterChoice, context: LinkContext) -> FieldLink:
        self.opened.append((text, str(meter)))
        return WatchedLink(self, context)

    def session(self) -> Session:
        vault = self.bench.vault
        return replace(
            session_of(some_meters()),
            lock_keystore=vault.lock,
            unlock_keystore=vault.unlock,
            keystore_is_locked=lambda: vault.is_locked,
            certificates=CertificateAccess(lambda: vault),
            open_link=self.open_link,
        )


@dataclass
class WatchedLink:
    """The bench's link, which can wait for as long as a meter on the air would."""

    field: Field
    context: LinkContext

    @property
    def longest_message(self) -> int:
        return self.field.bench.link.longest_message

    def exchange(self, message: bytes) -> bytes:
        if self.field.wait is not None:
            self.context.tell("waiting for the meter: it sends about every 16 s")
            if self.field.wait.wait(20):
                raise LinkSilent("the meter was not heard")
        return self.field.bench.link.exchange(message)

    def read_out(self) -> list[bytes]:
        return self.field.bench.link.read_out()

    def cancel(self) -> None:
        if self.field.wait is not None:
            self.field.wait.set()

    def close(self) -> None:
        self.field.closed += 1


def says(app: FieldToolApp, *words: str) -> Callable[[], bool]:
    """A condition: all of it is on the screen, wherever its lines are broken."""
    return lambda: all(word in " ".join(screen_text(app).replace("│", " ").split()) for word in words)


def on_actions(field: Field, steps: Steps, size: tuple[int, int] = NARROW) -> FieldToolApp:
    """Open the actions from the reception list, see them, and go on."""

    async def opened(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("end", "a")
        await until(pilot, lambda: isinstance(app.screen, ActionScreen))
        await until(pilot, says(app, "read-out"))
        await steps(app, pilot)

    return run_app(field.session(), opened, size)


async def begin(app: FieldToolApp, pilot: Pilot[None], action: str, *answers: str) -> None:
    """Choose an action, and answer what it asks for."""
    screen = app.screen
    assert isinstance(screen, ActionScreen)
    await until(pilot, lambda: all(worker.is_finished for worker in app.workers if worker.node is screen))
    screen.actions.put_cursor(NAMES.index(action))
    await pilot.press("enter")
    for answer in answers:
        await until(pilot, lambda: app.focused is screen.query_one("#answer"))
        line = screen.query_one("#answer")
        line.value = answer  # type: ignore[attr-defined]
        label = str(screen.query_one("#answer-label").render())
        await pilot.press("enter")
        await until(
            pilot,
            lambda before=label: (  # type: ignore[misc]
                not screen.answers.display or str(screen.query_one("#answer-label").render()) != before
            ),
        )


async def visit(app: FieldToolApp, pilot: Pilot[None], field: Field, action: str, *answers: str) -> None:
    """The same with link and meter asked for first."""
    await begin(app, pilot, action, LINK, field.bench.meter.address.number, *answers)
