"""What a LoRa stick with one radio can listen to: one channel, one spreading factor, one direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FREQUENCIES: Final[dict[str, int]] = {
    "868.1": 868_100_000,
    "868.3": 868_300_000,
    "868.5": 868_500_000,
    "869.525": 869_525_000,
}
"""The channels that every device of region EU868 has, and the one of the second receive window."""

SPREADING_FACTORS: Final = tuple(range(7, 13))
DOWN: Final = "down"
BANDWIDTH_HZ: Final = 125_000

MODES: Final = tuple(
    f"{name}/sf{factor}{down}" for name in FREQUENCIES for factor in SPREADING_FACTORS for down in ("", f"/{DOWN}")
)
DEFAULT_MODE: Final = "868.1/sf7"


@dataclass(frozen=True, slots=True)
class Channel:
    """Frequency, spreading factor, and whether the signal is inverted, as that of networks is."""

    frequency_hz: int
    spreading_factor: int
    inverted: bool = False

    @classmethod
    def of(cls, mode: str) -> Channel:
        """Read `868.1/sf7` or `868.1/sf7/down`; `ValueError` names the known modes."""
        text = mode.strip().lower()
        if text not in MODES:
            raise ValueError(
                f"unknown mode {mode!r}; known: FREQUENCY/sfN, as in {MODES[0]}, and with /{DOWN} after it"
            )
        frequency, factor, *down = text.split("/")
        return cls(FREQUENCIES[frequency], int(factor.removeprefix("sf")), bool(down))
