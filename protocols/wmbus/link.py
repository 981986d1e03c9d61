"""Link layer: frame formats A, B and frames with stripped CRCs (EN 13757-4, 12)."""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int8ul, Struct

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.mbus.crc import crc16_en13757, ends_with_crc
from protocols.model import Address, FrameFormat, Span
from protocols.wmbus.control import C_MEANINGS, control_name

HEADER_SIZE = 10
"""L, C, M, A: block 1 of both frame formats without its CRC."""

MIN_LENGTH = 10
"""Smallest L field: C, M, A and a CI field."""

MAX_LENGTH = 255
"""Largest L field: it has one byte."""

CRC_SIZE = 2

MOST_APPENDED = 4
"""Bytes that receivers put behind a frame: signal strength, link quality, a time."""

BLOCK_A = 16
"""Data bytes of block 2 and following in frame format A."""

FIRST_OF_A = HEADER_SIZE + CRC_SIZE
SECOND_OF_A = FIRST_OF_A + BLOCK_A + CRC_SIZE
"""Where blocks 1 and 2 of frame format A end, with their CRCs."""

BLOCK_B = 128
"""Bytes of block 1 and 2 of frame format B, CRC included."""

LINK_HEADER = Struct(
    "length" / Int8ul,
    "control" / Int8ul,
    "address" / Bytes(8),
)


@dataclass(frozen=True, slots=True)
class LinkFrame:
    """A frame without its CRCs: `data` starts at the L field, and L counts the bytes that follow it.

    `trailing` are bytes after the frame; `missing` is how many bytes short of L the frame is. `problem` is the first
    block that does not verify: then `data` are the blocks before it, and `trailing` is everything from it on.
    """

    data: bytes
    format: FrameFormat
    trailing: bytes = b""
    missing: int = 0
    problem: ProtocolError | None = None


@dataclass(frozen=True, slots=True)
class LinkLayer:
    """L, C, M and A of the sender."""

    control: int
    address: Address
    length: int
    start: int = 0
    end: int = HEADER_SIZE
    name: str = "link"
    identity: Address | None = None

    @property
    def control_name(self) -> str:
        """The C field by name."""
        return control_name(self.control)

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """L, C, M, ID, version, device type."""
        address = self.address
        meter = self.identity or address
        order = "" if self.identity is None else ", in the maker's own order"
        c = control_name(plain[1])
        meaning = C_MEANINGS.get(c)
        unique = " (address only locally unique)" if address.manufacturer_code & 0x8000 else ""
        fields = (
            (1, "L", f"{plain[0]} bytes follow", "EN 13757-4, 12.5.1"),
            (1, "C", f"{c}: {meaning}" if meaning else c, "EN 13757-4, 12.5.2"),
            (2, "M", f"manufacturer {address.manufacturer}{unique}", "EN 13757-4, 12.5.3"),
            (6, "A", f"number {meter.number}, version {meter.version}, {meter.medium}{order}", "EN 13757-4, 12.5.4"),
        )
        return tile(self.name, self.start, fields)


def tile(layer: str, start: int, fields: tuple[tuple[int, str, str, str], ...]) -> tuple[Span, ...]:
    """Lay fields of (size, name, meaning, clause) one after the other from `start` on."""
    spans = []
    for size, name, meaning, clause in fields:
        spans.append(Span(start, start + size, layer, name, meaning, clause))
        start += size
    return tuple(spans)


def strip_crcs(raw: bytes, told: FrameFormat | None = None) -> LinkFrame:
    """Tell frame format A, format B and stripped frames apart by their CRCs and lengths, and remove the CRCs.

    Where the receiver has `told` the format, it is that one, and CRCs that do not fit are damage.

    A frame of which a later block is damaged or missing comes back with `problem` and what precedes it. Raises
    `BadChecksum` when the block with the address is damaged, its L field included,
    `Truncated` when there is not even a link header, `BadField` when L is too small for any frame.
    """
    if len(raw) < HEADER_SIZE:
        raise Truncated(f"frame ends inside the link header: {len(raw)} of {HEADER_SIZE} bytes", layer="link", offset=0)
    length = raw[0]
    if length < MIN_LENGTH - 1:
        raise BadField(f"L field is {length}; a frame has at least {MIN_LENGTH}", layer="link", offset=0)
    if told is not None:
        return _strip_told(raw, told)
    as_a = _check_a(raw)
    if as_a is not None:
        return _strip_a(raw, as_a)
    as_b = _check_b(raw)
    if as_b is not None:
        return _strip_b(raw, as_b)
    _refuse_damaged_block_1(raw)
    size = length + 1
    if len(raw) != size:
        _refuse_damaged_length(raw)
    return LinkFrame(raw[:size], FrameFormat.STRIPPED, raw[size:], max(0, size - len(raw)))


