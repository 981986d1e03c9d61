"""A read-out as lines for the screen."""

from __future__ import annotations

from fieldtool.actions.read_out import ReadOut
from fieldtool.tui.cells import place_text, reading_text, words
from protocols.text import safe_text


def read_out_lines(read_out: ReadOut) -> list[str]:
    """Return the readings of a read-out, a line each."""
    lines = [f"meter {read_out.meter}" if read_out.meter is not None else "a meter that does not say which it is"]
    for telegram in read_out.telegrams:
        lines += [
            f"{words(reading.name):32}{reading_text(reading):20}{place_text(reading)}".rstrip()
            for reading in telegram.readings
        ]
    if read_out.problem:
        lines.append(f"! {safe_text(read_out.problem)}")
    return lines
