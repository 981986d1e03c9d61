"""What simulated LoRa modules with AT commands share: lines at the port's speed, and the packets of one channel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.receivers.text_lines import LineStream, to_line
from simulators.air import Transmission
from simulators.receivers.serial_line import SerialLine

LATENCY_S: Final = 0.003


@dataclass(slots=True)
class ModuleCounters:
    """What the module has done so far."""

    commands: int = 0
    heard: int = 0
    crc_errors: int = 0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the radio is set to; `public` is LoRaWAN's own sync word."""

    frequency_hz: int = 868_100_000
    spreading_factor: int = 12
    bandwidth_hz: int = 125_000
    inverted: bool = False
    public: bool = False


class AtModule(ABC):
    """Answers each command, and while it receives hands over what comes in on its channel.

    A packet with a wrong CRC is dropped without a word.
    """

    BAUD: ClassVar[int]

    def __init__(self, *, seed: int = 0) -> None:
        self.counters = ModuleCounters()
        self.tuning = Tuning()
        self._lines = LineStream()
        self._line = SerialLine(self.BAUD)
        self._deaf_until_s = 0.0
        self._listening = False

    @abstractmethod
    def _answer(self, command: str, now_s: float) -> str:
        """Carry out a command and return its answer."""

    @abstractmethod
    def _packet_lines(self, packet: bytes, rssi_dbm: int, snr_db: int) -> tuple[str, ...]:
        """Return the lines that hand over a packet."""

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        for line in self._lines.feed(data):
            if now_s >= self._deaf_until_s:
                self.counters.commands += 1
                self._say(self._answer(line, now_s), now_s + LATENCY_S)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the radio listens to its channel just now."""
        lora = transmission.lora
        if lora is None or not self._listening:
            return
        channel = (lora.frequency_hz, lora.spreading_factor, lora.bandwidth_hz, transmission.downlink)
        tuning = self.tuning
        tuned_to = (tuning.frequency_hz, tuning.spreading_factor, tuning.bandwidth_hz, tuning.inverted)
        if channel != tuned_to or not tuning.public:
            return
        if transmission.damaged:
            self.counters.crc_errors += 1
            return
        self.counters.heard += 1
        for line in self._packet_lines(transmission.coded, transmission.rssi_dbm, round(lora.snr_db or 0.0)):
            self._say(line, now_s)

    def due(self, now_s: float) -> list[bytes]:
        """Return the lines whose last bit is out by now."""
        return self._line.due(now_s)

    def power_cycle(self) -> None:
        """Forget all settings of the radio."""
        self.tuning = Tuning()
        self._line.clear()
        self._listening = False
        self._lines = LineStream()

    @property
    def next_due_s(self) -> float | None:
        """When the next line is out."""
        return self._line.next_due_s

    def _say(self, line: str, at_s: float) -> None:
        self._line.say(to_line(line), at_s)
