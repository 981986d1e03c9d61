"""The way of one wired frame: single character, short, control or long, then transport and application (EN 13757-2)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.decoding import Decoding
from protocols.mbus.fixed import CI_LSB_FIRST, CI_MSB_FIRST, FIXED_LENGTH, FixedData, parse_fixed
from protocols.mbus.wired import (
    ACKNOWLEDGE,
    LONG_OVERHEAD,
    LONG_START,
    SHORT_LENGTH,
    SHORT_START,
    STOP,
    Acknowledge,
    LongFrame,
    WiredFrame,
    checksum,
    control_words,
    parse_wired,
)
from protocols.model import Address, Rung, Security, Span, Status
from protocols.plural import counted
from protocols.wmbus.decoder import decode_layers
from protocols.wmbus.link import HEADER_SIZE, tile
from protocols.wmbus.transport import status_flags

BODY_START = 4
"""Offset of the C field behind start, L, L, start."""

CI_OFFSET = 6
FOOTER_SIZE = 2


def is_wired(data: bytes) -> bool:
    """Whether the bytes are shaped as a wired frame: E5 alone, `10 .. 16` of five bytes, or `68 L L 68`.

    Of a long frame that is all there, one byte of its start may be damaged; bytes may follow a good short frame.
    """
    if data[:1] == bytes((ACKNOWLEDGE,)):
        return len(data) == 1
    if data[:1] == bytes((SHORT_START,)):
        return data[SHORT_LENGTH - 1 : SHORT_LENGTH] == bytes((STOP,)) and (
            len(data) == SHORT_LENGTH or (len(data) < HEADER_SIZE and checksum(data[1:3]) == data[3])
        )
    if len(data) < BODY_START or data[0] != LONG_START:
        return False
    agree = (data[1] == data[2], data[3] == LONG_START)
    return all(agree) or (any(agree) and data[-1] == STOP and len(data) - LONG_OVERHEAD in (data[1], data[2]))


@dataclass(frozen=True, slots=True)
class WiredLink:
    """Start bytes, lengths, C and A field; for a short frame also checksum and stop byte."""

    frame: WiredFrame
    end: int
    start: int = 0
    name: str = "link"

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """The fields of the frame's kind."""
        clause = "EN 13757-2, 5.4"
        if isinstance(self.frame, Acknowledge):
            return tile(self.name, 0, ((1, "E5", "acknowledge", clause),))
        fields: list[tuple[int, str, str, str]] = [
            (1, "C", control_words(self.frame.control), "EN 13757-2, 5.7.4"),
            (1, "A", f"primary address {self.frame.address}", "EN 13757-2, 5.7.5"),
        ]
        if not isinstance(self.frame, LongFrame):
            return tile(self.name, 0, ((1, "start", "short frame", clause), *fields, *_FOOTER))
        head = (
            (1, "start", "long frame", clause),
            (1, "L", f"{plain[1]} bytes from C on", clause),
            (1, "L", "the same again", clause),
            (1, "start", "the same again", clause),
        )
        return tile(self.name, 0, (*head, *fields))


_FOOTER = (
    (1, "checksum", "sum of the bytes from C on", "EN 13757-2, 5.4"),
    (1, "stop", "end of frame", "EN 13757-2, 5.4"),
)


@dataclass(frozen=True, slots=True)
class WiredFooter:
    """Checksum and stop byte of a long frame."""

    start: int
    end: int
    name: str = "link"

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """The two bytes."""
        return tile(self.name, self.start, _FOOTER)


@dataclass(frozen=True, slots=True)
class FixedLayer:
    """CI field and the fixed data structure of old meters behind it."""

    ci: int
    fixed: FixedData
    start: int
    end: int
    name: str = "application"

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """CI field and the sixteen bytes."""
        ci = Span(self.start, self.start + 1, self.name, "CI", "fixed data structure", "EN 1434-3")
        return (ci, *self.fixed.spans())


def decode_wired(decoding: Decoding) -> None:
    """Walk the layers of a wired frame; bytes behind it are a trailer."""
    data = decoding.frame.data
    frame = parse_wired(data)
    decoding.data = decoding.plain = data
    decoding.ladder.passed(Rung.FRAME, "wired frame, checksum fits")
    if len(data) > frame.length:
        decoding.notes.append(f"{counted(len(data) - frame.length, 'byte')} after the frame ignored")
    if not isinstance(frame, LongFrame):
        decoding.size = frame.length
        decoding.message = "ACK" if isinstance(frame, Acknowledge) else control_words(frame.control)
        decoding.layers.append(WiredLink(frame, frame.length))
        for rung in (Rung.ADDRESS, Rung.KEY, Rung.DECRYPTION, Rung.RECORDS):
            decoding.ladder.passed(rung, "none in this kind of frame")
        if not isinstance(frame, Acknowledge):
            decoding.ladder.passed(Rung.ADDRESS, f"primary address {frame.address}")
        return
    decoding.message = control_words(frame.control)
    decoding.size = frame.length - FOOTER_SIZE
    decoding.footers.append(WiredFooter(decoding.size, frame.length))
    decoding.layers.append(WiredLink(frame, CI_OFFSET))
    decoding.ladder.passed(Rung.ADDRESS, f"primary address {frame.address}")
    if frame.ci == CI_MSB_FIRST or (frame.ci == CI_LSB_FIRST and len(frame.data) == FIXED_LENGTH):
        _fixed(decoding, frame.ci)
    else:
        decode_layers(decoding)


def _fixed(decoding: Decoding, ci: int) -> None:
    start = CI_OFFSET + 1
    fixed = parse_fixed(decoding.plain, start, decoding.size, msb_first=ci == CI_MSB_FIRST)
    decoding.layers.append(FixedLayer(ci, fixed, CI_OFFSET, start + FIXED_LENGTH))
    decoding.records = fixed.records
    decoding.status = Status(fixed.status, status_flags(fixed.status & 0x3F))
    decoding.security = Security(mode=None, name="none", access_number=fixed.access_number)
    # The structure names neither manufacturer nor version: both stay 0.
    decoding.meter = Address(0, fixed.number, 0, fixed.medium_code)
    decoding.ladder.passed(Rung.ADDRESS, f"number {fixed.number}, {decoding.meter.medium}, no manufacturer")
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, "payload is not encrypted")
    decoding.ladder.passed(Rung.RECORDS, "fixed data structure: 2 counters")
