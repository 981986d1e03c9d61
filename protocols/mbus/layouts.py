"""Learned layouts: what a meter repeats in every telegram, compiled into one comparison and one reader a record.

A layout is made from records that the general decoder read. It matches an application layer of the same length with
the same headers and fillers in the same places, and then gives the values that the general decoder would: each slot
decodes with the same function, or with a shortcut for plain numbers that leaves every special pattern to it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from protocols.mbus.crc import crc16_en13757
from protocols.mbus.header import RecordHeader, interpret
from protocols.mbus.tables import Coding, Form
from protocols.mbus.values import Result, decode_value
from protocols.model import Function, Quality, Record, Status

MEMO_LIMIT = 512
"""Distinct data kept a slot for values that repeat, dates above all."""

_GOOD = Quality.GOOD
_NUMBERS = frozenset({Coding.NUMBER, Coding.COUNTER, Coding.UNSIGNED})
_MAX_EXPONENT = 9
"""Shortcuts scale by at most so many powers of ten; everything beyond is rare and left to the general function."""

Reader = Callable[[bytes], Result]


@dataclass(frozen=True, slots=True)
class PlainNumber:
    """Data that are a number with so many decimals: BCD digits, or a binary number below `limit`.

    What is not (no digits, or not below the limit) has a special meaning.
    """

    decimals: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """The data of one record: where they lie in the application layer, and how they are read."""

    start: int
    end: int
    read: Reader
    plain: PlainNumber | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The fixed bytes of an application layer, as numbers, and the slots between them.

    `mask` has ones where a byte is fixed, `fixed` holds those bytes; both are big-endian numbers of `size` bytes.
    `cut` returns the data of each record, in order, of an application layer that matches. `headers` are those of a
    compact frame's records, whose full-frame CRC stands at `full_crc_at`.
    """

    size: int
    mask: int
    fixed: int
    slots: tuple[Slot, ...]
    cut: Callable[[bytes], tuple[bytes, ...]]
    headers: tuple[bytes, ...] = ()
    full_crc_at: int | None = None

    def read(self, data: bytes, plain: bytes) -> bytes | None:
        """The plain bytes behind the clear part of `data`, `size` of them, where they have this layout; else None."""
        if int.from_bytes(plain, "big") & self.mask != self.fixed:
            return None
        return plain if self.full_crc_at is None or self._full_crc_fits(plain, self.full_crc_at) else None

    def results(self, plain: bytes) -> list[Result]:
        """Value and quality of each record."""
        return [slot.read(one) for slot, one in zip(self.slots, self.cut(plain), strict=True)]

    def status(self, status: Status | None, plain: bytes) -> Status | None:
        """The status byte of the header, as it is: records add nothing to it."""
        return status

    def _full_crc_fits(self, application: bytes, at: int) -> bool:
        full = b"".join(chain.from_iterable(zip(self.headers, self.cut(application), strict=True)))
        return application[at] | application[at + 1] << 8 == crc16_en13757(full)


def learn_layout(
    application: bytes,
    records: Sequence[Record],
    start: int,
    *,
    free: Sequence[tuple[int, int]] = (),
    full_crc_at: int | None = None,
) -> Layout | None:
    """Compile a layout from the records of bytes that begin at offset `start` of the frame.

    `free` are further runs of bytes, as offsets in the frame, that may differ; `full_crc_at` is the offset of a
    compact frame's full-frame CRC. A record of variable length has the same one in every telegram that matches: its
    LVAR byte is fixed. None when records come from a profile series or were named by a payload decoder: those are read
    by the general decoder alone.
    """
    mask = bytearray(b"\xff" * len(application))
    slots: list[Slot] = []
    lengths_at: list[int] = []
    for record in records:
        if record.expanded_from is not None or record.name or not record.header:
            return None
        header = interpret(record.header)
        if header.profile is not None:
            return None
        slots.append(Slot(record.data_start - start, record.end - start, reader_of(header), plain_number(header)))
        if header.data_length is None:
            lengths_at.append(slots[-1].start)
    crc = () if full_crc_at is None else ((full_crc_at, full_crc_at + 2),)
    for first, last in (
        *((slot.start, slot.end) for slot in slots),
        *((a - start, b - start) for a, b in (*free, *crc)),
    ):
        mask[first:last] = bytes(last - first)
    for at in lengths_at:
        mask[at] = 0xFF
    number = int.from_bytes(mask, "big")
    return Layout(
        len(application),
        number,
        int.from_bytes(application, "big") & number,
        tuple(slots),
        _cutter(slots, len(application)),
        tuple(record.header for record in records) if full_crc_at is not None else (),
        None if full_crc_at is None else full_crc_at - start,
    )


def _cutter(slots: Sequence[Slot], size: int) -> Callable[[bytes], tuple[bytes, ...]]:
    form, position = "", 0
    for slot in slots:
        form += f"{slot.start - position}x{slot.end - slot.start}s"
        position = slot.end
    return struct.Struct(f"{form}{size - position}x").unpack


def plain_number(header: RecordHeader) -> PlainNumber | None:
    """Return how a record's data are a plain number, None where they are something else."""
    if (
        header.quality is not _GOOD
        or header.function is Function.ERROR
        or header.coding not in _NUMBERS
        or header.factor is not None
        or header.offset is not None
        or not -_MAX_EXPONENT <= header.exponent <= 0
    ):
        return None
    if header.field.form is Form.BCD:
        return PlainNumber(-header.exponent, None)
    if header.field.form is Form.INTEGER:
        # Below half of the range no coding has a special meaning, signed or not.
        return PlainNumber(-header.exponent, 1 << (8 * header.field.length - 1))
    return None


def reader_of(header: RecordHeader) -> Reader:
    """The quickest function that reads a record's data exactly as `decode_value` does."""
    plain = plain_number(header)
    if plain is None:
        return _memo_reader(header)
    return _bcd_reader(header) if plain.limit is None else _integer_reader(header, plain.limit)


def _memo_reader(header: RecordHeader) -> Reader:
    memo: dict[bytes, Result] = {}

    def read(data: bytes) -> Result:
        result = memo.get(data)
        if result is None:
            if len(memo) >= MEMO_LIMIT:
                memo.clear()
            result = memo[data] = decode_value(header, data)
        return result

    return read


def _bcd_reader(header: RecordHeader) -> Reader:
    exponent, scaled = header.exponent, header.scaled

    def read(data: bytes) -> Result:
        digits = data[::-1].hex()
        if not digits.isdecimal():
            return decode_value(header, data)
        return (Decimal(int(digits)).scaleb(exponent) if scaled else int(digits)), _GOOD

    return read


def _integer_reader(header: RecordHeader, limit: int) -> Reader:
    exponent, scaled = header.exponent, header.scaled

    def read(data: bytes) -> Result:
        number = int.from_bytes(data, "little")
        if number >= limit:
            return decode_value(header, data)
        return (Decimal(number).scaleb(exponent) if scaled else number), _GOOD

    return read
