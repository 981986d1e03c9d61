"""IMST WiMOD LoRa modules (iM880B, iU880B, iM881A ...) with LR-Base firmware: settings and the host's session.

Reception of LoRaWAN packets by them is not proved: see `codes`.
"""

from __future__ import annotations

from typing import ClassVar

from protocols.receivers.lora_channel import DEFAULT_MODE, DOWN, MODES
from protocols.receivers.wimod.session import TITLE, HostSession

__all__ = ["HostSession", "Wimod"]


class Wimod:
    """The receiver family, as the registry knows it: one channel and spreading factor at a time, uplinks only."""

    NAME: ClassVar[str] = "wimod"
    TITLE: ClassVar[str] = TITLE
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ()
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    BAUD: ClassVar[int] = 115200
    MODES: ClassVar[tuple[str, ...]] = tuple(mode for mode in MODES if not mode.endswith(DOWN))
    DEFAULT_MODE: ClassVar[str] = DEFAULT_MODE

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the module listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
