"""LoRa settings as receivers write them, and what region EU868 makes of them (LoRaWAN Regional Parameters, 2.4)."""

from __future__ import annotations

import re
from typing import Final

from protocols.lorawan.facts import LoraReception

EU868_HZ: Final = range(863_000_000, 870_000_001)
EU868_RATES: Final[dict[tuple[int, int], int]] = {
    (12, 125_000): 0,
    (11, 125_000): 1,
    (10, 125_000): 2,
    (9, 125_000): 3,
    (8, 125_000): 4,
    (7, 125_000): 5,
    (7, 250_000): 6,
}
"""Spreading factor and bandwidth to the data rate's index, which the MIC of a LoRaWAN 1.1 uplink covers."""

EU868_FSK_RATE: Final = 7
"""The one data rate of the region that is no LoRa: FSK at 50 kbit/s."""

_DATA_RATE: Final = re.compile(r"SF(\d{1,2})BW(\d{1,4})", re.ASCII)
_KHZ: Final = 1000


def radio_of(data_rate: str) -> tuple[int, int] | None:
    """Return spreading factor and bandwidth in Hz of `SF7BW125`; None for anything else."""
    found = _DATA_RATE.fullmatch(data_rate)
    return None if found is None else (int(found[1]), int(found[2]) * _KHZ)


def data_rate_text(spreading_factor: int, bandwidth_hz: int) -> str:
    """Return `SF7BW125`."""
    return f"SF{spreading_factor}BW{bandwidth_hz // _KHZ}"


def mode_text(reception: LoraReception) -> str | None:
    """Return the radio mode in one word, `SF7`; None when it is not known."""
    return None if reception.spreading_factor is None else f"SF{reception.spreading_factor}"


def is_eu868(frequency_hz: int | None) -> bool:
    """Say whether a frequency is known and lies in the band of region EU868."""
    # A range is searched from end to end for anything but a whole number.
    return frequency_hz is not None and frequency_hz in EU868_HZ


def reception(
    frequency_hz: int | None, spreading_factor: int | None, bandwidth_hz: int | None, snr_db: float | None
) -> LoraReception:
    """Return what a receiver says of a frame, with the data rate's index where the frequency is of region EU868."""
    rate = None
    if is_eu868(frequency_hz) and spreading_factor is not None and bandwidth_hz is not None:
        rate = EU868_RATES.get((spreading_factor, bandwidth_hz))
    return LoraReception(
        data_rate=rate,
        frequency_hz=frequency_hz,
        spreading_factor=spreading_factor,
        bandwidth_hz=bandwidth_hz,
        snr_db=snr_db,
    )
