"""Copying a telegram to the clipboard of the terminal."""

from __future__ import annotations

from textual.screen import Screen

from protocols.model import Telegram


def copy_hex(screen: Screen[None], telegram: Telegram) -> None:
    """Copy a telegram as it was received, in hex, as `fieldtool decode` takes it."""
    data = telegram.frame.data
    screen.app.copy_to_clipboard(data.hex().upper())
    screen.notify(f"{len(data)} bytes copied as hex", markup=False, timeout=2)
