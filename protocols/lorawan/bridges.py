"""Messages that a bridge sends in several uplinks: pieces put together by part number and frame counter.

The state is a value that is handed in and out; it belongs to one device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from protocols.errors import BadField, ProtocolError, Truncated, Unsupported
from protocols.lorawan.meters.model import Encoding
from protocols.lorawan.payloads.numbers import unix_time
from protocols.model import Address
from protocols.plural import counted

MAX_MESSAGE = 4096
"""Longest message put together; a wired or wireless frame has at most 261 bytes."""

CLOCK_SIZE = 5
FIRST, LAST = 0x01, 0x02
"""Bits of the first byte on ports 101 and 102 of a Lobaro bridge."""

LOBARO_TIMED, LOBARO_TIMED_RSSI = 101, 102
LOBARO_PARTS = range(11, 100)
"""Port 10 x part + parts."""

SEGMENT_LAST = 0x80
FULL_COUNTER = 0x100000000


@dataclass(frozen=True, slots=True)
class Pieces:
    """The beginning of a message: what came so far, and what has to come next."""

    data: bytes
    next_part: int
    total: int | None = None
    fcnt: int | None = None
    clock: datetime | None = None
    rssi_dbm: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class PayloadState:
    """What a device's payloads taught that later ones need; kept by the caller, one for each device.

    `address` is the meter's, from its last message with a long header. `pieces` are those of a message under way.
    `ended` is the frame counter of the last piece of the last message that was put together: it may be sent again.
    """

    address: Address | None = None
    pieces: Pieces | None = field(default=None, repr=False)
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One uplink of a bridge, taken apart: `header` bytes stand before the message's own.

    `part` counts from 1; `total` is None where only the last piece says that it is the last.
    """

    part: int | None
    total: int | None
    first: bool
    last: bool
    header: int
    clock: datetime | None = None
    rssi_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """What became of a piece: the whole message once it is there, else the pieces so far."""

    piece: Piece
    pieces: Pieces | None
    message: bytes | None
    clock: datetime | None = None
    rssi_dbm: int | None = None
    count: int = 1
    problem: ProtocolError | None = None


def take_apart(encoding: Encoding, payload: bytes, fport: int | None) -> Piece:
    """Read what a bridge says of a piece; raises `ProtocolError` where it is none."""
    if encoding is Encoding.WIRED_PARTS:
        return _wired_part(payload)
    if encoding is Encoding.TELEGRAM_SEGMENTS:
        return _segment(payload)
    return _lobaro_part(payload, fport)


def _wired_part(payload: bytes) -> Piece:
    _need(payload, 3)
    part, total = payload[0], payload[1]
    if not 1 <= part <= total:
        raise BadField(f"part {part} of {total}", layer="records", offset=0)
    return Piece(part, total, part == 1, part == total, 2)


def _segment(payload: bytes) -> Piece:
    _need(payload, 2)
    number = payload[0] & ~SEGMENT_LAST
    return Piece(number + 1, None, number == 0, bool(payload[0] & SEGMENT_LAST), 1)


def _lobaro_part(payload: bytes, fport: int | None) -> Piece:
    if fport in (LOBARO_TIMED, LOBARO_TIMED_RSSI):
        return _lobaro_timed(payload, with_rssi=fport == LOBARO_TIMED_RSSI)
    if fport is not None and fport in LOBARO_PARTS:
        part, total = divmod(fport, 10)
        if 1 <= part <= total:
            _need(payload, 1)
            return Piece(part, total, part == 1, part == total, 0)
    raise Unsupported(f"FPort {fport} of this bridge carries no telegrams", layer="records", offset=0)


def _lobaro_timed(payload: bytes, *, with_rssi: bool) -> Piece:
    _need(payload, 2)
    first, last = bool(payload[0] & FIRST), bool(payload[0] & LAST)
    if not first:
        return Piece(None, None, first, last, 1)
    header = 1 + CLOCK_SIZE + with_rssi
    _need(payload, header + 1)
    clock = unix_time(int.from_bytes(payload[1 : 1 + CLOCK_SIZE], "big"))
    return Piece(1, None, first, last, header, clock, -payload[header - 1] if with_rssi else None)


