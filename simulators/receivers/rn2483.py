"""A simulated Microchip RN2483: its text commands, and the packets of one channel and spreading factor.

Not simulated: the LoRaWAN stack of the module (`mac` but for `mac pause`), transmitting, FSK, sleep, EEPROM, pins; and
the radio's own ear for packets that begin while the host asks for the strength of the one before: they are lost, as on
the real module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.receivers.text_lines import LineStream, to_line
from simulators.air import Transmission
from simulators.receivers.serial_line import SerialLine

BANNER: Final = "RN2483 1.0.5 Oct 31 2018 15:06:52"
PAUSED_MS: Final = "4294967245"
LATENCY_S: Final = 0.003
OK: Final = "ok"
INVALID: Final = "invalid_param"
SET: Final = ("radio", "set")
FACTORY: Final[Mapping[str, str]] = {
    "mod": "lora",
    "freq": "868100000",
    "sf": "sf12",
    "bw": "125",
    "cr": "4/5",
    "sync": "34",
    "crc": "on",
    "iqi": "off",
    "wdt": "15000",
}
_LOWEST_HZ, _HIGHEST_HZ = 863_000_000, 870_000_000

_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "mod": lambda text: text in ("lora", "fsk"),
    "freq": lambda text: text.isdigit() and _LOWEST_HZ <= int(text) <= _HIGHEST_HZ,
    "sf": lambda text: text in {f"sf{factor}" for factor in range(7, 13)},
    "bw": lambda text: text in ("125", "250", "500"),
    "cr": lambda text: text in ("4/5", "4/6", "4/7", "4/8"),
    "sync": lambda text: 0 < len(text) <= 16 and all(digit in "0123456789abcdefABCDEF" for digit in text),
    "crc": lambda text: text in ("on", "off"),
    "iqi": lambda text: text in ("on", "off"),
    "wdt": lambda text: text.isdigit() and int(text) < 1 << 32,
}


@dataclass(slots=True)
class ModuleCounters:
    """What the module has done so far."""

    commands: int = 0
    heard: int = 0
    missed: int = 0
    crc_errors: int = 0


class Rn2483Stick:
    """Answers each command with its line, and hands over one packet a `radio rx`."""

    KIND: ClassVar[str] = "rn2483"
    BAUD: ClassVar[int] = 57600

    def __init__(self, *, seed: int = 0, has_rssi: bool = True) -> None:
        self.counters = ModuleCounters()
        self.settings = dict(FACTORY)
        self._has_rssi = has_rssi
        self._lines = LineStream()
        self._line = SerialLine(self.BAUD)
        self._paused = self._listening = False
        self._quality = (-128, 0)

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        for line in self._lines.feed(data):
            self.counters.commands += 1
            self._say(self._answer(line), now_s + LATENCY_S)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the radio listens to its channel just now."""
        lora = transmission.lora
        if lora is None or not self._tuned_to(transmission):
            return
        if not self._listening:
            self.counters.missed += 1
            return
        self._listening = False
        if transmission.damaged:
            self.counters.crc_errors += 1
            self._say("radio_err", now_s)
            return
        self.counters.heard += 1
        self._quality = (round(lora.snr_db or 0.0), transmission.rssi_dbm)
        self._say(f"radio_rx  {transmission.coded.hex().upper()}", now_s)

    def due(self, now_s: float) -> list[bytes]:
        """Return the lines whose last bit is out by now."""
        return self._line.due(now_s)

    def power_cycle(self) -> None:
        """Forget all settings, and say the version, as the module does after a reset."""
        self.settings = dict(FACTORY)
        self._line.clear()
        self._paused = self._listening = False
        self._lines = LineStream()

    @property
    def next_due_s(self) -> float | None:
        """When the next line is out."""
        return self._line.next_due_s

    def _tuned_to(self, transmission: Transmission) -> bool:
        lora, settings = transmission.lora, self.settings
        return (
            lora is not None
            and settings["mod"] == "lora"
            and settings["sync"] == "34"
            and settings["freq"] == str(lora.frequency_hz)
            and settings["sf"] == f"sf{lora.spreading_factor}"
            and int(settings["bw"]) * 1000 == lora.bandwidth_hz
            and (settings["iqi"] == "on") == transmission.downlink
        )

    def _say(self, line: str, at_s: float) -> None:
        self._line.say(to_line(line), at_s)

    def _answer(self, line: str) -> str:
        words = tuple(line.split())
        if words[:2] == SET and len(words) == 4:
            return self._set(words[2], words[3])
        fixed = {
            ("sys", "get", "ver"): BANNER,
            ("radio", "get", "snr"): str(self._quality[0]),
            ("radio", "get", "rssi"): str(self._quality[1]) if self._has_rssi else INVALID,
        }
        if words in fixed:
            return fixed[words]
        if words == ("mac", "pause"):
            self._paused = True
            return PAUSED_MS
        if words == ("radio", "rx", "0"):
            if self._listening or not self._paused:
                return "busy"
            self._listening = True
            return OK
        if words == ("radio", "rxstop"):
            self._listening = False
            return OK
        return INVALID

    def _set(self, name: str, value: str) -> str:
        if name not in _CHECKS or not _CHECKS[name](value):
            return INVALID
        self.settings[name] = value
        return OK
