"""The two lines at the bottom: whatever the width and however large the numbers, losses and troubles are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from fieldtool.pipeline.reception import Counters, Reception
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.session import Session
from tests.fieldtool.tui.tui_scenes import NOW, run_app, screen_lines, until

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
        await until(pilot, lambda: "received" in screen_lines(app)[-2])
        seen.extend(screen_lines(app)[-3:-1])

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


def test_what_happened_to_a_receiver_is_told_where_there_is_room() -> None:
    assert "○ im871a /dev/ttyUSB1 lost: unplugged" in bottom_of(BUSY, 120, TWO)
    assert "unplugged" not in bottom_of(BUSY, 60, TWO)


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