def _need(payload: bytes, size: int) -> None:
    if len(payload) < size:
        raise Truncated(
            f"a piece of {counted(len(payload), 'byte')}, {size} are needed", layer="records", offset=len(payload)
        )


def add_piece(pieces: Pieces | None, piece: Piece, payload: bytes, fcnt: int | None) -> Assembled:
    """Put a piece behind those before it; never raises."""
    content = payload[piece.header :]
    if piece.first:
        pieces = None
    elif pieces is None:
        return _lost(piece, f"{_words(piece)} came without the ones before it")
    elif fcnt is not None and fcnt == pieces.fcnt and pieces.data.endswith(content):
        # Sent again, or heard by two receivers.
        return Assembled(piece, pieces, None, pieces.clock, pieces.rssi_dbm, pieces.count)
    elif piece.part is not None and piece.part != pieces.next_part:
        return _lost(piece, f"{_words(piece)} came where part {pieces.next_part} is due")
    elif pieces.total != piece.total:
        return _lost(piece, f"{_words(piece)} does not belong to a message of {pieces.total} parts")
    elif pieces.fcnt is not None and fcnt is not None and fcnt != (pieces.fcnt + 1) % FULL_COUNTER:
        return _lost(piece, f"uplinks between {pieces.fcnt} and {fcnt} were not received")
    data = content if pieces is None else pieces.data + content
    clock = piece.clock if pieces is None else pieces.clock
    rssi_dbm = piece.rssi_dbm if pieces is None else pieces.rssi_dbm
    count = 1 if pieces is None else pieces.count + 1
    if len(data) > MAX_MESSAGE:
        return _lost(piece, f"more than {MAX_MESSAGE} bytes")
    if piece.last:
        return Assembled(piece, None, data, clock, rssi_dbm, count)
    kept = Pieces(data, count + 1, piece.total, fcnt, clock, rssi_dbm, count)
    return Assembled(piece, kept, None, clock, rssi_dbm, count)


def _lost(piece: Piece, why: str) -> Assembled:
    problem = BadField(f"the message is lost: {why}", layer="records", offset=0)
    return Assembled(piece, None, None, problem=problem)


def _words(piece: Piece) -> str:
    if piece.part is None:
        return "a later part"
    return f"part {piece.part}" if piece.total is None else f"part {piece.part} of {piece.total}"


@dataclass(frozen=True, slots=True)
class Heard:
    """A telegram out of a message of several: when it was heard, and where it lies in the message."""

    at: datetime | None
    start: int
    end: int


ENTRY_HEADER = 5
C_FIELDS = (b"\x44", b"\x46", b"\x48")
"""Of telegrams that meters send by themselves: data, installation, access demand (EN 13757-4)."""

EARLIEST, LATEST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)


def timed_telegrams(message: bytes, received_at: datetime | None) -> tuple[Heard, ...]:
    """Telegrams that each stand behind a 32-bit clock and a length byte.

    The order of the clock's bytes is not published: the one that gives the likelier time is taken. Nor is whether
    the length byte is the telegram's own: it is where none follows. Raises `Truncated` where a telegram ends behind
    the message.
    """
    found: list[Heard] = []
    position = 0
    while position < len(message):
        start = position + ENTRY_HEADER
        if start > len(message) or start + message[start - 1] > len(message):
            raise Truncated("the message ends inside a telegram", layer="records", offset=len(message))
        end = start + message[start - 1]
        if end == start:
            raise BadField("an empty telegram", layer="records", offset=position)
        first = start if _begins(message[start:end]) or not _begins(message[start - 1 : end]) else start - 1
        found.append(Heard(_likelier(message[position : position + 4], received_at), first, end))
        position = end
    return tuple(found)


def _begins(telegram: bytes) -> bool:
    """Whether these bytes begin with their own length and the C field of a meter's telegram."""
    return telegram[0] == len(telegram) - 1 and telegram[1:2] in C_FIELDS


def _likelier(clock: bytes, received_at: datetime | None) -> datetime | None:
    both = (unix_time(int.from_bytes(clock, "little")), unix_time(int.from_bytes(clock, "big")))
    moments = [moment for moment in both if moment is not None and EARLIEST <= moment <= LATEST]
    if received_at is not None:
        moments.sort(key=lambda moment: abs(moment - received_at))
    return moments[0] if moments else None
