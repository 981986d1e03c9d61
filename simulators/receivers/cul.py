"""A simulated CUL: its text commands for wireless M-Bus, and what its radio hears in one mode, line by line.

Not simulated: sending (`bss`, `bst`), the other protocols of the firmware, reading a setting back, and what real
firmware does with a frame whose L field came damaged: this one takes as many bytes off the air as L says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from protocols.receivers.cc1101 import rssi_raw
from protocols.receivers.cul.line import CRC_OK, MARK, SIGNAL_SIZE, CulTelegram
from protocols.receivers.cul.settings import APPEND_SIGNAL, LETTERS, OFF, REPORT, VERSION, confirmation
from protocols.receivers.text_lines import LineStream, to_line
from protocols.wmbus.link import MIN_LENGTH, size_on_air
from simulators.air import Transmission
from simulators.receivers.line_faults import NO_FAULTS, LineFaults
from simulators.receivers.serial_line import SerialLine

BANNER: Final = "V 1.67 nanoCUL868"
RECENT_BANNER: Final = "V 1.26.08 a-culfw Build: 311 (simulated) nanoCUL868 (F-Band: 868MHz)"
OLD_BANNER: Final = "V 1.58 CUL868"
STOCK_BUFFER: Final = 110
"""Bytes of a frame that fit into a line of stock firmware, about."""

COMMANDS: Final = "B b C e F f G h i K k L l M m R T t V W X x Z z"
HEARD: Final[dict[str, frozenset[str]]] = {
    "c": frozenset({"C1", "C2"}),
    "s": frozenset({"S1", "S1-m", "S2"}),
    "t": frozenset({"T1", "T2"}),
}
LQI: Final = CRC_OK | 0x04
SETTLE_S: Final = 0.1
"""Nothing is handed over for so long behind the answer to a mode: clients that probe with one read need it."""

LATENCY_S: Final = 0.01


@dataclass(slots=True)
class CulCounters:
    """What the stick has done so far."""

    commands: int = 0
    heard: int = 0
    wrong_mode: int = 0
    cut: int = 0


class CulStick:
    """Answers each command with its line, and hands over what it hears with all CRCs, damaged frames included.

    `has_mode_c` and `hears_t_in_c` are what older and newer firmware can do, `buffer_size` how many bytes of a frame
    fit into a line (stock firmware: some 110), `faults` what goes wrong on its line; it may be changed at any time.
    """

    KIND: ClassVar[str] = "cul"
    BAUD: ClassVar[int] = 38400

    def __init__(
        self,
        *,
        seed: int = 0,
        banner: str = BANNER,
        has_mode_c: bool = True,
        hears_t_in_c: bool = False,
        buffer_size: int | None = None,
        faults: LineFaults = NO_FAULTS,
    ) -> None:
        self.counters = CulCounters()
        self.mode = ""
        self.report = 0
        self.faults = faults
        self._banner = banner
        self._letters = {letter for letter in LETTERS.values() if has_mode_c or letter != LETTERS["c1"]}
        self._heard = dict(HEARD)
        if hears_t_in_c:
            self._heard["c"] |= HEARD["t"]
        self._buffer_size = buffer_size
        self._rng = random.Random(f"{seed}/cul")
        self._lines = LineStream()
        self._line = SerialLine(self.BAUD)
        self._deaf_until_s = 0.0

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        for line in self._lines.feed(data):
            self.counters.commands += 1
            answer = self._answer(line, now_s)
            if answer:
                self._say(answer, now_s + LATENCY_S)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the radio is in its mode."""
        if transmission.lora is not None or not self.mode:
            return
        if transmission.mode not in self._heard[self.mode]:
            self.counters.wrong_mode += 1
            return
        data = self._taken(transmission)
        if now_s < self._deaf_until_s or not self.report & REPORT or not data:
            return
        self.counters.heard += 1
        telegram = CulTelegram(data, transmission.frame_format)
        if self.report & APPEND_SIGNAL:
            telegram = CulTelegram(data, transmission.frame_format, LQI, rssi_raw(transmission.rssi_dbm))
        text = telegram.to_text()
        if self._buffer_size is not None and len(data) > self._buffer_size:
            self.counters.cut += 1
            text = text[: len(MARK) + 2 * self._buffer_size]
        self._say(text, now_s)

    def due(self, now_s: float) -> list[bytes]:
        """Return the pieces of lines whose last bit is out by now."""
        return self._line.due(now_s)

    def power_cycle(self) -> None:
        """Forget mode and settings; the stick says nothing of it."""
        self.mode, self.report = "", 0
        self._line.clear()
        self._lines = LineStream()

    @property
    def next_due_s(self) -> float | None:
        """When the next piece is out."""
        return self._line.next_due_s

    def _taken(self, transmission: Transmission) -> bytes:
        """What the radio takes off the air: as much as the L field says, the air's noise where the frame is over."""
        coded = transmission.coded
        if not transmission.damaged:
            return coded
        if coded[0] < MIN_LENGTH:
            return b""
        size = size_on_air(coded[0], transmission.frame_format)
        return coded[:size] + self._rng.randbytes(size - len(coded[:size]))

    def _answer(self, line: str, now_s: float) -> str:
        if line == VERSION:
            return self._banner
        if line.startswith("br") and len(line) == 3:
            self.mode = line[2] if line[2] in self._letters else ""
            self._deaf_until_s = now_s + LATENCY_S + self.faults.slow_s + SETTLE_S
            return confirmation(self.mode) if self.mode else OFF
        if line.startswith("X") and len(line) == 3 and all(digit in "0123456789ABCDEFabcdef" for digit in line[1:]):
            self.report = int(line[1:], 16)
            return ""
        return f"? ({line[:20]} is unknown) Use one of {COMMANDS}"

    def _say(self, line: str, at_s: float) -> None:
        if self._rng.random() < self.faults.bad_checksum:
            line = self._with_wrong_digit(line)
        # What the others take for a checksum is the end of the line here.
        faults = replace(self.faults, bad_checksum=0.0)
        faults.write(to_line(line), self._line, at_s, self._rng)

    def _with_wrong_digit(self, line: str) -> str:
        """A telegram with another digit where its last CRC stands; any other line as it is."""
        if not line.startswith(MARK) or not self.report & APPEND_SIGNAL:
            return line
        place = len(line) - 2 * SIGNAL_SIZE - 1
        return f"{line[:place]}{int(line[place], 16) ^ 1:X}{line[place + 1 :]}"


class RecentCulStick(CulStick):
    """One with newer firmware, which in mode C hears T1 as well; its version line is that of a-culfw."""

    KIND: ClassVar[str] = "cul-recent"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed, banner=RECENT_BANNER, hears_t_in_c=True)


class OldCulStick(CulStick):
    """One whose firmware has no mode C, and cuts telegrams of more than 110 bytes."""

    KIND: ClassVar[str] = "cul-old"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed, banner=OLD_BANNER, has_mode_c=False, buffer_size=STOCK_BUFFER)
