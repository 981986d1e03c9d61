"""Codes of the wireless M-Bus gateway HCI, all in one place.

Known by bytes that another program and recorded sticks exchange: device information, the active configuration, its
address, ping, receive indications. By prose alone, without bytes: what firmware information holds, and that one byte
of 0 switches scan mode off.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Service(IntEnum):
    """Which part of the module a message speaks to (its service access point)."""

    DEVICE_MANAGEMENT = 0x01
    GATEWAY = 0x09


class Device(IntEnum):
    """Requests of device management; the answer to each is the next code, and begins with a status."""

    PING = 0x01
    DEVICE_INFO = 0x03
    FIRMWARE_INFO = 0x05
    RESTART = 0x07
    SET_OPERATION_MODE = 0x09
    GET_OPERATION_MODE = 0x0B
    SET_TIME = 0x0D
    GET_TIME = 0x0F


class Gateway(IntEnum):
    """Messages of the gateway: requests, and what it tells by itself, which has no status."""

    GET_CONFIG = 0x01
    SET_CONFIG = 0x03
    GET_DEFAULT_CONFIG = 0x05
    SET_DEFAULT_CONFIG = 0x07
    RESET_DEFAULT_CONFIG = 0x09
    RECEIVED = 0x20
    SCAN_MODE = 0x21
    SCANNED = 0x24
    ADDRESS = 0x81


class Status(IntEnum):
    """The first byte of an answer."""

    OK = 0
    ERROR = 1
    UNSUPPORTED = 2
    WRONG_PARAMETER = 3
    WRONG_MODE = 4
    NO_MORE_DATA = 5
    BUSY = 6
    WRONG_LENGTH = 7
    NVM_WRITE = 8
    NVM_READ = 9
    REJECTED = 10


STATUS_TEXTS: Final[dict[int, str]] = {
    Status.ERROR: "it failed",
    Status.UNSUPPORTED: "its firmware does not know that",
    Status.WRONG_PARAMETER: "it takes none of these values",
    Status.WRONG_MODE: "it is in another operation mode",
    Status.BUSY: "it is busy",
    Status.WRONG_LENGTH: "its firmware expects another length",
    Status.REJECTED: "it rejects that",
}

MODULES: Final[dict[int, str]] = {
    0x6D: "iM891A-XL",
    0x6E: "iU891A-XL",
    0x71: "iU893A-XL",
    0xA3: "iM881A-XL",
}
"""Module type to name; other types with this envelope are LoRa modules."""


def response(request: int) -> int:
    """The code of the answer to a request."""
    return request + 1
