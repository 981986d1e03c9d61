"""Text for one cell: cut and padded by terminal width, and the short forms of ages, strengths and values."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

from fieldtool.export.lines import moment_text
from protocols.model import Function, Quality, Reading, Value
from protocols.text import safe_text
from protocols.units import unit_symbol

Cell: TypeAlias = tuple[str, str]
"""Text and the name of its style, one of `line_view.STYLES`."""

Line: TypeAlias = tuple[Cell, ...]
"""The cells of one screen line, from left to right."""

ELLIPSIS = "…"

NOTHING = "\N{EN DASH}"
"""Stands where there is no value."""

_BARS = "▂▄▆█"
_BAR_FLOORS_DBM = (-100, -90, -80, -65)
"""A bar lights up above its floor: -100 dBm is about where telegrams begin to be lost, above -65 none are."""

_AGE_UNITS: tuple[tuple[int, str, str], ...] = ((86_400, "d", "d"), (3_600, "h", "h"), (60, "min", "m"), (1, "s", "s"))


def fit(text: str, width: int) -> str:
    """Return `text` exactly `width` cells wide: cut with an ellipsis, or padded on the right."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - 1)) + ELLIPSIS if width > 0 else ""


def fit_right(text: str, width: int) -> str:
    """Return `text` exactly `width` cells wide: cut with an ellipsis, or padded on the left."""
    return " " * (width - cell_len(text)) + text if cell_len(text) <= width else fit(text, width)


def wrap(text: str, width: int) -> list[str]:
    """Break `text` at spaces into lines of at most `width` cells; words longer than a line are cut into pieces."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        pieces = _pieces(word, max(width, 2))
        lines.extend(pieces[:-1])
        line = pieces[-1]
    return [*lines, line]


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for char in word:
        if cell_len(pieces[-1] + char) > width:
            pieces.append("")
        pieces[-1] += char
    return pieces


def age_text(seconds: float, width: int) -> str:
    """Return how long ago something was, in its largest unit: `12 min`, or `12m` where there is no room."""
    whole = max(0, int(seconds))
    for size, long, short in _AGE_UNITS:
        if whole >= size:
            text = f"{whole // size} {long}"
            return text if len(text) <= width else f"{whole // size}{short}"
    return "now"


def rssi_text(rssi_dbm: int | None, width: int) -> str:
    """Return a strength as bar and number, as the number alone where there is no room, or a dash when unknown."""
    if rssi_dbm is None:
        return fit_right(NOTHING, width)
    number = f"{rssi_dbm:>4}"
    if width < len(_BARS) + len(number):
        return fit_right(number.strip(), width)
    lit = sum(rssi_dbm > floor for floor in _BAR_FLOORS_DBM)
    return fit_right(f"{_BARS[:lit]:<{len(_BARS)}} {number}", width)


def value_text(value: Value) -> str:
    """Return a value exactly as it was decoded, without exponent; text is made safe."""
    if value is None:
        return NOTHING
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else str(value)
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return safe_text(str(value))


def reading_text(reading: Reading) -> str:
    """Return value and unit, or the quality in words when there is no value to believe."""
    if reading.value is None or reading.quality is not Quality.GOOD:
        return words(reading.quality)
    return f"{value_text(reading.value)} {unit_text(reading)}".rstrip()


def unit_text(reading: Reading) -> str:
    """Return the unit as it is written for people."""
    return safe_text(unit_symbol(reading.unit))


def reading_cell(reading: Reading, width: int, unit_width: int) -> str:
    """Return value and unit so that units stand below each other; of a number only decimals are ever cut."""
    unit, value = unit_text(reading), value_text(reading.value)
    room = width - 1 - max(unit_width, cell_len(unit))
    if cell_len(value) > room:
        room = width - 1 - cell_len(unit)
    if isinstance(reading.value, Decimal | int) and cell_len(value) > room:
        whole = value.partition(".")[0]
        value = fit(value, room) if len(whole) < room else ELLIPSIS
    return fit(f"{fit_right(value, max(room, 1))} {unit}", width)


def words(name: str) -> str:
    """Return a code name as words, made safe: `temporary_error` as `temporary error`."""
    return safe_text(name).replace("_", " ")


def place_text(reading: Reading) -> str:
    """Return what sets a reading apart from the present total: function, storage, tariff, subunit."""
    parts = [] if reading.function is Function.INSTANTANEOUS else [words(reading.function)]
    parts += [
        f"{word} {number}"
        for word, number in (("storage", reading.storage), ("tariff", reading.tariff), ("subunit", reading.subunit))
        if number
    ]
    return ", ".join(parts)
