"""AMBER/Würth AMB8465-M, AMB8665-M (Metis) and AMB3665: the codec of both sides and the host's session."""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.amb8465.session import HostSession
from protocols.receivers.amb8465.settings import LISTENING_MODES, Model

__all__ = ["Amb8465", "HostSession"]


class Amb8465:
    """The receiver family, as the registry knows it; an AMB3665 answers to it as well."""

    NAME: ClassVar[str] = "amb8465"
    TITLE: ClassVar[str] = "AMBER Metis AMB8465-M"
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ((0x0403, 0x6001),)
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    BAUD: ClassVar[int] = 9600
    MODES: ClassVar[tuple[str, ...]] = tuple(LISTENING_MODES[Model.AMB8465])
    DEFAULT_MODE: ClassVar[str] = "c1,t1"

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the stick listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
