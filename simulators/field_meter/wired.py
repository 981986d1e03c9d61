"""The field meter as a wired slave (EN 13757-2), sans-IO: bytes and the time in, bytes to write out.

Under an optical head it sleeps until it sees a long run of 55, and the head echoes whatever is sent. Not simulated:
parity, other speeds than the one that it was set to, and REQ-UD1 (acknowledged, as by a meter without alarms to tell).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from protocols.actions.fragments import CI_TO_METER, WIRED_PAYLOAD
from protocols.mbus.wired import (
    ADDRESS_ALL_ANSWER,
    ADDRESS_BROADCAST,
    ADDRESS_SECONDARY,
    FCB,
    FCV,
    PRIMARY_BIT,
    REQ_UD1,
    REQ_UD2,
    RSP_UD,
    SND_NKE,
    SND_UD,
    Acknowledge,
    LongFrame,
    ShortFrame,
    WiredFrame,
    take_frame,
)
from simulators.field_meter.link_session import LinkSession
from simulators.field_meter.lock import MeterLock

CI_APPLICATION_SELECT: Final = 0x50
CI_SELECTION: Final = 0x52
CI_COMMAND: Final = 0x51
CI_APPLICATION_ERROR: Final = 0x70
UNIMPLEMENTED_CI: Final = 0x01
ACCESS_DENIED: Final = 0x10
"""Application errors (EN 13757-3; OMS Vol. 2)."""
APPLICATION_USER: Final = range(0x00, 0x90)
"""Applications that anybody may select; the ones from testing on need a proof."""

REPLY_DELAY_S: Final = 0.005
"""At least 11 bit times at 2400 baud and above, and never more than 330 of them and 50 ms (EN 13757-2)."""
FRAME_GAP_S: Final = 0.3
"""A pause in the middle of a frame that ends it: what was there is dropped."""
REPEAT_S: Final = 10.0
"""An answer that is asked for again is the same for so long; then its values are fresh."""
WAKE_BYTE: Final = 0x55
WAKE_LENGTH: Final = 120
AWAKE_S: Final = 4.0

_NIBBLE: Final = 0x0F
_SELECTION_LENGTH: Final = 8
_FABRICATION_RECORD: Final = bytes.fromhex("0C78")


class WiredMeter:
    """A lock on a wire: answers what is addressed to it, by primary or secondary address.

    Times are seconds of any monotonic clock, and `now` is the world's (aware UTC). Each piece of `due` is one write.
    `executed` counts the data frames that were no repeats.
    """

    def __init__(self, lock: MeterLock, *, optical: bool = False, reply_delay_s: float = REPLY_DELAY_S) -> None:
        self.lock = lock
        self.optical = optical
        self.executed = 0
        self._reply_delay_s = reply_delay_s
        self._session = LinkSession(lock)
        self._buffer = b""
        self._heard_s = 0.0
        self._waiting: list[tuple[float, bytes]] = []
        self._awake_until_s = float("-inf")
        self._wake_run = 0
        self._selected = False
        self._counts: dict[tuple[int, bool], tuple[int, LongFrame | None]] = {}
        self._answers = _Answers()

    def receive(self, data: bytes, now_s: float, now: datetime) -> None:
        """Take bytes from the master; raises `CableCut` where the lock's faults say so."""
        if self.optical:
            self._waiting.append((now_s, data))
            data = self._awake_part(data, now_s)
        if now_s - self._heard_s > FRAME_GAP_S:
            self._buffer = b""
        self._heard_s = now_s
        self._buffer += data
        while self._buffer:
            frame, used = take_frame(self._buffer)
            self._buffer = self._buffer[used:]
            if frame is None:
                return
            answer = self._answer(frame, now_s, now)
            if answer is not None:
                self._awake_until_s = now_s + AWAKE_S
                self._waiting.append((now_s + self._reply_delay_s, answer.to_bytes()))

    def due(self, now_s: float) -> list[bytes]:
        """Return what is to be written by now, in order."""
        ready = [data for at_s, data in self._waiting if at_s <= now_s]
        self._waiting = [one for one in self._waiting if one[0] > now_s]
        return ready

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something, None when nothing waits."""
        return min((at_s for at_s, _ in self._waiting), default=None)

    def power_cycle(self) -> None:
        """Forget whatever is not stored, as after pulling the plug."""
        self.lock.power_cycle()
        self._session.reset()
        self._buffer = b""
        self._waiting.clear()
        self._awake_until_s = float("-inf")
        self._forget()

    def _awake_part(self, data: bytes, now_s: float) -> bytes:
        """Return the bytes that the meter hears: none while it sleeps."""
        if now_s - self._heard_s > FRAME_GAP_S:
            self._wake_run = 0
        for position, byte in enumerate(data):
            if now_s <= self._awake_until_s:
                return data[position:]
            self._wake_run = self._wake_run + 1 if byte == WAKE_BYTE else 0
            if self._wake_run >= WAKE_LENGTH:
                self._wake_run = 0
                self._awake_until_s = now_s + AWAKE_S
        self._heard_s = now_s
        return b""

    def _answer(self, frame: WiredFrame, now_s: float, now: datetime) -> WiredFrame | None:
        if isinstance(frame, Acknowledge) or not frame.control & PRIMARY_BIT:
            return None
        if isinstance(frame, LongFrame) and frame.address == ADDRESS_SECONDARY and frame.ci == CI_SELECTION:
            return self._select(frame.data)
        if not self._is_meant(frame.address):
            return None
        obey = _BY_FUNCTION.get((type(frame), frame.control & ~(FCB | FCV)))
        answer = None if obey is None else obey(self, frame, now_s, now)
        return None if frame.address == ADDRESS_BROADCAST else answer

    def _is_meant(self, address: int) -> bool:
        if address == ADDRESS_SECONDARY:
            return self._selected
        return address in (self.lock.state.primary_address, ADDRESS_ALL_ANSWER, ADDRESS_BROADCAST)

    def _select(self, data: bytes) -> WiredFrame | None:
        """Compare a secondary address with this meter's; a wrong one ends an earlier selection without a word."""
        self._selected = self._fits(data)
        self._forget_counts()
        return Acknowledge() if self._selected else None

    def _fits(self, data: bytes) -> bool:
        own = self.lock.meter.address
        number, rest = own.number_wire, own.to_transport()[len(own.number_wire) :]
        if data[_SELECTION_LENGTH:]:
            # Enhanced selection: a fabrication number behind the address.
            record = data[_SELECTION_LENGTH:]
            if record[:2] != _FABRICATION_RECORD or len(record) != 6 or not _digits_fit(record[2:], number):
                return False
        if len(data) < _SELECTION_LENGTH or not _digits_fit(data[:4], number):
            return False
        manufacturer, version, medium = data[4:6], data[6], data[7]
        return manufacturer in (rest[:2], b"\xff\xff") and version in (rest[2], 0xFF) and medium in (rest[3], 0xFF)

    def _forget(self) -> None:
        self._selected = False
        self._forget_counts()

    def _forget_counts(self) -> None:
        self._counts.clear()
        self._answers = _Answers()

    def _is_repeat(self, frame: ShortFrame | LongFrame) -> bool:
        """Tell whether frame count and content are those of the last frame of its kind, and remember them."""
        kind = frame.control & ~(FCB | FCV), frame.address == ADDRESS_SECONDARY
        count = frame.control & FCB, frame if isinstance(frame, LongFrame) else None
        repeated = bool(frame.control & FCV) and self._counts.get(kind) == count
        self._counts[kind] = count
        return repeated

    def _reset(self, frame: ShortFrame | LongFrame, now_s: float, now: datetime) -> WiredFrame:
        self._forget()
        return Acknowledge()

    def _acknowledge(self, frame: ShortFrame | LongFrame, now_s: float, now: datetime) -> WiredFrame:
        return Acknowledge()

    def _take(self, frame: ShortFrame | LongFrame, now_s: float, now: datetime) -> WiredFrame | None:
        """Take data; a repeated frame is acknowledged again and changes nothing."""
        if not isinstance(frame, LongFrame):
            return None
        if self._is_repeat(frame):
            return Acknowledge()
        self.executed += 1
        # An answer to what is sent now is a new one, whatever the count of the request for it.
        self._counts.pop((REQ_UD2 & ~FCV, frame.address == ADDRESS_SECONDARY), None)
        if frame.ci == CI_TO_METER:
            self._session.receive(bytes((frame.ci,)) + frame.data, now)
            fragments = self._session.answers(WIRED_PAYLOAD)
            self._answers = _Answers(tuple(one.to_bytes() for one in fragments), is_message=True)
        elif frame.ci == CI_APPLICATION_SELECT and (not frame.data or frame.data[0] in APPLICATION_USER):
            self._answers = _Answers()
        else:
            guarded = frame.ci in (CI_COMMAND, CI_APPLICATION_SELECT)
            code = ACCESS_DENIED if guarded else UNIMPLEMENTED_CI
            self._answers = _Answers((bytes((CI_APPLICATION_ERROR, code)),))
        return Acknowledge()

    def _tell(self, frame: ShortFrame | LongFrame, now_s: float, now: datetime) -> WiredFrame | None:
        """Hand out the next part of the answer, or the same one again."""
        repeated = self._is_repeat(frame)
        answers = self._answers
        if answers.is_message and not answers.parts:
            return None
        if answers.told_s is None or not repeated:
            answers.index += answers.told_s is not None
            if answers.index >= len(answers.parts):
                answers = self._answers = _Answers(self.lock.read_out(now), is_read_out=True)
        elif answers.is_read_out and now_s - answers.told_s > REPEAT_S:
            answers.parts = self.lock.read_out(now)
        answers.told_s = now_s
        part = answers.parts[answers.index]
        return LongFrame(RSP_UD, self.lock.state.primary_address, part[0], part[1:])


