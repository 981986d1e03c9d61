"""Unit codes: plain ASCII in data and JSON, the usual symbols on screens."""

from __future__ import annotations

UNIT_SYMBOLS: dict[str, str] = {
    "m3": "m³",
    "m3/h": "m³/h",
    "m3*C": "m³·°C",
    "C": "°C",
    "F": "°F",
    "deg": "°",
    "ft3": "ft³",
}
"""Only the codes whose symbol differs from the code."""


def unit_symbol(code: str) -> str:
    """Return how a unit code is written for people: `m3` as `m³`."""
    return UNIT_SYMBOLS.get(code, code)
