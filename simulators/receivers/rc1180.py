"""A simulated Radiocrafts RC1180-MBUS: its configuration, its memory, and what it hears in one mode.

Not simulated: sending (a telegram to be sent is taken and goes nowhere), mailboxes, binding, decryption, sleep, and
other serial speeds. What the module says to a command or a mode that it does not have is not documented: here nothing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.receivers.rc1180.settings import (
    ENTER,
    HEARD_MODES,
    LEAVE,
    MEMORY_SIZE,
    PROMPT,
    READ_MEMORY,
    SET_MODE,
    Layout,
    Memory,
    Setting,
    rssi_raw,
)
from protocols.receivers.rc1180.stream import with_layout
from simulators.air import Transmission, good_frame
from simulators.receivers.line_faults import NO_FAULTS, LineFaults
from simulators.receivers.serial_line import SerialLine

LONGEST_TO_SEND: Final = 0xF6
"""Length bytes above are short commands without anything behind them."""

STALE_S: Final = 2.0
"""A telegram to be sent, or a command, that stood still for so long is forgotten."""

SETTLE_S: Final = 1.0
"""Telegrams wait for so long after the configuration: a client that opens the port twice does not expect them."""

MAX_WAITING: Final = 64
WRITE_MEMORY: Final = b"M"
END_OF_WRITE: Final = 0xFF
FACTORY_DEFAULTS: Final = b"@RC"
ARGUMENTS: Final[dict[bytes, int]] = {SET_MODE: 1, b"Y": 1, b"C": 1, b"P": 1, b"T": 1, b"F": 1, b"@": 2}
"""Bytes behind a command, where there are any; behind `M` there are pairs."""

QUERIES: Final[dict[bytes, int]] = {b"S": 0x8C, b"Q": 0x40}
"""Commands that are answered with one byte."""


def memory(settings: dict[int, int] | None = None) -> Memory:
    """Return the settings of a module that listens as a master in T1, with these in place of its own."""
    data = bytearray(MEMORY_SIZE)
    data[Setting.MODE] = 0x01
    data[Setting.TIMEOUT] = 0x7C
    data[Setting.ROLE] = 1
    data[Setting.MANUFACTURER : Setting.MANUFACTURER + 2] = bytes.fromhex("0CAE")
    data[Setting.ID : Setting.ID + 4] = bytes.fromhex("12345678")
    data[Setting.BAUD] = 5
    data[Setting.FILTER] = 2
    for address, value in (settings or {}).items():
        data[address] = value
    return Memory(bytes(data))


@dataclass(slots=True)
class Rc1180Counters:
    """What has happened so far; `flash_writes` wear the module out."""

    commands: int = 0
    unknown: int = 0
    flash_writes: int = 0
    to_send: int = 0
    heard: int = 0
    wrong_mode: int = 0
    crc_errors: int = 0
    too_long: int = 0
    overflowed: int = 0
    sent: int = 0


class Rc1180Stick:
    """Answers the configuration commands and hands over what it hears in its mode, in the time that 19200 baud take.

    Telegrams wait until the host has left the configuration, and a while longer; with `speaks_unasked` they come from
    the start on, as with a real module. Frames whose CRC fails are dropped. `modes` are those that it has; with
    `prompts_again` it answers also to a request to enter the configuration that it is in. Settings are kept when the
    power goes, and hold from the next start on.
    """

    KIND: ClassVar[str] = "rc1180"
    BAUD: ClassVar[int] = 19200

    def __init__(
        self,
        *,
        seed: int = 0,
        settings: Memory | None = None,
        modes: frozenset[int] = frozenset(HEARD_MODES),
        prompts_again: bool = True,
        speaks_unasked: bool = False,
        latency_s: float = 0.01,
        settle_s: float = SETTLE_S,
        faults: LineFaults = NO_FAULTS,
    ) -> None:
        self.faults = faults
        self.counters = Rc1180Counters()
        self.memory = settings or memory()
        self._works = self.memory
        self._stored = bytearray(self.memory.data)
        self._modes = modes
        self._prompts_again = prompts_again
        self._speaks_unasked = speaks_unasked
        self._latency_s = latency_s
        self._settle_s = settle_s
        self._rng = random.Random(f"{seed}/rc1180")
        self._line = SerialLine(self.BAUD)
        self._telegrams: deque[bytes] = deque()
        self._received_s = 0.0
        self._command = bytearray()
        self._to_send = 0
        self.configuring = False
        self._commands: dict[bytes, Callable[[bytes], bytes | None]] = {
            READ_MEMORY: lambda _: bytes(self._stored),
            SET_MODE: self._set_mode,
            b"Y": lambda arguments: bytes(self._stored[arguments[0] : arguments[0] + 1]),
            b"@": self._factory_defaults,
        }
        self._restart()

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        if now_s - self._received_s >= STALE_S:
            self._command.clear()
            self._to_send = 0
        self._received_s = now_s
        for byte in data:
            if self.configuring:
                self._configure(byte, now_s)
            elif self._to_send:
                self._to_send -= 1
                self.counters.to_send += not self._to_send
            elif byte == ENTER[0]:
                self.configuring = True
                self._say(PROMPT, now_s)
            elif byte <= LONGEST_TO_SEND:
                self._to_send = byte

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the mode hears it and telegrams are wanted."""
        if transmission.mode not in HEARD_MODES.get(self.mode, frozenset()):
            self.counters.wrong_mode += 1
            return
        if self.configuring or self._quiet_until_s is None:
            return
        frame = good_frame(transmission)
        if frame is None:
            self.counters.crc_errors += 1
            return
        try:
            piece = with_layout(frame, self.memory.layout or Layout(), rssi_raw(transmission.rssi_dbm))
        except ValueError:
            self.counters.too_long += 1
            return
        self.counters.heard += 1
        if len(self._telegrams) >= MAX_WAITING:
            self._telegrams.popleft()
            self.counters.overflowed += 1
        self._telegrams.append(piece)

    def due(self, now_s: float) -> list[bytes]:
        """Return what is to be written by now; each piece is whole at the time of its last bit."""
        pieces = self._line.due(now_s)
        speaks = not self.configuring and self._quiet_until_s is not None and now_s >= self._quiet_until_s
        if self._telegrams and self._line.next_due_s is None and speaks:
            self.counters.sent += 1
            self._write(self._telegrams.popleft(), now_s)
        return pieces

    def power_cycle(self) -> None:
        """Start anew from the settings in flash."""
        self._line.clear()
        self._restart()

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something to do, None when nothing waits."""
        if self._line.next_due_s is None and self._telegrams and not self.configuring:
            return self._quiet_until_s
        return self._line.next_due_s

    def _restart(self) -> None:
        """Forget everything that is not in flash; the host has to set the mode again."""
        self.memory = Memory(bytes(self._stored))
        self.mode = self.memory.mode
        self.configuring = False
        self._command.clear()
        self._to_send = 0
        self._quiet_until_s = 0.0 if self._speaks_unasked else None
        self._telegrams.clear()

    def _configure(self, byte: int, now_s: float) -> None:
        """Take one byte in the configuration."""
        self._command.append(byte)
        command, arguments = bytes(self._command[:1]), bytes(self._command[1:])
        if command == WRITE_MEMORY:
            if len(arguments) % 2 and byte == END_OF_WRITE:
                self._command.clear()
                self._write_memory(arguments[:-1])
                self._say(PROMPT, now_s)
            return
        if len(arguments) < ARGUMENTS.get(command, 0):
            return
        self._command.clear()
        self.counters.commands += 1
        if command == LEAVE:
            self.configuring = False
            if not self._speaks_unasked:
                self._quiet_until_s = now_s + self._settle_s
        elif command == ENTER:
            if self._prompts_again:
                self._say(PROMPT, now_s)
        else:
            answer = self._answer(command, arguments)
            if answer is None:
                self.counters.unknown += 1
            else:
                self._say(answer + PROMPT, now_s)

    def _answer(self, command: bytes, arguments: bytes) -> bytes | None:
        if command in self._commands:
            return self._commands[command](arguments)
        if command in QUERIES:
            return bytes((QUERIES[command],))
        return b"" if command in ARGUMENTS else None

    def _set_mode(self, arguments: bytes) -> bytes | None:
        if arguments[0] not in self._modes:
            return None
        self.mode = arguments[0]
        return b""

    def _factory_defaults(self, arguments: bytes) -> bytes | None:
        if b"@" + arguments != FACTORY_DEFAULTS:
            return None
        self._stored[:] = self._works.data
        self.counters.flash_writes += 1
        return b""

    def _write_memory(self, pairs: bytes) -> None:
        self.counters.flash_writes += 1
        for address, value in zip(pairs[::2], pairs[1::2], strict=True):
            self._stored[address] = value

    def _say(self, answer: bytes, now_s: float) -> None:
        self._write(answer, now_s + self._latency_s)

    def _write(self, data: bytes, at_s: float) -> None:
        self.faults.write(data, self._line, at_s, self._rng)


class FramedRc1180Stick(Rc1180Stick):
    """One that was set to hand over telegrams with strength, CRC, start and stop byte."""

    KIND: ClassVar[str] = "rc1180-framed"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed, settings=memory({Setting.RSSI: 1, Setting.DATA_INTERFACE: 0x0C}))
