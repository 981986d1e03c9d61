"""Codes of the WiMOD LR Base HCI, all in one place, each marked by how surely it is known.

Known: given with example bytes whose CRC fits, or by the maker's published interface (ping, device and firmware
information, radio configuration, radio mode, raw data indication). Not proved: that a module in sniffer mode hears
packets with LoRaWAN's sync word 0x34. No field of the configuration sets it, so nothing here can ask for it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Endpoint(IntEnum):
    """Which part of the module a message speaks to."""

    DEVICE_MANAGEMENT = 0x01
    RADIO_LINK = 0x03


class Device(IntEnum):
    """Messages of device management; the answer to each request is the next code, and begins with a status."""

    PING = 0x01
    DEVICE_INFO = 0x03
    FIRMWARE_INFO = 0x05
    SET_RADIO_CONFIG = 0x11
    GET_RADIO_CONFIG = 0x13
    SET_RADIO_MODE = 0x19
    POWER_UP = 0x20


class Radio(IntEnum):
    """What the radio link tells by itself."""

    DATAGRAM_RECEIVED = 0x04
    RAW_RECEIVED = 0x08


class Status(IntEnum):
    """The first byte of an answer of device management."""

    OK = 0
    ERROR = 1
    UNSUPPORTED = 2
    WRONG_PARAMETER = 3


STATUS_TEXTS: Final[dict[int, str]] = {
    Status.ERROR: "it failed",
    Status.UNSUPPORTED: "its firmware does not know that",
    Status.WRONG_PARAMETER: "it takes none of these values",
}

MODULES: Final = {
    0x90: "iM880A",
    0x92: "iM880A-L",
    0x93: "iU880A",
    0x98: "iM880B",
    0x99: "iU880B",
    0xA0: "iM881A",
    0xA1: "iU881A",
}
"""Module type to name."""


class RadioMode(IntEnum):
    """Second byte of the radio configuration, and what SET_RADIO_MODE sets."""

    STANDARD = 0
    SNIFFER = 2


MODULATION_LORA: Final = 0
BANDWIDTH_125_KHZ: Final = 0
CODING_RATE_4_5: Final = 1
RECEIVER_ALWAYS_ON: Final = 1
ATTACH_QUALITY: Final = 0x01
"""Bit of the configuration's options: strength and time are attached to what is received."""

ATTACHED: Final = 0x01
"""Bit of the format byte in front of what was received: strength and time stand behind it."""

CRYSTAL_HZ: Final = 32_000_000
FREQUENCY_BITS: Final = 19


def response(request: int) -> int:
    """The code of the answer to a request."""
    return request + 1
