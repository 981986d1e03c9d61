"""The master on a wired or optical line: one frame out, its answer back, within bounds (EN 13757-2).

Optical heads (EN 13757-6) use the same frames; their meters sleep, and are woken by a run of 55 at 8N1 before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from fieldtool.actions.errors import LinkLost, LinkSilent
from fieldtool.sources.serial_port import PARITY_EVEN, PARITY_NONE, SerialPort, lost_hint
from protocols.mbus.wired import (
    LARGEST_L,
    LONG_OVERHEAD,
    PRIMARY_BIT,
    Acknowledge,
    LongFrame,
    ShortFrame,
    WiredFrame,
    take_frame,
)

BITS_PER_BYTE: Final = 11
ANSWER_BITS: Final = 330
ANSWER_PAUSE_S: Final = 0.05
"""A slave begins to answer within 330 bit times and 50 ms (EN 13757-2, 5.7.1)."""
LATENCY_S: Final = 0.5
"""What USB, a network and a busy computer may add to that."""
GAP_S: Final = 0.3
"""Silence in the middle of an answer that ends it."""
ATTEMPTS: Final = 3
"""A frame is sent, and repeated twice (EN 13757-2, 5.5.4)."""

WAKE_BYTE: Final = 0x55
WAKE_S: Final = 2.2
WAKE_PAUSE_S: Final = 0.2
WAKE_BITS: Final = 10
WAKE_CHUNK: Final = 64
AWAKE_S: Final = 3.0
"""A meter stays awake for about four seconds after the last exchange."""

CHECK_LINE: Final = "check the cable or the head, the baud rate and the number; nothing else may use the line"

Answer = TypeVar("Answer", Acknowledge, LongFrame)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Speed of a line, whether the meter has to be woken, and how long to wait for the first byte of an answer."""

    baud: int = 2400
    wakes: bool = False
    answer_s: float | None = None

    @property
    def first_byte_s(self) -> float:
        """How long the first byte of an answer may take."""
        return self.answer_s or ANSWER_BITS / self.baud + ANSWER_PAUSE_S + LATENCY_S

    def bytes_s(self, count: int) -> float:
        """How long so many bytes take on the line."""
        return count * BITS_PER_BYTE / self.baud


class WiredMaster:
    """Sends frames over a port and waits for what answers them; used by one thread."""

    def __init__(
        self,
        port: SerialPort,
        settings: LineSettings,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._port = port
        self._settings = settings
        self._monotonic = monotonic
        self._pause = pause
        self._awake_until = float("-inf")

    @property
    def target(self) -> str:
        """The port's name."""
        return self._port.target

    def ask(self, frame: ShortFrame | LongFrame, kind: type[Answer], attempts: int = ATTEMPTS) -> Answer | None:
        """Send a frame, again while nothing answers it, and return the answer; None when there was none.

        A repetition is the same frame with the same frame count bit. Raises `LinkLost`.
        """
        sent = frame.to_bytes()
        for _ in range(attempts):
            try:
                self._wake()
                self._port.discard_input()
                self._port.write(sent)
                answer = self._receive(sent, kind)
            except OSError as error:
                raise self._lost(error) from error
            if answer is not None:
                self._awake_until = self._monotonic() + AWAKE_S
                return answer
            self._awake_until = float("-inf")
        return None

    def require(self, frame: ShortFrame | LongFrame, kind: type[Answer], what: str) -> Answer:
        """The same; `LinkSilent` when nothing answers."""
        answer = self.ask(frame, kind)
        if answer is None:
            raise LinkSilent(f"{self.target}: {what} does not answer ({ATTEMPTS} attempts)", CHECK_LINE)
        return answer

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def _receive(self, sent: bytes, kind: type[Answer]) -> Answer | None:
        """Read until an answer of the kind is complete; an echo of what was sent is passed over."""
        settings = self._settings
        start = self._monotonic()
        silent_at = start + settings.bytes_s(len(sent)) + settings.first_byte_s
        longest = settings.bytes_s(2 * (LARGEST_L + LONG_OVERHEAD)) + GAP_S
        last = silent_at + longest
        buffer, echo = bytearray(), sent
        while self._monotonic() < min(silent_at, last):
            data = self._port.read()
            if not data:
                continue
            silent_at = max(silent_at, self._monotonic() + GAP_S)
            buffer += data
            if self._settings.wakes:
                _strip_wake_bytes(buffer)
            if echo:
                if len(buffer) < len(echo) and echo.startswith(buffer):
                    continue
                if buffer.startswith(echo):
                    del buffer[: len(echo)]
                echo = b""
            answer = _answer_in(buffer, kind)
            if answer is not None:
                return answer
        return None

    def _wake(self) -> None:
        """Wake a sleeping meter: 55 at 8N1 for two seconds, a pause, and 8E1 from then on."""
        if not self._settings.wakes or self._monotonic() < self._awake_until:
            return
        self._port.set_parity(PARITY_NONE)
        count = int(self._settings.baud * WAKE_S / WAKE_BITS)
        started = self._monotonic()
        for position in range(0, count, WAKE_CHUNK):
            self._port.write(bytes((WAKE_BYTE,)) * min(WAKE_CHUNK, count - position))
        # A network or a pseudo terminal takes the bytes faster than a line: the meter's light stays on for as long.
        self._pause(max(0.0, started + WAKE_S - self._monotonic()) + WAKE_PAUSE_S)
        self._port.set_parity(PARITY_EVEN)

    def _lost(self, error: OSError) -> LinkLost:
        reason = error.strerror or "the other side is gone"
        return LinkLost(f"{self.target}: the connection was lost ({reason})", lost_hint(self.target))


def _strip_wake_bytes(buffer: bytearray) -> None:
    while buffer and buffer[0] == WAKE_BYTE:
        del buffer[0]


def _answer_in(buffer: bytearray, kind: type[Answer]) -> Answer | None:
    """Take the first answer of the kind out of what came; frames of other kinds and noise before it are dropped.

    The single character has no checksum: it counts only where no noise stands before it.
    """
    while buffer:
        frame, used = take_frame(bytes(buffer))
        if frame is None:
            return None
        clean = used == frame.length
        del buffer[:used]
        if isinstance(frame, kind) and not _is_of_a_master(frame) and (clean or kind is not Acknowledge):
            return frame
    return None


def _is_of_a_master(frame: WiredFrame) -> bool:
    return isinstance(frame, LongFrame) and bool(frame.control & PRIMARY_BIT)
