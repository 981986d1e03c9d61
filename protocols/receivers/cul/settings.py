"""What a CUL can be asked to listen to, and the commands for it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "V"
LETTERS: Final[dict[str, str]] = {"c1": "c", "s1": "s", "t1": "t"}
"""Radio mode to the letter behind `br`; newer firmware hears T1 in mode C as well, and does not say which it was."""

DEFAULT_MODE: Final = "c1"
OFF: Final = "OFF"
"""Answer to a letter that the firmware does not know: wireless M-Bus is off then."""

REPORT: Final = 0x01
APPEND_SIGNAL: Final = 0x20
"""Bits of the `X` setting: hand over what is heard, with LQI and RSSI behind it."""

REPORT_ALL: Final = f"X{REPORT | APPEND_SIGNAL:02X}"
"""Never answered."""


def letter_of(mode: str) -> str:
    """Return the letter of a radio mode in any case; `ValueError` names those that there are."""
    try:
        return LETTERS[mode.strip().lower()]
    except KeyError:
        known = ", ".join(LETTERS)
        raise ValueError(f"a CUL listens to one mode at a time, not to {mode!r}; known: {known}") from None


def listen_command(letter: str) -> str:
    """Return what switches reception on."""
    return f"br{letter}"


def confirmation(letter: str) -> str:
    """Return the answer to that, `CMODE` for C."""
    return f"{letter.upper()}MODE"
