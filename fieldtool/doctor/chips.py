"""The chips that make a serial port of a USB socket, by USB id, and the drivers that they need on Linux."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Chip:
    """A serial chip: its name, and the module of Linux that makes a port of it."""

    name: str
    module: str


_CP210X: Final = Chip("Silicon Labs CP210x", "cp210x")
_FTDI: Final = Chip("FTDI", "ftdi_sio")
_CH34X: Final = Chip("WCH CH340/CH341", "ch341")
_PL2303: Final = Chip("Prolific PL2303", "pl2303")
_CDC: Final = Chip("USB modem class (CDC)", "cdc_acm")

CHIPS: Final[dict[tuple[int, int], Chip]] = {
    (0x10C4, 0xEA60): _CP210X,
    (0x10C4, 0xEA70): _CP210X,
    (0x10C4, 0xEA71): _CP210X,
    (0x0403, 0x6001): _FTDI,
    (0x0403, 0x6010): _FTDI,
    (0x0403, 0x6011): _FTDI,
    (0x0403, 0x6014): _FTDI,
    (0x0403, 0x6015): _FTDI,
    (0x1A86, 0x7523): _CH34X,
    (0x1A86, 0x5523): _CH34X,
    (0x067B, 0x2303): _PL2303,
    (0x067B, 0x23A3): _PL2303,
}
"""Vendor and product to chip."""

TAKEN_BY_BRLTTY: Final = frozenset({(0x1A86, 0x7523), (0x10C4, 0xEA60)})
"""Chips that brltty, which serves Braille displays, takes for one of its own."""


def chip_of(usb_id: tuple[int, int]) -> Chip:
    """Return the chip of a USB id; ids of receivers that are not in the table are of the USB modem class."""
    return CHIPS.get(usb_id, _CDC)
