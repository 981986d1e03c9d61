"""The two lines at the bottom: whatever the width and however large the numbers, losses and troubles are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from fieldtool.pipeline.reception import Counters, Reception
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.session import Session
from fieldtool.tui.status_bar import StatusBar
from tests.fieldtool.tui.tui_scenes import NOW, run_app, screen_lines, screen_text, until

LOCKS = "unlocked, locks in 10 min"
BUSY = Counters(
    received=134_218, shown=118_004, damaged=1_204, no_key=7_002, wrong_key=5_001, duplicates=3_007, dropped=612
)
TWO = (
    SourceEvent("im871a /dev/ttyUSB0", SourceState.CONNECTED, "", NOW),
    SourceEvent("im871a /dev/ttyUSB1", SourceState.LOST, "unplugged", NOW),
)


class _Counted(Reception):
    """A reception whose counters are given."""

    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters


def bottom_of(counters: Counters, width: int, sources: tuple[SourceEvent, ...] = TWO[:1]) -> str:
    """The lines of the status bar."""
    seen: list[str] = []

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "received" in screen_text(app))
        place = app.screen.query_one(StatusBar).region
        seen.extend(screen_lines(app)[place.y : place.bottom])

    run_app(Session(_Counted(counters), lambda: sources, lambda: LOCKS, lambda: NOW), steps, (width, 24))
    return "\n".join(seen)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_losses_are_told_in_full_however_large_the_counts(width: int) -> None:
    assert "dropped 612" in bottom_of(BUSY, width)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_counts_that_are_shown_add_up(width: int) -> None:
    shown = bottom_of(BUSY, width).splitlines()[-1]
    for number in (134_218, 118_004, 1_204, 7_002, 5_001, 3_007):
        assert str(number) in shown


def test_zeros_give_way_before_words_do() -> None:
    quiet = replace(Counters(), received=4_109, shown=3_696, no_key=204, wrong_key=140, duplicates=69)
    shown = bottom_of(quiet, 80).splitlines()[-1]
    assert shown.strip() == "received 4109 · shown 3696 · no key 204 · wrong key 140 · duplicates 69"


def test_what_a_meter_does_not_permit_is_counted_too() -> None:
    shown = bottom_of(replace(Counters(), received=5, shown=1, unsupported=3, not_permitted=1), 120)
    assert "unsupported 3 · not permitted 1" in shown


@pytest.mark.parametrize("width", [60, 80, 120, 160, 200])
def test_a_second_receiver_that_is_lost_is_seen_at_every_width(width: int) -> None:
    shown = bottom_of(BUSY, width, TWO)
    assert "ttyUSB1 lost" in shown


LOST = SourceEvent("im871a /dev/ttyUSB0", SourceState.LOST, "/dev/ttyUSB0: the connection was lost", NOW, "plug it in")


@pytest.mark.parametrize("width", [60, 80, 120, 160, 200])
def test_what_happened_to_a_receiver_is_told_at_every_width(width: int) -> None:
    shown = bottom_of(BUSY, width, (LOST,))
    assert "the connection was lost" in shown
    assert "dropped 612" in shown
    assert shown.count("the connection was lost") == 1


@pytest.mark.parametrize("width", [80, 120, 160, 200])
def test_what_to_do_about_it_is_told_wherever_80_columns_tell_it(width: int) -> None:
    assert bottom_of(BUSY, width, (LOST,)).count("the connection was lost; plug it in") == 1


def test_where_there_is_room_the_reason_stands_beside_the_receiver() -> None:
    shown = bottom_of(BUSY, 120, TWO).splitlines()
    assert len(shown) == 2
    assert "○ im871a /dev/ttyUSB1 lost: unplugged" in shown[0]


def test_where_there_is_none_it_has_a_line_of_its_own_with_what_to_do() -> None:
    shown = bottom_of(BUSY, 80, (LOST,)).splitlines()
    assert len(shown) == 3
    assert shown[0].split()[:4] == ["○", "im871a", "/dev/ttyUSB0", "lost"]
    assert shown[1].strip() == "/dev/ttyUSB0: the connection was lost; plug it in"
    assert "dropped 612" in shown[2]


def test_a_reason_names_its_receiver_and_the_first_of_many_is_cut() -> None:
    why = "the broker closed the connection because somebody else has the same name"
    many = tuple(replace(LOST, source=f"mqtt broker-{number}", detail=why) for number in range(3))
    shown = bottom_of(BUSY, 80, many).splitlines()
    assert shown[1].strip().startswith("mqtt broker-0: the broker closed")
    assert shown[1].rstrip().endswith("…")
    assert len(shown[1]) <= 80


def test_the_line_goes_when_the_receiver_is_back() -> None:
    sources: list[SourceEvent] = [LOST]

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        bar = app.screen.query_one(StatusBar)
        await until(pilot, lambda: bar.size.height == 3)
        sources[:] = TWO[:1]
        await until(pilot, lambda: bar.size.height == 2)
        sources[:] = [LOST]
        await until(pilot, lambda: "the connection was lost" in screen_text(app))
        await pilot.resize_terminal(200, 24)
        await until(pilot, lambda: bar.size.height == 1 and "the connection was lost" in screen_text(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: bar.size.height == 3)

    run_app(Session(_Counted(BUSY), lambda: tuple(sources), lambda: LOCKS, lambda: NOW), steps)


def test_a_recording_is_shown_beside_the_receiver() -> None:
    recording = SourceEvent("today.hex", SourceState.RECORDING, "recording to today.hex", NOW)
    assert "● today.hex recording · ● im871a /dev/ttyUSB0 connected" in bottom_of(BUSY, 120, (recording, TWO[0]))


def test_a_line_that_is_cut_says_so() -> None:
    many = tuple(replace(TWO[0], source=f"im871a /dev/ttyUSB{number}") for number in range(30))
    assert "…" in bottom_of(BUSY, 80, many).splitlines()[0]


def test_receivers_keep_what_sets_them_apart() -> None:
    simulated = tuple(replace(TWO[0], source=f"{kind} (simulated)") for kind in ("im871a", "gwmp"))
    assert "● im871a · ● gwmp " in bottom_of(BUSY, 80, simulated)
    assert "● /dev/ttyUSB0 · ● /dev/ttyUSB1 " in bottom_of(
        BUSY, 80, tuple(replace(one, state=TWO[0].state) for one in TWO)
    )