def _strip_told(raw: bytes, told: FrameFormat) -> LinkFrame:
    """Remove the CRCs of a frame whose format is known; a whole link header is there."""
    size = raw[0] + 1
    if told is FrameFormat.STRIPPED:
        return LinkFrame(raw[:size], told, raw[size:], max(0, size - len(raw)))
    if told is FrameFormat.A:
        return _strip_a(raw, [_crc_fits(raw, start, size) for start, size in blocks_a(raw[0])])
    if not _is_size_of_b(size):
        raise BadField(f"L field is {raw[0]}, which no frame of format B has", layer="link", offset=0)
    first = _crc_fits(raw, 0, min(size, BLOCK_B) - CRC_SIZE)
    if len(raw) >= size:
        return _strip_b(raw, (first, size <= BLOCK_B or _crc_fits(raw, BLOCK_B, size - BLOCK_B - CRC_SIZE)))
    problem = Truncated(f"format B frame is cut: {len(raw)} of {size} bytes", layer="link", offset=len(raw))
    if not first:
        raise problem
    length = size - 1 - 2 * CRC_SIZE
    data = bytes((length,)) + raw[1 : BLOCK_B - CRC_SIZE]
    return LinkFrame(data, told, raw[BLOCK_B:], length + 1 - len(data), problem)


def may_lack_crcs(raw: bytes) -> bool:
    """Whether bytes that are taken for format B may as well be a frame of which a receiver took the CRCs out.

    Both are as long as L says, and of the last bytes of the latter one pair in 65,536 is the CRC that format B has
    there. Which of the two it is shows only when it is decoded. Where one of two CRCs fits it is not asked: that is a
    damaged frame of format B, which without its CRCs might decode with the damage in a value. One longer frame in
    some 32,000 that has none looks so, and is called damaged for it.
    """
    fits = _check_b(raw) if raw and len(raw) == raw[0] + 1 else None
    return fits is not None and all(fits)


def has_crc_of_b(raw: bytes) -> bool:
    """Whether a frame that is as long as L says has a CRC that fits where format B has one; quick to say no."""
    if not raw or len(raw) != raw[0] + 1 or not _is_size_of_b(len(raw)):
        return False
    return ends_with_crc(raw[:BLOCK_B]) or (len(raw) > BLOCK_B and ends_with_crc(raw[BLOCK_B:]))


def parse_link(data: bytes) -> LinkLayer:
    """Read the link header of a frame without CRCs; `data` has at least 10 bytes."""
    header = LINK_HEADER.parse(data[:HEADER_SIZE])
    return LinkLayer(header.control, Address.from_wire(header.address), header.length)


