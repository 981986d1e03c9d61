"""IMST iM871A-USB (WiMOD HCI): the codec of both sides and the host's session."""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.im871a.envelope import Endpoint, Envelope, EnvelopeStream, Rejected
from protocols.receivers.im871a.messages import MESSAGES, OtherMessage, parse_message, title_of
from protocols.receivers.im871a.session import HostSession
from protocols.receivers.im871a.settings import (
    LISTENING_MODES,
    Config,
    DeviceInfo,
    DeviceType,
    LinkMode,
    rssi_dbm,
    rssi_raw,
)

__all__ = [
    "MESSAGES",
    "Config",
    "DeviceInfo",
    "DeviceType",
    "Endpoint",
    "Envelope",
    "EnvelopeStream",
    "HostSession",
    "Im871a",
    "LinkMode",
    "OtherMessage",
    "Rejected",
    "parse_message",
    "rssi_dbm",
    "rssi_raw",
    "title_of",
]


class Im871a:
    """The receiver family, as the registry knows it; a module of type iM170A answers to it as well."""

    NAME: ClassVar[str] = "im871a"
    TITLE: ClassVar[str] = "IMST iM871A-USB"
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ((0x10C4, 0xEA60),)
    USB_TEXTS: ClassVar[tuple[str, ...]] = ("iM871A",)
    BAUD: ClassVar[int] = 57600
    MODES: ClassVar[tuple[str, ...]] = tuple(LISTENING_MODES[DeviceType.IM871A])
    DEFAULT_MODE: ClassVar[str] = "c1,t1"

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the stick listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
