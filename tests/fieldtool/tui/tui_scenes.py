"""What the tests of the screens share: telegrams with a will of their own, sessions, and running the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from textual.pilot import Pilot

from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.session import Session
from protocols.model import (
    Address,
    Outcome,
    RawFrame,
    Reading,
    Record,
    Rung,
    RungState,
    Security,
    Span,
    Status,
    Telegram,
    VerdictStep,
)

NOW = datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
NARROW = (80, 24)
WIDE = (140, 40)
PATIENCE_S = 10.0
"""How long a condition may take on a busy machine before a test gives up."""

CONNECTED = SourceEvent("im871a:///dev/ttyUSB0", SourceState.CONNECTED, "", NOW)

_FAILED_AT: dict[Outcome, tuple[Rung, str, str]] = {
    Outcome.DAMAGED: (Rung.FRAME, "CRC of block 2 does not fit", "go nearer"),
    Outcome.NO_KEY: (Rung.KEY, "no key is filed", "import the key from its portal's export"),
    Outcome.WRONG_KEY: (Rung.DECRYPTION, "check bytes do not appear", "compare the key check value"),
    Outcome.NOT_PERMITTED: (Rung.KEY, "the certificate does not allow it", "ask for another level"),
    Outcome.UNSUPPORTED: (Rung.DECRYPTION, "security mode 13 cannot be decrypted", "nothing can be done here"),
}


@dataclass(frozen=True, slots=True)
class SceneLayer:
    """A layer whose spans are given."""

    name: str
    start: int
    end: int
    leaves: tuple[Span, ...]

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """The given leaves."""
        return self.leaves


def address(number: int, manufacturer: str = "KAM", medium: int = 0x16) -> Address:
    """An address by its number."""
    return Address.of(manufacturer, f"{number:08d}", 0x1B, medium)


def telegram(
    meter: Address | None,
    outcome: Outcome = Outcome.OK,
    *,
    at: datetime = NOW,
    rssi_dbm: int | None = -70,
    value: str = "12.345",
    access_number: int = 1,
) -> Telegram:
    """A telegram of 26 bytes: link layer, transport layer, one record of 12.345 m³ that was encrypted."""
    head = bytes((25, 0x44)) + (meter.to_wire() if meter else b"\xff" * 8) + bytes((0x7A, access_number, 0, 0, 5))
    count = int(Decimal(value).scaleb(3)) & 0xFFFFFFFF
    body = bytes((0x2F, 0x2F, 0x04, 0x13)) + count.to_bytes(4, "little") + bytes((0x2F, 0x2F, 0x2F))
    sent = head + bytes(byte ^ 0xA5 for byte in body)
    ok = outcome is Outcome.OK
    record = Record(0, 17, 19, 23, b"\x04\x13", body[4:8], "volume", "m3", Decimal(value))
    reading = Reading("volume", Decimal(value), "m3", "volume", source="0413", record=0)
    return Telegram(
        frame=RawFrame(sent, at, "im871a", "T1", rssi_dbm),
        data=sent,
        plain=head + body if ok else sent,
        outcome=outcome,
        problem=None if ok else _FAILED_AT[outcome][1],
        verdict=ladder(outcome),
        layers=_layers(ok=ok),
        meter=meter,
        security=Security(5, "AES-128-CBC", "a1b2c3" if ok else None, access_number=access_number),
        status=Status(0, ()),
        records=(record,) if ok else (),
        readings=(reading,) if ok else (),
    )


def ladder(outcome: Outcome) -> tuple[VerdictStep, ...]:
    """The verdict that belongs to an outcome."""
    if outcome is Outcome.OK:
        return tuple(VerdictStep(rung, RungState.PASSED, f"{rung.value} is well") for rung in Rung)
    failed, detail, following = _FAILED_AT[outcome]
    rungs = list(Rung)
    steps = [VerdictStep(rung, RungState.PASSED, f"{rung.value} is well") for rung in rungs[: rungs.index(failed)]]
    steps.append(VerdictStep(failed, RungState.FAILED, detail, following))
    return (*steps, *(VerdictStep(rung, RungState.NOT_REACHED, "") for rung in rungs[len(steps) :]))


def _layers(*, ok: bool) -> tuple[SceneLayer, ...]:
    link = (
        Span(0, 1, "link", "L", "25 bytes follow", "EN 13757-4, 12.5.1"),
        Span(1, 2, "link", "C", "SND-NR", "EN 13757-4, 12.5.2"),
        Span(2, 10, "link", "A", "the sender", "EN 13757-4, 12.5.4"),
    )
    transport = (Span(10, 11, "transport", "CI", "short header"), Span(11, 15, "transport", "header", "mode 5"))
    application = (
        Span(15, 17, "application", "check bytes", "2F2F"),
        Span(17, 18, "application", "DIF", "32-bit integer", record=0),
        Span(18, 19, "application", "VIF", "volume", record=0),
        Span(19, 23, "application", "data", "12.345 m³", record=0),
        Span(23, 26, "application", "filler", "idle"),
    )
    rest = SceneLayer("application", 15, 26, application)
    locked = SceneLayer("encrypted", 15, 26, (Span(15, 26, "encrypted", "encrypted", "payload"),))
    return SceneLayer("link", 0, 10, link), SceneLayer("transport", 10, 15, transport), rest if ok else locked


def some_meters() -> list[Telegram]:
    """One telegram of each outcome, and one that tells no address."""
    told = [
        telegram(address(63001468)),
        telegram(address(63001475), Outcome.NO_KEY, rssi_dbm=-88),
        telegram(address(27910053, "EFE", 0x04), Outcome.WRONG_KEY, at=NOW - timedelta(minutes=2)),
        telegram(address(90015518, "IMT", 0x07), Outcome.UNSUPPORTED, rssi_dbm=None),
        telegram(address(44120987, "QDS", 0x08), Outcome.NOT_PERMITTED, at=NOW - timedelta(hours=3)),
        telegram(None, Outcome.DAMAGED, rssi_dbm=-101),
    ]
    alarmed = replace(telegram(address(12345678, "ELS", 0x03)), status=Status(4, ("power_low",)))
    return [*told, alarmed]


def session_of(telegrams: Iterable[Telegram], sources: Sequence[SourceEvent] = (CONNECTED,)) -> Session:
    """A session in which some telegrams were heard, with a clock that stands still."""
    reception = Reception()
    for one in telegrams:
        reception.accept(one)
    return Session(reception, lambda: sources, lambda: "open, 8 keys", lambda: NOW)


Steps = Callable[[FieldToolApp, Pilot[None]], Awaitable[None]]


def run_app(session: Session, steps: Steps, size: tuple[int, int] = NARROW) -> FieldToolApp:
    """Run the app without a terminal, do `steps`, and return it when it has ended."""

    async def main() -> FieldToolApp:
        app = FieldToolApp(session)
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            await steps(app, pilot)
        return app

    return asyncio.run(main())


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app work until something is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pilot.pause()


def screen_lines(app: FieldToolApp) -> list[str]:
    """What is on the screen, line by line."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def screen_text(app: FieldToolApp) -> str:
    """What is on the screen."""
    return "\n".join(screen_lines(app))
