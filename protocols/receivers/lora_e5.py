"""Seeed LoRa-E5: the host's session in test mode (LoRa-E5 AT Command Specification)."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from protocols.receivers.at_session import ONCE, AtSession, Exchange
from protocols.receivers.events import Damaged, HostEvent
from protocols.receivers.lora_channel import BANDWIDTH_HZ, DEFAULT_MODE, MODES, Channel

TITLE: Final = "Seeed LoRa-E5"
PREAMBLE: Final = 8
POWER_DBM: Final = 14

_QUALITY: Final = re.compile(r"\+TEST: ?LEN: ?(\d+), ?RSSI: ?(-?\d{1,3}), ?SNR: ?(-?\d{1,3})", re.ASCII)
_RECEIVED: Final = re.compile(r"\+TEST: ?RX(?: (.*))?", re.ASCII)
_REFUSED: Final = ("+TEST: ERROR", "+MODE: ERROR", "+AT: ERROR")


class HostSession(AtSession):
    """One session with a module. A packet is two lines: length and strength, then the bytes."""

    IDENTIFIED_FROM: ClassVar[int] = 1

    def __init__(self, mode: str) -> None:
        super().__init__(TITLE, mode)
        self._quality: tuple[int, int, int] | None = None

    @staticmethod
    def _exchanges(channel: Channel) -> tuple[Exchange, ...]:
        inverted = "ON" if channel.inverted else "OFF"
        settings = (
            f"{channel.frequency_mhz},SF{channel.spreading_factor},{BANDWIDTH_HZ // 1000},"
            f"{PREAMBLE},{PREAMBLE},{POWER_DBM},ON,{inverted},ON"
        )
        return (
            Exchange("AT", ("+AT: OK",), _REFUSED),
            Exchange("AT+MODE=TEST", ("+MODE: TEST",), _REFUSED),
            # A module that does not receive has nothing to stop, and may say so, or nothing.
            Exchange("AT+TEST=STOP", ("+TEST: STOP", *_REFUSED), (), ONCE, may_stay_silent=True),
            Exchange(f"AT+TEST=RFCFG,{settings}", ("+TEST: RFCFG",), _REFUSED),
            Exchange("AT+TEST=RXLRPKT", ("+TEST: RXLRPKT",), _REFUSED),
        )

    def _hear(self, line: str) -> list[HostEvent]:
        if quality := _QUALITY.fullmatch(line):
            self._quality = (int(quality[1]), int(quality[2]), int(quality[3]))
            return []
        received = _RECEIVED.fullmatch(line)
        if received is None:
            return []
        digits = (received[1] or "").strip().strip('"')
        quality_of_it, self._quality = self._quality, None
        if quality_of_it is None:
            return [self._packet(digits, None, None)]
        length, rssi_dbm, snr_db = quality_of_it
        if len(digits) != 2 * length:
            return [Damaged(f"a packet of {length} bytes announced, another length received", line.encode())]
        return [self._packet(digits, rssi_dbm, float(snr_db))]


class LoraE5:
    """The receiver family, as the registry knows it: one channel and spreading factor at a time."""

    NAME: ClassVar[str] = "lora-e5"
    TITLE: ClassVar[str] = TITLE
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ()
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    BAUD: ClassVar[int] = 9600
    MODES: ClassVar[tuple[str, ...]] = MODES
    DEFAULT_MODE: ClassVar[str] = DEFAULT_MODE

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the module listen to `mode`; `ValueError` names the known modes."""
        return HostSession(mode)
