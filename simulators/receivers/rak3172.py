"""A simulated RAKwireless RAK3172: its point-to-point mode, and the restart on the way there.

Not simulated: the LoRaWAN stack of the module, transmitting, low power, receive windows that end by time, the lines
that it says while it starts, and every command that receiving does not need.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar, Final

from simulators.receivers.at_module import AtModule

REBOOT_S: Final = 0.3
OK: Final = "OK"
ERROR: Final = "AT_ERROR"
PARAMETER: Final = "AT_PARAM_ERROR"
BUSY: Final = "AT_BUSY_ERROR"
PUBLIC: Final = "3444"
CONTINUOUS: Final = ("65533", "65534")
BANDWIDTHS_HZ: Final = (125_000, 250_000, 500_000)
_SETTINGS: Final = re.compile(r"(\d{9}):(7|8|9|10|11|12):([012]):([1-4]):(\d+):(\d+)", re.ASCII)


class Rak3172Stick(AtModule):
    """Answers each command with `OK` or what is wrong, and hands over a packet in one line."""

    KIND: ClassVar[str] = "rak3172"
    BAUD: ClassVar[int] = 115200

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._peer_to_peer = False

    def _answer(self, command: str, now_s: float) -> str:
        name, _, value = command.removeprefix("AT").removeprefix("+").partition("=")
        if not name and command == "AT":
            return OK
        if name == "NWM":
            return self._change_mode(value, now_s)
        if not self._peer_to_peer:
            return ERROR
        if name == "PRECV":
            return self._switch(value)
        if self._listening:
            return BUSY
        return self._set(name, value)

    def _change_mode(self, value: str, now_s: float) -> str:
        if value not in ("0", "1"):
            return PARAMETER
        if self._listening:
            return BUSY
        if self._peer_to_peer != (value == "0"):
            self._peer_to_peer = value == "0"
            self._deaf_until_s = now_s + REBOOT_S
        return OK

    def _switch(self, value: str) -> str:
        if value != "0" and value not in CONTINUOUS:
            return PARAMETER
        if value != "0" and self._listening:
            return BUSY
        self._listening = value != "0"
        return OK

    def _set(self, name: str, value: str) -> str:
        tuning = self.tuning
        if name == "P2P" and (found := _SETTINGS.fullmatch(value)):
            hertz, factor, bandwidth = int(found[1]), int(found[2]), BANDWIDTHS_HZ[int(found[3])]
            self.tuning = replace(tuning, frequency_hz=hertz, spreading_factor=factor, bandwidth_hz=bandwidth)
        elif name == "SYNCWORD" and len(value) == len(PUBLIC):
            self.tuning = replace(tuning, public=value == PUBLIC)
        elif name == "IQINVER" and value in ("0", "1"):
            self.tuning = replace(tuning, inverted=value == "1")
        else:
            return PARAMETER if name in ("P2P", "SYNCWORD", "IQINVER") else ERROR
        return OK

    def _packet_lines(self, packet: bytes, rssi_dbm: int, snr_db: int) -> tuple[str, ...]:
        return (f"+EVT:RXP2P:{rssi_dbm}:{snr_db}:{packet.hex().upper()}",)
