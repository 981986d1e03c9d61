"""A simulated Seeed LoRa-E5: its test mode.

Not simulated: the LoRaWAN stack of the module, transmitting, low power, and every command that test mode does not need.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from simulators.receivers.at_module import AtModule, Tuning

_SETTINGS: Final = re.compile(
    r"AT\+TEST=RFCFG,(\d{3}(?:\.\d{1,3})?),SF(7|8|9|10|11|12),(125|250|500),(\d+),(\d+),(\d+),(ON|OFF),(ON|OFF),(ON|OFF)",
    re.ASCII,
)


class LoraE5Stick(AtModule):
    """Answers each command with a line that repeats its name, and hands over a packet in two lines."""

    KIND: ClassVar[str] = "lora-e5"
    BAUD: ClassVar[int] = 9600

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._testing = False

    def power_cycle(self) -> None:
        """Forget the radio's settings and leave test mode."""
        super().power_cycle()
        self._testing = False

    def _answer(self, command: str, now_s: float) -> str:
        if command == "AT":
            return "+AT: OK"
        if command == "AT+MODE=TEST":
            self._testing = True
            return "+MODE: TEST"
        if not self._testing:
            return "+TEST: ERROR(-12)"
        if command in ("AT+TEST=STOP", "AT+TEST=RXLRPKT"):
            word = command.partition("=")[2]
            self._listening = word == "RXLRPKT"
            return f"+TEST: {word}"
        settings = _SETTINGS.fullmatch(command)
        if settings is None or self._listening:
            return "+TEST: ERROR(-1)"
        return self._set(*settings.groups())

    def _set(self, mhz: str, factor: str, khz: str, *rest: str) -> str:
        sent, received, power, crc, inverted, public = rest
        hertz = round(float(mhz) * 1_000_000)
        self.tuning = Tuning(hertz, int(factor), int(khz) * 1000, inverted == "ON", public == "ON")
        return (
            f"+TEST: RFCFG F:{hertz}, SF{factor}, BW{khz}K, TXPR:{sent}, RXPR:{received}, POW:{power}dBm, "
            f"CRC:{crc}, IQ:{inverted}, NET:{public}"
        )

    def _packet_lines(self, packet: bytes, rssi_dbm: int, snr_db: int) -> tuple[str, ...]:
        return (
            f"+TEST: LEN:{len(packet)}, RSSI:{rssi_dbm}, SNR:{snr_db}",
            f'+TEST: RX "{packet.hex().upper()}"',
        )
