"""Device types ("media") and manufacturer codes (EN 13757-7:2018, Table 13; EN 62056-21 FLAG codes)."""

from __future__ import annotations

from functools import lru_cache

MEDIA: dict[int, str] = {
    0x00: "other",
    0x01: "oil",
    0x02: "electricity",
    0x03: "gas",
    0x04: "heat",
    0x05: "steam",
    0x06: "warm water",
    0x07: "water",
    0x08: "heat cost allocator",
    0x09: "compressed air",
    0x0A: "cooling",
    0x0B: "cooling (inlet)",
    0x0C: "heat (inlet)",
    0x0D: "heat/cooling",
    0x0E: "bus/system component",
    0x0F: "unknown",
    0x10: "irrigation water",
    0x11: "water data logger",
    0x12: "gas data logger",
    0x13: "gas converter",
    0x14: "calorific value",
    0x15: "hot water",
    0x16: "cold water",
    0x17: "dual water",
    0x18: "pressure",
    0x19: "A/D converter",
    0x1A: "smoke detector",
    0x1B: "room sensor",
    0x1C: "gas detector",
    0x1F: "sensor",
    0x20: "breaker",
    0x21: "valve",
    0x25: "customer unit",
    0x28: "waste water",
    0x29: "garbage",
    0x2A: "carbon dioxide",
    0x30: "service tool",
    0x31: "gateway",
    0x32: "unidirectional repeater",
    0x33: "bidirectional repeater",
    0x36: "radio converter (system)",
    0x37: "radio converter (meter)",
    0x38: "bus converter (meter)",
    0xFF: "wildcard",
}

MAKER_MEDIA: dict[str, dict[int, str]] = {
    # Techem uses codes outside the standard's list.
    "TCH": {
        0x43: "heat",
        0x45: "heat",
        0xC3: "heat",
        0x62: "warm water",
        0x72: "cold water",
        0x80: "heat cost allocator",
        0xF0: "smoke detector",
    },
}

LETTERS_MASK = 0x7FFF
"""Bit 15 of the manufacturer field says that the address is only locally unique; the letters are below it."""


def medium_name(code: int, manufacturer: str = "") -> str:
    """Return the name of a device type; codes that the standard keeps for later are `reserved`."""
    maker = MAKER_MEDIA.get(manufacturer)
    if maker is not None and code in maker:
        return maker[code]
    return MEDIA.get(code, "reserved")


@lru_cache(maxsize=1024)
def manufacturer_letters(code: int) -> str:
    """Return the three letters of a 16-bit manufacturer code, bit 15 ignored (EN 13757-3, 7.5.2).

    Codes that are no letters come out as the characters they would be, or as `0xNNNN` when one is not printable.
    """
    masked = code & LETTERS_MASK
    letters = "".join(chr(((masked >> shift) & 0x1F) + 64) for shift in (10, 5, 0))
    return letters if letters.isalpha() and letters.isascii() else f"0x{code:04X}"


def manufacturer_code(letters: str) -> int:
    """Return the 16-bit code of three letters, or of the `0xNNNN` form; `ValueError` for anything else."""
    if letters.startswith("0x") and len(letters) == 6:
        return int(letters, 16)
    upper = letters.upper()
    if len(upper) != 3 or not (upper.isascii() and upper.isalpha()):
        raise ValueError(f"not a manufacturer code: {letters!r} (three letters A-Z)")
    first, second, third = (ord(c) - 64 for c in upper)
    return (first << 10) | (second << 5) | third
