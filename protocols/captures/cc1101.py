"""The signal strength code of the CC1101 radio chip, which CUL and AMB8465 hand on as it is."""

from __future__ import annotations


def rssi_dbm(raw: int) -> int:
    """Return the field strength of a code: a signed byte, half a dB a step, -74 dBm at 0."""
    return int((raw - 256 if raw > 127 else raw) / 2 - 74)