def size_on_air(length: int, frame_format: FrameFormat) -> int:
    """Return how many bytes a frame with this L field has with its CRCs; only in format A L does not count them."""
    size = length + 1
    return size + CRC_SIZE * (1 + -(-(size - HEADER_SIZE) // BLOCK_A)) if frame_format is FrameFormat.A else size


def blocks_a(length: int) -> list[tuple[int, int]]:
    """Return start and size of the data of each block of a format A frame on the air, CRCs between them."""
    blocks = [(0, HEADER_SIZE)]
    position, left = HEADER_SIZE + 2, length + 1 - HEADER_SIZE
    while left > 0:
        size = min(BLOCK_A, left)
        blocks.append((position, size))
        position += size + 2
        left -= size
    return blocks


def size_before_last_crc(data: bytes) -> int | None:
    """Return the size of a frame whose last two bytes are the CRC of its last format A block, None otherwise.

    Some receivers take out the CRCs of all blocks but the last. One frame in 65,536 looks so by chance: to be asked
    only where the frame makes no sense as it stands.
    """
    size = len(data) - 2
    if size <= HEADER_SIZE:
        return None
    start = size - 1 - (size - 1 - HEADER_SIZE) % BLOCK_A
    return size if _crc_fits(data, start, size - start) else None


def _crc_fits(raw: bytes, start: int, size: int) -> bool:
    end = start + size
    return end + 2 <= len(raw) and crc16_en13757(raw[start:end]) == int.from_bytes(raw[end : end + 2], "big")


def _check_a(raw: bytes) -> list[bool] | None:
    """Which blocks verify, or None when these bytes are no format A frame.

    A frame of exactly L + 1 bytes has no room for them, whatever its first bytes look like: where the CRCs of two
    blocks fit, it was cut to that length. Else block 1 with a good CRC is format A. So is a frame of the length that
    format A has on the air, or with what a receiver appends to that, when any of its other blocks verifies: there
    block 1 itself is what was damaged.
    """
    length = raw[0]
    if len(raw) == length + 1 and not (ends_with_crc(raw[:FIRST_OF_A]) and ends_with_crc(raw[FIRST_OF_A:SECOND_OF_A])):
        return None
    first_fits = _crc_fits(raw, 0, HEADER_SIZE)
    on_air = size_on_air(length, FrameFormat.A)
    if not first_fits and not on_air <= len(raw) <= on_air + MOST_APPENDED:
        return None
    fits = [_crc_fits(raw, start, size) for start, size in blocks_a(length)]
    return fits if first_fits or any(fits) else None


def _strip_a(raw: bytes, fits: list[bool]) -> LinkFrame:
    blocks = blocks_a(raw[0])
    good = fits.index(False) if not all(fits) else len(blocks)
    data = b"".join(raw[start : start + size] for start, size in blocks[:good])
    if good == len(blocks):
        return LinkFrame(data, FrameFormat.A, raw[blocks[-1][0] + blocks[-1][1] + 2 :])
    start, size = blocks[good]
    place = f"block {good + 1} of {len(blocks)}"
    problem: ProtocolError = BadChecksum(f"format A CRC of {place} does not fit", layer="link", offset=start + size)
    if start + size + 2 > len(raw):
        problem = Truncated(f"format A frame ends inside {place}", layer="link", offset=len(raw))
    if not good:
        raise problem
    return LinkFrame(data, FrameFormat.A, raw[start:], raw[0] + 1 - len(data), problem)


def _is_size_of_b(size: int) -> bool:
    """Whether a format B frame can be so long: block 3, when there is one, has a byte of data and its CRC at least."""
    return size > MIN_LENGTH + CRC_SIZE and not BLOCK_B < size <= BLOCK_B + CRC_SIZE


def _check_b(raw: bytes) -> tuple[bool, bool] | None:
    """Whether the CRCs of block 2 and, when there is one, block 3 verify; None when neither does."""
    size = raw[0] + 1
    if len(raw) < size or not _is_size_of_b(size):
        return None
    first = _crc_fits(raw, 0, min(size, BLOCK_B) - 2)
    if size <= BLOCK_B:
        return (first, True) if first else None
    second = _crc_fits(raw, BLOCK_B, size - BLOCK_B - 2)
    return (first, second) if first or second else None


def _refuse_damaged_block_1(raw: bytes) -> None:
    """Raise `BadChecksum` for a format A frame whose L field cannot be relied on, because block 1 is damaged.

    Two blocks further on that fit are enough; where one does, some L must make block 1 fit as well. Taken for a frame
    without CRCs, it would be read with the CRC of block 1 as a CI field.
    """
    starts = range(FIRST_OF_A, len(raw) - CRC_SIZE, BLOCK_A + CRC_SIZE)
    fitting = sum([ends_with_crc(raw[start : start + BLOCK_A + CRC_SIZE]) for start in starts])
    if not fitting:
        return
    lengths = (length for length in range(MIN_LENGTH, MAX_LENGTH + 1) if length != raw[0])
    fits = next((length for length in lengths if _crc_fits(bytes((length,)) + raw[1:], 0, HEADER_SIZE)), None)
    if fits is None and fitting == 1:
        return
    why = "" if fits is None else f": L is {raw[0]}, and {fits} would fit"
    raise BadChecksum(f"format A CRC of block 1 does not fit{why}", layer="link", offset=0)


def _refuse_damaged_length(raw: bytes) -> None:
    """Raise `BadChecksum` for a format B frame of which only the L field is damaged: all CRCs fit without that.

    Taken for a frame without CRCs and with bytes after it, it could decode, with less than was sent or with a CRC in
    the midst of its values. A frame that was put right in L but kept its one CRC is none; one frame in 65,536 that has
    other bytes after it looks so by chance.
    """
    length = len(raw) - 1
    if length > MAX_LENGTH or not _is_size_of_b(len(raw)) or len(raw) == raw[0] + 1 + CRC_SIZE <= BLOCK_B:
        return
    fits = _check_b(bytes((length,)) + raw[1:])
    if fits is not None and all(fits):
        problem = f"format B CRC of block 2 does not fit: L is {raw[0]}, and {length} would fit"
        raise BadChecksum(problem, layer="link", offset=0)


def _strip_b(raw: bytes, fits: tuple[bool, bool]) -> LinkFrame:
    size = raw[0] + 1
    first_end = min(size, BLOCK_B) - 2
    body = raw[1:first_end] + raw[BLOCK_B : size - 2]
    if all(fits):
        return LinkFrame(bytes((len(body),)) + body, FrameFormat.B, raw[size:])
    offset = size - 2 if fits[0] else first_end
    problem = BadChecksum(f"format B CRC of block {2 + fits[0]} does not fit", layer="link", offset=offset)
    if not fits[0]:
        raise problem
    data = bytes((len(body),)) + raw[1:first_end]
    return LinkFrame(data, FrameFormat.B, raw[BLOCK_B:], 1 + len(body) - len(data), problem)
