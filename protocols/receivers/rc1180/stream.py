"""What a module writes while it listens: telegrams, L field first, with what its settings put around and behind them.

`[68] L C M M .. [strength] [CRC CRC] [16]`; L counts strength and CRC too. Nothing else tells a telegram from noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from protocols.mbus.crc import crc16_en13757
from protocols.receivers.frame_buffer import FrameBuffer
from protocols.receivers.rc1180.settings import PROMPT, Layout, rssi_dbm
from protocols.receivers.telegram_head import HEAD_SIZE, HIDDEN_WITHIN, is_head, is_unasked
from protocols.wmbus.ci import CI_FIELDS
from protocols.wmbus.control import C_FIELDS, UNASKED
from protocols.wmbus.link import HEADER_SIZE, MIN_LENGTH

START: Final = 0x68
STOP: Final = 0x16
CRC_SIZE: Final = 2
MAX_SIZE: Final = 1 + 1 + 0xFF + 1
WEAK: Final = frozenset(control for control, name in C_FIELDS.items() if name in ("ACK", "NACK"))
"""C fields that are heard so seldom that noise is the better guess where something else begins inside."""


@dataclass(frozen=True, slots=True)
class Telegram:
    """A telegram, L field first and without CRCs, and its signal strength where the module tells it."""

    data: bytes
    rssi_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are no telegram, or a damaged one."""

    raw: bytes


StreamEvent: TypeAlias = Telegram | Noise


def with_layout(frame: bytes, layout: Layout, rssi_raw: int) -> bytes:
    """Return what a module writes of a telegram; `ValueError` when it is too long for the L field.

    Which CRC the module uses is not documented; here it is that of wireless M-Bus, over all that stands before it.
    """
    length = frame[0] + layout.rssi
    if frame[0] + layout.extra > 0xFF:
        raise ValueError(f"a telegram of {len(frame)} bytes leaves no room for what stands behind it")
    data = bytes((length,)) + frame[1:] + bytes((rssi_raw,)) * layout.rssi
    if layout.crc:
        data = bytes((length + CRC_SIZE,)) + data[1:] + crc16_en13757(data).to_bytes(CRC_SIZE, "big")
    return bytes((START,)) + data + bytes((STOP,)) if layout.marks else data


class TelegramStream:
    """Cuts a stream of bytes into telegrams; it finds its way back after noise and never holds more than one.

    The events depend on the bytes alone, not on the pieces in which they come. The CRC is checked from the first
    telegram on whose CRC is the one that is expected: another that a module may use cannot be told from damage.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._around = 1 if layout.marks else 0
        self._buffer = FrameBuffer(MAX_SIZE)
        self._checks_crc = False

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their telegram, or to be told of."""
        return len(self._buffer.data) + len(self._buffer.noise)

    def take_prompt(self) -> bool:
        """Say whether the prompt is what waits last, and drop it then; noise before it is told of later."""
        waiting = self._buffer.data or self._buffer.noise
        if not waiting.endswith(PROMPT) or len(self._buffer.data) > len(PROMPT):
            return False
        del waiting[-len(PROMPT) :]
        return True

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """Take bytes and yield what they complete, in order."""
        for start in range(0, len(data), MAX_SIZE):
            self._buffer.data += data[start : start + MAX_SIZE]
            yield from self._drain()

    def resync(self) -> Iterator[StreamEvent]:
        """Give up on the telegram that is pending, look for others behind its first byte, and tell of the noise."""
        while self._buffer.data:
            yield from map(Noise, self._buffer.drop())
            yield from self._drain()
        yield from map(Noise, self._buffer.flush())

    def _drain(self) -> Iterator[StreamEvent]:
        while self._buffer.data:
            size = self._candidate_size()
            if size is None or len(self._buffer.data) < size:
                return
            telegram = self._telegram(bytes(self._buffer.data[:size])) if size else None
            if telegram is None:
                yield from map(Noise, self._buffer.drop())
                continue
            yield from map(Noise, self._buffer.flush())
            self._buffer.take(size)
            yield telegram

    def _candidate_size(self) -> int | None:
        """Return the size of what the buffer may begin with; 0 for no telegram, None when more bytes must tell."""
        around, buffer = self._around, self._buffer.data
        if around and buffer[0] != START:
            return 0
        length = buffer[around] if len(buffer) > around else None
        if length is not None and length < MIN_LENGTH + self._layout.extra:
            return 0
        if len(buffer) > around + 1 and buffer[around + 1] not in C_FIELDS:
            return 0
        if length is None or len(buffer) < around + HEAD_SIZE:
            return None
        if not around and buffer[1] not in UNASKED and buffer[1] >= MIN_LENGTH:
            # The C field may be the L field of a telegram behind a stray byte, and then is the likelier one.
            if len(buffer) <= HEAD_SIZE:
                return None
            if is_unasked(buffer[1 : 1 + HEAD_SIZE]):
                return 0
        return 2 * around + 1 + length if is_head(buffer[around : around + HEAD_SIZE]) else 0

    def _telegram(self, raw: bytes) -> Telegram | None:
        """The telegram that these bytes are, None when they cannot be one."""
        if self._layout.marks:
            if raw[-1] != STOP:
                return None
            raw = raw[1:-1]
        elif _hides_telegram(raw):
            return None
        if self._layout.crc:
            whole = bytes((raw[0] - CRC_SIZE,)) + raw[1:-CRC_SIZE]
            fits = crc16_en13757(whole) == int.from_bytes(raw[-CRC_SIZE:], "big")
            self._checks_crc |= fits
            if self._checks_crc and not fits:
                return None
            raw = whole
        if self._layout.rssi:
            return Telegram(bytes((raw[0] - 1,)) + raw[1:-1], rssi_dbm(raw[-1]))
        return Telegram(raw)


def _hides_telegram(raw: bytes) -> bool:
    """Say whether what looked like a telegram is noise with another one soon behind its first byte."""
    ci_known = raw[HEADER_SIZE] in CI_FIELDS
    for start in range(1, min(len(raw), HIDDEN_WITHIN)):
        first = raw[start:]
        if not is_unasked(first):
            continue
        if not ci_known and len(first) > HEADER_SIZE and first[HEADER_SIZE] in CI_FIELDS:
            return True
        if raw[1] in WEAK and first[0] + 1 > len(first):
            return True
        if is_unasked(first[first[0] + 1 :]):
            return True
    return False
