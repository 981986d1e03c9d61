"""CUL, nanoCUL and their like with a CC1101 radio (culfw, a-culfw): the lines of both sides and the host's session."""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.cul.line import CulTelegram, Refused, read_line
from protocols.receivers.cul.session import TITLE, HostSession
from protocols.receivers.cul.settings import DEFAULT_MODE, LETTERS

__all__ = ["Cul", "CulTelegram", "HostSession", "Refused", "read_line"]


class Cul:
    """The receiver family, as the registry knows it: one radio mode at a time."""

    NAME: ClassVar[str] = "cul"
    TITLE: ClassVar[str] = TITLE
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ((0x03EB, 0x204B), (0x0403, 0x6001), (0x1A86, 0x7523))
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    BAUD: ClassVar[int] = 38400
    MODES: ClassVar[tuple[str, ...]] = tuple(LETTERS)
    DEFAULT_MODE: ClassVar[str] = DEFAULT_MODE

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the stick listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
