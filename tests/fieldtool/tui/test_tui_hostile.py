"""Text from the air, from files and from ports changes nothing outside its own cell."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from fieldtool.errors import FieldToolError
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.session import Session
from protocols.decode import decode
from protocols.mbus.encode import encode_record
from protocols.model import Address, RawFrame, Reading, Span, Status, Telegram
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_clear
from tests.fieldtool.tui.tui_scenes import (
    NARROW,
    NOW,
    WIDE,
    SceneLayer,
    address,
    run_app,
    screen_lines,
    screen_text,
    session_of,
    telegram,
    until,
)

HOSTILE: dict[str, str] = {
    "closing tag": "[/x]",
    "action link": "[@click=app.quit]quit[/]",
    "style": "[red on white]red",
    "open bracket": "[",
    "escape colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "query": "\x1b[6n",
    "c1": "\x9b31m",
    "bidi": "a\u202eb\u2066c",
    "zero width": "a\u200bb\ufeff",
    "lines": "a\nb\r\nc\u2028d\x0be",
    "tab": "a\tb",
    "wide": "漢字" * 60,
    "long": "x" * 5000,
    "surrogate": "a\ud800b",
    "marks": "e" + "\u0301" * 300,
    "hyperlink": "\x1b]8;;http://example.com\x1b\\link",
}

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of what steers a terminal: controls, bidi, halves of characters, line separators."""

METER = address(63001468)


def hostile_telegram(text: str, meter: Address = METER) -> Telegram:
    """A telegram in which every text is hostile."""
    one = telegram(meter)
    span = Span(19, 23, text, text, text, text, record=0)
    spans = (Span(15, 19, text, text, text), span, Span(23, 26, text, text))
    layers = (*one.layers[:2], SceneLayer(text, 15, 26, spans))
    record = replace(one.records[0], quantity=text, unit=text, value=text, modifiers=(text,))
    named = Reading(text, Decimal("12.345"), text, text, source=text, record=0)
    security = replace(one.security, name=text, key_check_value=text) if one.security else None
    return replace(
        one,
        frame=replace(one.frame, source=text, mode=text),
        problem=text,
        verdict=tuple(replace(step, detail=text, next=text) for step in one.verdict),
        layers=layers,
        security=security,
        status=Status(0xFF, (text, text)),
        records=(record,),
        readings=(named, replace(named, value=text)),
        profile=text,
        notes=(text,),
    )


def hostile_session(names: Sequence[str]) -> Session:
    """A session of hostile meters, numbered from 1 on; sources and keystore are hostile too."""
    heard = [hostile_telegram(HOSTILE[name], address(number)) for number, name in enumerate(names, 1)]
    events = tuple(SourceEvent(HOSTILE[name], SourceState.LOST, HOSTILE[name], NOW, HOSTILE[name]) for name in names)
    return replace(session_of([*heard, telegram(address(99999999))], events), keystore=lambda: HOSTILE["action link"])


def _assert_screen_is_sane(app: FieldToolApp) -> None:
    """No control reaches the terminal, every line has the width of the screen, and no style carries an action."""
    assert app.is_running
    strips = app.screen._compositor.render_strips()
    assert {strip.cell_length for strip in strips} == {app.size.width}
    for strip in strips:
        for segment in strip:
            assert not {unicodedata.category(c) for c in segment.text} & STEERING, segment.text
            assert segment.style is None or "@click" not in segment.style.meta
            assert segment.style is None or segment.style.link is None


@pytest.mark.parametrize(
    ("size", "names"), [(NARROW, tuple(HOSTILE)), (WIDE, ("closing tag", "query", "bidi", "wide", "long"))]
)
def test_hostile_text_stays_in_its_cell(size: tuple[int, int], names: Sequence[str]) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "99999999" in screen_text(app))
        _assert_screen_is_sane(app)
        lines = screen_lines(app)
        assert [line[1:9] for line in lines[2:]][: len(names)] == [f"{n:08d}" for n in range(1, len(names) + 1)]
        assert lines[2 + len(names)].split()[:4] == ["99999999", "KAM", "cold", "water"]
        for number in range(1, len(names) + 1):
            await app.push_screen(MeterScreen(app.session, address(number)))
            for page in ("1", "2"):
                await pilot.press(page)
                _assert_screen_is_sane(app)
            await pilot.click(offset=(30, 5))
            _assert_screen_is_sane(app)
            await pilot.press("escape")
            assert isinstance(app.screen, ReceptionScreen)

    run_app(hostile_session(names), steps, size)


@pytest.mark.parametrize("name", ["closing tag", "action link", "escape colour", "bidi"])
def test_hostile_text_on_the_empty_screen_and_in_errors(name: str) -> None:
    text = HOSTILE[name]

    def fail() -> Session:
        raise FieldToolError(text, text)

    event = SourceEvent(text, SourceState.FAILED, text, NOW, text)
    session = replace(session_of([], (event,)), start_simulator=fail, keystore=lambda: text)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "Nothing is being received." in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: "The simulator did not start" in screen_text(app))
        _assert_screen_is_sane(app)

    run_app(session, steps)


@pytest.mark.parametrize("name", ["closing tag", "action link", "escape colour", "title"])
def test_hostile_record_from_the_air(name: str) -> None:
    """The text travels as a real record (LVAR, fabrication number) through the real decoder."""
    text = HOSTILE[name].encode("latin-1")
    record = (
        encode_record(b"\x0d\xfd\x11", text.decode("latin-1"))
        if name.endswith(("tag", "link"))
        else (b"\x0d\xfd\x11" + bytes((len(text),)) + text[::-1])
    )
    frame = link_frame(0x44, METER, transport_clear(Content.RECORDS, record, TransportHeader(1)))
    one = decode(RawFrame(frame, NOW, "air", "T1", -70))
    assert any(isinstance(reading.value, str) for reading in one.readings)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "63001468" in screen_text(app))
        _assert_screen_is_sane(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        for key in ("1", "2", "end"):
            await pilot.press(key)
            await pilot.pause()
            _assert_screen_is_sane(app)

    run_app(session_of([one]), steps)


def test_hostile_filter_text() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash")
        for text in HOSTILE.values():
            app.screen.query_one("#filter", Input).value = text.encode("utf-8", "replace").decode()
            await pilot.pause()
            assert app.is_running

    run_app(session_of([telegram(METER)]), steps)
