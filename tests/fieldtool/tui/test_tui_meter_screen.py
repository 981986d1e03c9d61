"""The screen of one meter: following, verdict, readings, and tree and bytes that know of each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.screenshot import simulated_session
from fieldtool.tui.session import Session
from fieldtool.tui.telegram_tree import TelegramTree
from protocols.decode import decode
from protocols.model import Address, Outcome, RawFrame, Telegram
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_clear
from tests.fieldtool.tui.tui_scenes import (
    NARROW,
    NOW,
    WIDE,
    Steps,
    address,
    run_app,
    screen_text,
    session_of,
    telegram,
    until,
)

METER = address(63001468)


def _run(session: Session, steps: Steps, size: tuple[int, int] = NARROW, meter: Address | None = METER) -> None:
    """Run the app with the screen of a meter open."""

    async def opened(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await app.push_screen(MeterScreen(app.session, meter))
        await pilot.pause()
        await steps(app, pilot)

    run_app(session, opened, size)


def _meter(app: FieldToolApp) -> MeterScreen:
    assert isinstance(app.screen, MeterScreen)
    return app.screen


def _series(count: int) -> list[Telegram]:
    return [
        telegram(METER, value=f"{number}.000", access_number=number, at=NOW - timedelta(seconds=16 * (count - number)))
        for number in range(count)
    ]


def _shown(app: FieldToolApp) -> str:
    one = _meter(app).telegram
    assert one is not None
    return str(one.readings[0].value)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_verdict_and_readings_are_seen_first(size: tuple[int, int]) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        text = screen_text(app)
        for words in ("KAM 63001468", "cold water, version 27", "▶ newest telegram", "✓ ok", "2026-11-20 08:15:30 UTC"):
            assert words in text
        assert "✓ plausibility  plausibility is well" in text
        assert "key a1b2c3" in text
        assert "12.345 m³" in text
        assert ("Layers and records" in text) is (size == WIDE)

    _run(session_of([telegram(METER)]), steps, size)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.NO_KEY, ("○ no key", "✗ key", "no key is filed", "→ import the key from its portal's export")),
        (Outcome.WRONG_KEY, ("✗ wrong key", "✗ decryption", "→ compare the key check value", "· records")),
        (Outcome.DAMAGED, ("≈ damaged", "✗ frame", "→ go nearer", "· address")),
    ],
)
def test_failed_rung_says_why_and_what_to_do(outcome: Outcome, words: tuple[str, ...]) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        assert all(word in screen_text(app) for word in words)
        assert "No readings." in screen_text(app)

    _run(session_of([telegram(METER, outcome)]), steps)


def test_newest_telegram_is_followed_until_one_is_held() -> None:
    session = session_of(_series(5))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        assert _shown(app) == "4.000"
        session.reception.accept(telegram(METER, value="50.000", access_number=50, at=NOW + timedelta(seconds=16)))
        await until(pilot, lambda: _shown(app) == "50.000")
        await pilot.press("space")
        session.reception.accept(telegram(METER, value="51.000", access_number=51, at=NOW + timedelta(seconds=32)))
        await until(pilot, lambda: "‖ held: 1 before the newest" in screen_text(app))
        assert _shown(app) == "50.000"
        await pilot.press("space")
        await until(pilot, lambda: _shown(app) == "51.000")
        assert _meter(app).following

    _run(session, steps)


def test_older_and_newer_step_through_what_is_kept() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert _shown(app) == "2.000"
        assert not _meter(app).following
        await until(pilot, lambda: "2 before the newest" in screen_text(app))
        await pilot.press(*("left_square_bracket",) * 9)
        assert _shown(app) == "0.000"
        await pilot.press(*("right_square_bracket",) * 4)
        assert (_shown(app), _meter(app).following) == ("4.000", False)
        await pilot.press("right_square_bracket")
        assert _meter(app).following

    _run(session_of(_series(5)), steps)


def test_held_telegram_stays_when_it_is_kept_no_longer() -> None:
    session = session_of(_series(3))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("space")
        for number in range(100):
            at = NOW + timedelta(minutes=number)
            session.reception.accept(telegram(METER, value=f"{number}.5", access_number=number, at=at))
        await until(pilot, lambda: "64 before the newest" in screen_text(app))
        assert _shown(app) == "2.000"
        await pilot.press("left_square_bracket")
        assert _shown(app) == "2.000"
        await pilot.press("right_square_bracket")
        assert _shown(app) == "36.5"

    _run(session, steps)


def test_moving_in_the_tree_marks_the_bytes() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        screen = _meter(app)
        await pilot.press("2", "home")
        assert screen.bytes_view.mark == range(10)
        await pilot.press("right", "down", "down", "down")
        assert screen.bytes_view.mark == range(2, 10)
        assert screen.bytes_view.cursor == 2
        await until(
            pilot, lambda: "0002\N{EN DASH}0009  8 bytes  A  the sender  [EN 13757-4, 12.5.4]" in screen_text(app)
        )
        await pilot.press("left")
        assert screen.bytes_view.mark == range(10)

    _run(session_of([telegram(METER)]), steps)


def test_moving_in_the_bytes_selects_the_field_or_the_closed_branch_around_it() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        screen = _meter(app)
        await pilot.press("2", "tab")
        assert app.focused is screen.bytes_view
        await pilot.press("home")
        assert screen.bytes_view.mark == range(1)
        node = screen.layers_view.selected
        assert node is not None
        assert node.label == "link layer"
        await pilot.press("end")
        node = screen.layers_view.selected
        assert node is not None
        assert (node.label, screen.bytes_view.mark) == ("filler", range(23, 26))
        await pilot.press("left", "left", "left", "up")
        assert screen.bytes_view.cursor == 6
        assert screen.bytes_view.mark == range(2, 10)

    _run(session_of([telegram(METER)]), steps)


def test_enter_on_a_reading_shows_its_bytes() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        screen = _meter(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.focused is screen.layers_view)
        node = screen.layers_view.selected
        assert node is not None
        assert (node.label, node.meaning) == ("volume", "12.345 m³")
        assert screen.bytes_view.mark == range(17, 23)

    _run(session_of([telegram(METER)]), steps)


def test_decrypted_bytes_are_plain_text_and_marked_and_can_be_seen_as_received() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "2F·04·13·39·30·00·00·2F·2F·2F·" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "Bytes as received" in screen_text(app))
        assert "8A~" in screen_text(app)
        assert "2F·" not in screen_text(app)

    _run(session_of([telegram(METER)]), steps, WIDE)


def test_bytes_without_a_key_are_marked_as_encrypted() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "8A~" in screen_text(app))
        assert "·" not in "".join(line for line in screen_text(app).splitlines() if line.startswith(" 00"))

    _run(session_of([telegram(METER, Outcome.NO_KEY)]), steps)


def test_branches_and_cursor_stay_as_they_are_in_the_next_telegram() -> None:
    session = session_of(_series(2))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        screen = _meter(app)
        await pilot.press("2", "end", "up", "right", "down", "down")
        before = screen.layers_view.selected
        assert before is not None
        assert before.label == "VIF"
        session.reception.accept(telegram(METER, value="88.888", access_number=88, at=NOW + timedelta(seconds=16)))
        await until(pilot, lambda: _shown(app) == "88.888")
        after = screen.layers_view.selected
        assert after is not None
        assert after.key == before.key
        assert screen.bytes_view.mark == range(18, 19)

    _run(session, steps)


def test_pages_take_turns_where_there_is_no_room_for_both() -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        assert "Verdict" in screen_text(app)
        await pilot.press("2")
        await until(pilot, lambda: "Layers and records" in screen_text(app))
        assert "─Verdict" not in screen_text(app)
        assert "0000 19 44" in screen_text(app)
        await pilot.press("1")
        await until(pilot, lambda: "─Verdict" in screen_text(app))

    _run(session_of([telegram(METER)]), steps)


def test_copy_takes_the_telegram_that_is_shown() -> None:
    telegrams = _series(3)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("left_square_bracket", "c")
        assert app.clipboard == telegrams[1].frame.data.hex().upper()

    _run(session_of(telegrams), steps)


def test_radio_adapter_in_front_of_a_meter_is_named() -> None:
    one = replace(telegram(METER), link_address=address(50597032, "ZRI", 0x06))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        assert "through ZRI 50597032" in screen_text(app)

    _run(session_of([one]), steps, WIDE)


def test_frame_of_which_nothing_could_be_read_says_so() -> None:
    empty = replace(
        telegram(None, Outcome.DAMAGED), layers=(), data=b"", plain=b"", records=(), readings=(), verdict=()
    )

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        text = screen_text(app)
        for words in (
            "No readings.",
            "No layer of this frame could be read.",
            "This frame has no bytes.",
        ):
            assert words in text

    _run(session_of([empty]), steps, WIDE, meter=None)


def test_every_simulated_meter_can_be_walked_through() -> None:
    session = simulated_session()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        for row in session.reception.rows():
            await app.push_screen(MeterScreen(session, row.sender))
            await pilot.pause()
            screen = _meter(app)
            assert screen.telegram is not None
            screen.action_page("anatomy")
            screen.layers_view.action_first_line()
            screen.layers_view.action_open_branch()
            screen.layers_view.action_last_line()
            screen.bytes_view.action_last_line()
            screen.action_received()
            assert screen.bytes_view.cursor == len(screen.telegram.data) - 1
            await pilot.pause()
            screen.action_older()
            await pilot.pause()
            assert screen.bytes_view.cursor in screen.bytes_view.mark
            assert screen.bytes_view.mark.stop <= len(screen.telegram.data)
            screen.action_back()
            await pilot.pause()

    run_app(session, steps, (200, 60))


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_nothing_flashes_up_that_the_width_has_no_room_for(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    draw = TelegramTree.render_line

    def counting(self: TelegramTree, y: int) -> Strip:
        drawn.append(y)
        return draw(self, y)

    monkeypatch.setattr(TelegramTree, "render_line", counting)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "volume" in screen_text(app))
        await pilot.pause()
        assert bool(drawn) == (size == WIDE)

    _run(session_of([telegram(METER)]), steps, size)


def _long_telegram(records: int = 30) -> Telegram:
    """A telegram through the real decoder that fills more than a screen."""
    body = b"".join(
        bytes((0xC4 if number % 2 else 0x84, number // 2, 0x13)) + (1_000 + number).to_bytes(4, "little")
        for number in range(2, 2 + records)
    )
    frame = link_frame(0x44, METER, transport_clear(Content.RECORDS, body, TransportHeader(1)))
    return decode(RawFrame(frame, NOW, "air", "T1", -70))


@pytest.mark.parametrize("size", [NARROW, WIDE, (60, 20)])
def test_the_bytes_of_the_last_reading_are_seen_however_long_the_frame(size: tuple[int, int]) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "volume" in screen_text(app))
        await pilot.press("end", "enter")
        tree, view = _meter(app).layers_view, _meter(app).bytes_view
        await until(pilot, lambda: 0 <= tree.cursor - tree.scroll_offset.y < tree.page_height and tree.has_focus)
        await until(
            pilot, lambda: f" {(view.mark[-1] // 8 * 8) & ~(8 if size == WIDE else 0):04X} " in screen_text(app)
        )
        assert "1.031 m³" in screen_text(app)
        assert len(view.mark) == 7

    _run(session_of([_long_telegram()]), steps, size)


def test_a_long_text_is_shown_in_full_where_there_is_room() -> None:
    text = "COLD WATER METER STAIRWELL 14 FLAT 3"
    one = telegram(METER)
    named = replace(one, readings=(*one.readings, replace(one.readings[0], name="customer", value=text, unit="")))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: text in screen_text(app))
        assert "12.345 m³" in screen_text(app)

    _run(session_of([named]), steps, NARROW)
