"""What a LoRa stick with one radio can listen to: one channel, one spreading factor, one direction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from protocols.lorawan.facts import LoraReception
from protocols.receivers.lora_radio import reception

FREQUENCIES: Final = ("868.1", "868.3", "868.5", "869.525")
"""In MHz: the channels that every device of region EU868 has, and the one of the second receive window.

Others can be asked for as well: networks add channels, and other regions have their own.
"""

LOWEST_MHZ: Final = 400
HIGHEST_MHZ: Final = 960
SPREADING_FACTORS: Final = tuple(range(7, 13))
DOWN: Final = "down"
BANDWIDTH_HZ: Final = 125_000

MODES: Final = tuple(
    f"{name}/sf{factor}{down}" for name in FREQUENCIES for factor in SPREADING_FACTORS for down in ("", f"/{DOWN}")
)
DEFAULT_MODE: Final = "868.1/sf7"


_MODE: Final = re.compile(rf"([0-9]{{3}}(?:\.[0-9]{{1,6}})?)/sf([0-9]{{1,2}})(/{DOWN})?")


@dataclass(frozen=True, slots=True)
class Channel:
    """Frequency, spreading factor, and whether the signal is inverted, as that of networks is."""

    frequency_hz: int
    spreading_factor: int
    inverted: bool = False

    @classmethod
    def of(cls, mode: str) -> Channel:
        """Read `868.1/sf7` or `868.1/sf7/down`, the frequency in MHz; `ValueError` says what can be asked for."""
        match = _MODE.fullmatch(mode.strip().lower())
        if match is not None:
            frequency_mhz, factor = Decimal(match[1]), int(match[2])
            if LOWEST_MHZ <= frequency_mhz <= HIGHEST_MHZ and factor in SPREADING_FACTORS:
                return cls(int(frequency_mhz * 1_000_000), factor, bool(match[3]))
        raise ValueError(
            f"unknown mode {mode!r}; known: FREQUENCY/sfN, {LOWEST_MHZ} to {HIGHEST_MHZ} MHz and "
            f"sf{SPREADING_FACTORS[0]} to sf{SPREADING_FACTORS[-1]}, as in {MODES[0]}, and with /{DOWN} after it"
        )

    @property
    def frequency_mhz(self) -> str:
        """The frequency in MHz, with every digit that it needs."""
        return f"{Decimal(self.frequency_hz) / 1_000_000:f}"

    def reception(self, snr_db: float | None) -> LoraReception:
        """Return what is known of a packet that was heard in it, with its signal-to-noise ratio."""
        return reception(self.frequency_hz, self.spreading_factor, BANDWIDTH_HZ, snr_db)
