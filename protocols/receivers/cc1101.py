"""The signal strength code of the CC1101 radio chip, which CUL and AMB8465 hand on as it is."""

from __future__ import annotations

LOWEST_DBM, HIGHEST_DBM = -138, -11
"""What the code can say."""


def rssi_dbm(raw: int) -> int:
    """Return the field strength of a code: a signed byte, half a dB a step, -74 dBm at 0."""
    return int((raw - 256 if raw > 127 else raw) / 2 - 74)


def rssi_raw(dbm: int) -> int:
    """Return the code of a field strength, or the nearest that there is."""
    return 2 * (min(max(dbm, LOWEST_DBM), HIGHEST_DBM) + 74) & 0xFF
