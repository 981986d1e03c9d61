"""Radiocrafts RC1180-MBUS and its like (RC11xx-MBUS3, RC17xx-MBUS4): its telegrams, and the host's session."""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.rc1180.session import TITLE, HostSession
from protocols.receivers.rc1180.settings import LISTENING_MODES

__all__ = ["HostSession", "Rc1180"]


class Rc1180:
    """The receiver family, as the registry knows it."""

    NAME: ClassVar[str] = "rc1180"
    TITLE: ClassVar[str] = TITLE
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ((0x0403, 0x6001),)
    USB_TEXTS: ClassVar[tuple[str, ...]] = ("TTL232RG-VREG3V3",)
    BAUD: ClassVar[int] = 19200
    MODES: ClassVar[tuple[str, ...]] = tuple(LISTENING_MODES)
    DEFAULT_MODE: ClassVar[str] = "c1,t1"

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the module listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
