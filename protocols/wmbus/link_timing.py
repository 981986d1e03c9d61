"""How long a frame is on the air, and when a meter listens after its own (EN 13757-4, 5 to 8 and 13.2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BIDIRECTIONAL: Final = 0x80
FAST_RESPONSE: Final = 0x40
SYNCHRONOUS: Final = 0x20
ACCESSIBLE: Final = 0x04
EXTENDED_DELAY: Final = 0x01
"""Bits of the communication control field; the first and the accessibility together say when a meter listens."""

UPLINK_MODES: Final[dict[str, str]] = {"S2": "S1", "T2": "T1", "C2": "C1"}
"""Two-way mode to the one-way mode whose receivers hear the meter's telegrams: the signal is the same."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A direction of a radio mode: chips a second, chips of preamble and synchronisation word, chips a byte."""

    chips_per_s: float
    leading_chips: int
    chips_per_byte: int


_CHANNELS: Final[dict[str, Channel]] = {
    "S1": Channel(32_768, 48, 16),
    "S2": Channel(32_768, 48, 16),
    "T1": Channel(100_000, 48, 12),
    "T2": Channel(32_768, 48, 16),
    "C1": Channel(100_000, 64, 8),
    "C2": Channel(50_000, 64, 8),
}
"""Modes S1, T1, C1 are the way up from a meter, S2, T2, C2 the way down to it; shortest preambles."""


@dataclass(frozen=True, slots=True)
class Window:
    """When an answer to a meter has to begin, in seconds after the end of the meter's frame."""

    opens_s: float
    closes_s: float

    @property
    def middle_s(self) -> float:
        """The best moment."""
        return (self.opens_s + self.closes_s) / 2


_WINDOWS: Final[dict[tuple[str, bool], Window]] = {
    ("S2", False): Window(0.003, 0.050),
    ("S2", True): Window(0.003, 0.050),
    ("T2", False): Window(0.002, 0.003),
    ("T2", True): Window(0.002, 0.003),
    ("C2", False): Window(0.9995, 1.0005),
    ("C2", True): Window(0.0995, 0.1005),
}
"""Two-way mode, and whether the communication control field asks for a fast response, to the window."""


def time_on_air_s(mode: str, size: int) -> float:
    """Return how long `size` bytes with their CRCs take; `KeyError` for a mode that is not in the tables."""
    channel = _CHANNELS[mode]
    return (channel.leading_chips + size * channel.chips_per_byte) / channel.chips_per_s


def response_window(mode: str, cc: int) -> Window:
    """Return when a meter in a two-way mode listens after a frame with this CC; `KeyError` for other modes."""
    return _WINDOWS[mode, bool(cc & FAST_RESPONSE)]


def opens_window(cc: int) -> bool:
    """Whether a meter listens after the frame that carries this CC: bit B is set, whatever the accessibility."""
    return bool(cc & BIDIRECTIONAL)
