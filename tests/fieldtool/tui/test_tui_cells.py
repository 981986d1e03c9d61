"""Texts of single cells: widths, ages, strengths, exact values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fieldtool.tui.cells import (
    NOTHING,
    age_text,
    fit,
    fit_right,
    reading_cell,
    reading_text,
    rssi_text,
    value_text,
    wrap,
)
from fieldtool.tui.line_view import joined_cells
from protocols.model import Quality, Reading, Value


@given(st.text(), st.integers(0, 40))
def test_fit_gives_exactly_the_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit_right(text, width)) == width


@given(st.text(alphabet="ab漢 é", max_size=80), st.integers(2, 30))
def test_wrap_keeps_all_words_within_the_width(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("seconds", "wide", "narrow"),
    [
        (-5, "now", "now"),
        (0.9, "now", "now"),
        (7, "7 s", "7 s"),
        (59, "59 s", "59 s"),
        (60, "1 min", "1m"),
        (3599, "59 min", "59m"),
        (7200, "2 h", "2 h"),
        (360_000, "4 d", "4 d"),
    ],
)
def test_age(seconds: float, wide: str, narrow: str) -> None:
    assert age_text(seconds, 6) == wide
    assert age_text(seconds, 4) == narrow


@pytest.mark.parametrize(
    ("rssi_dbm", "text"),
    [
        (-50, "▂▄▆█  -50"),
        (-70, "▂▄▆   -70"),
        (-85, "▂▄    -85"),
        (-95, "▂     -95"),
        (-110, "     -110"),
        (None, f"{NOTHING:>9}"),
    ],
)
def test_strength_is_bar_and_number(rssi_dbm: int | None, text: str) -> None:
    assert rssi_text(rssi_dbm, 9) == text


def test_strength_without_room_is_a_number() -> None:
    assert rssi_text(-70, 4) == " -70"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12.345"), "12.345"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (2**60, "1152921504606846976"),
        (date(2026, 11, 20), "2026-11-20"),
        (datetime(2026, 11, 20, 8, 5, tzinfo=UTC), "2026-11-20 08:05 UTC"),
        (None, NOTHING),
    ],
)
def test_values_are_exact(value: Value, text: str) -> None:
    assert value_text(value) == text


def test_value_not_to_be_believed_is_told_in_words() -> None:
    assert reading_text(Reading("volume", None, "m3", "volume", quality=Quality.NOT_AVAILABLE)) == "not available"
    assert reading_text(Reading("volume", Decimal("1.5"), "m3", "volume")) == "1.5 m³"


@pytest.mark.parametrize(
    ("value", "unit", "cell"),
    [
        ("12.345", "m3", "   12.345 m³ "),
        ("406429", "kWh", "   406429 kWh"),
        ("1234567.891", "m3", "1234567.8… m³"),
        ("123456789012", "m3", "         … m³"),
    ],
)
def test_only_decimals_of_a_number_are_cut(value: str, unit: str, cell: str) -> None:
    assert reading_cell(Reading("x", Decimal(value), unit, "volume"), 13, 3) == cell


def test_cells_of_one_style_are_sent_as_one_and_marks_keep_their_ends() -> None:
    line = (("▌", "plain"), ("63001468", "strong"), (" ", "plain"), ("KAM", "plain"), (" ", "plain"), ("heat", "plain"))
    assert joined_cells(line) == [("▌", "plain"), ("63001468 ", "strong"), ("KAM heat", "plain")]
    marked = (("2F", "marked"), (" ", "muted"), ("04", "plain"), (" ", "marked"), ("13", "marked"))
    assert joined_cells(marked) == [("2F", "marked"), (" ", "muted"), ("04", "plain"), (" 13", "marked")]