class _Answers:
    """The parts of one answer, and which of them was told last; without parts a read-out is made when asked for."""

    def __init__(self, parts: tuple[bytes, ...] = (), *, is_message: bool = False, is_read_out: bool = False) -> None:
        self.parts = parts
        self.is_message = is_message
        self.is_read_out = is_read_out
        self.index = 0
        self.told_s: float | None = None


def _digits_fit(wanted: bytes, number: bytes) -> bool:
    """Compare BCD digits; a nibble F fits any."""
    for shift in (0, 4):
        for one, own in zip(wanted, number, strict=True):
            if (one >> shift) & _NIBBLE not in (_NIBBLE, (own >> shift) & _NIBBLE):
                return False
    return True


_Obey = Callable[[WiredMeter, ShortFrame | LongFrame, float, datetime], WiredFrame | None]
_BY_FUNCTION: Final[dict[tuple[type, int], _Obey]] = {
    (ShortFrame, SND_NKE): WiredMeter._reset,
    (ShortFrame, REQ_UD1 & ~FCV): WiredMeter._acknowledge,
    (ShortFrame, REQ_UD2 & ~FCV): WiredMeter._tell,
    (LongFrame, SND_UD & ~FCV): WiredMeter._take,
}
"""By kind of frame and C field without its count bits."""
