"""IMST iU891A-XL, iM891A-XL, iM881A-XL, iU893A-XL as wireless M-Bus gateways: messages of both sides, the session."""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.iu891a.indication import ReceiveIndication
from protocols.receivers.iu891a.session import TITLE, HostSession
from protocols.receivers.iu891a.settings import LISTENING_MODES, Config, DeviceInfo, FirmwareInfo

__all__ = ["Config", "DeviceInfo", "FirmwareInfo", "HostSession", "Iu891a", "ReceiveIndication"]


class Iu891a:
    """The receiver family, as the registry knows it."""

    NAME: ClassVar[str] = "iu891a"
    TITLE: ClassVar[str] = TITLE
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ((0x04B4, 0x0003),)
    USB_TEXTS: ClassVar[tuple[str, ...]] = ("iU891A",)
    BAUD: ClassVar[int] = 115200
    MODES: ClassVar[tuple[str, ...]] = tuple(LISTENING_MODES)
    DEFAULT_MODE: ClassVar[str] = "c1,t1"

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the stick listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
