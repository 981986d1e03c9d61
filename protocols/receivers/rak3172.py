"""RAKwireless RAK3172: the host's session in point-to-point mode (RUI3 AT Command Manual)."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from protocols.receivers.at_session import ONCE, PATIENCE, AtSession, Exchange
from protocols.receivers.events import Damaged, HostEvent
from protocols.receivers.lora_channel import DEFAULT_MODE, MODES, Channel
from protocols.receivers.open_request import Patience

TITLE: Final = "RAKwireless RAK3172"
OK: Final = ("OK",)
BANDWIDTH_CODE: Final = 0
CODING_RATE_CODE: Final = 1
PREAMBLE: Final = 8
POWER_DBM: Final = 14
CONTINUOUS: Final = 65534
REBOOT: Final = Patience(attempts=6)
"""The module may start anew when its mode changes, and is deaf to commands meanwhile."""

EVENT: Final = "+EVT:RXP2P"
TIMEOUT: Final = "RECEIVE TIMEOUT"
_REFUSED: Final = ("AT_",)
_BUSY: Final = ("AT_BUSY_ERROR",)
_RECEIVED: Final = re.compile(r"\+EVT:RXP2P:(-?\d{1,3}):(-?\d{1,3}):(.*)", re.ASCII)


class HostSession(AtSession):
    """One session with a module. A packet is one line: strength, signal-to-noise ratio and the bytes."""

    IDENTIFIED_FROM: ClassVar[int] = 3

    def __init__(self, mode: str) -> None:
        super().__init__(TITLE, mode)

    @staticmethod
    def _exchanges(channel: Channel) -> tuple[Exchange, ...]:
        settings = (
            f"{channel.frequency_hz}:{channel.spreading_factor}:{BANDWIDTH_CODE}:{CODING_RATE_CODE}"
            f":{PREAMBLE}:{POWER_DBM}"
        )
        return (
            _exchange("AT"),
            # In LoRaWAN mode there is no such command; in point-to-point mode nothing can be set while it receives.
            Exchange("AT+PRECV=0", (*OK, *_REFUSED), (), ONCE, may_stay_silent=True),
            _exchange("AT+NWM=0", REBOOT),
            _exchange(f"AT+P2P={settings}", REBOOT),
            _exchange("AT+SYNCWORD=3444"),
            _exchange(f"AT+IQINVER={int(channel.inverted)}"),
            _exchange(f"AT+PRECV={CONTINUOUS}"),
        )

    def _hear(self, line: str) -> list[HostEvent]:
        if received := _RECEIVED.fullmatch(line):
            return [self._packet(received[3], int(received[1]), float(received[2]))]
        if not line.startswith(EVENT):
            return []
        if TIMEOUT in line:
            return self._listen_again()
        return [Damaged("the module tells of a reception without a packet", line.encode())]


def _exchange(command: str, patience: Patience = PATIENCE) -> Exchange:
    return Exchange(command, OK, _REFUSED, patience, _BUSY)


class Rak3172:
    """The receiver family, as the registry knows it: one channel and spreading factor at a time."""

    NAME: ClassVar[str] = "rak3172"
    TITLE: ClassVar[str] = TITLE
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ()
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    BAUD: ClassVar[int] = 115200
    MODES: ClassVar[tuple[str, ...]] = MODES
    DEFAULT_MODE: ClassVar[str] = DEFAULT_MODE

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the module listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
