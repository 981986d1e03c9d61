"""Microchip RN2483: its settings and the host's session (RN2483 LoRa Technology Module Command Reference)."""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.lora_channel import DEFAULT_MODE, MODES
from protocols.receivers.rn2483.session import HostSession

__all__ = ["HostSession", "Rn2483"]


class Rn2483:
    """The receiver family, as the registry knows it: one channel and spreading factor at a time."""

    NAME: ClassVar[str] = "rn2483"
    TITLE: ClassVar[str] = "Microchip RN2483"
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ((0x04D8, 0x000A),)
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    BAUD: ClassVar[int] = 57600
    MODES: ClassVar[tuple[str, ...]] = MODES
    DEFAULT_MODE: ClassVar[str] = DEFAULT_MODE

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the module listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
