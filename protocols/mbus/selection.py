"""What a master asks for without records: the application of a device, or the device itself (EN 13757-3, 7; -7, 8)."""

from __future__ import annotations

from protocols.media import manufacturer_letters, medium_name

ADDRESS_SIZE = 8
"""Number, manufacturer, version and device type of the devices that are meant."""

APPLICATIONS: tuple[str, ...] = (
    "all",
    "user data",
    "simple billing",
    "enhanced billing",
    "multi-tariff billing",
    "instantaneous values",
    "load management values",
    "reserved",
    "installation and startup",
    "testing",
    "calibration",
    "configuration updates",
    "manufacturing",
    "development",
    "self-test",
    "reserved",
)
"""By the upper nibble of the byte after CI 50 and 53."""

_ANY_MANUFACTURER = 0xFFFF
_ANY_BYTE = 0xFF


def application_words(data: bytes) -> str:
    """Return which application is selected; without a byte it is reset to what it was by default."""
    if not data:
        return "resets the application"
    application, part = data[0] >> 4, data[0] & 0x0F
    words = f"selects application {application}, {APPLICATIONS[application]}"
    return f"{words}, part {part}" if part else words


def device_words(data: bytes) -> str:
    """Return which devices are selected; parts that may be anything are left out. `data` has 8 bytes."""
    number = data[3::-1].hex()
    manufacturer = int.from_bytes(data[4:6], "little")
    if number == "ffffffff":
        words = ["any number"]
    elif number.isdecimal():
        words = [f"number {number}"]
    else:
        words = [f"number {number} (f any digit)"]
    if manufacturer != _ANY_MANUFACTURER:
        words[0] = f"{manufacturer_letters(manufacturer)} {words[0].removeprefix('number ')}"
    if data[6] != _ANY_BYTE:
        words.append(f"version {data[6]}")
    if data[7] != _ANY_BYTE:
        words.append(medium_name(data[7]))
    return f"selects {', '.join(words)}"
