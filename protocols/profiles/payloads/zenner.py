"""Zenner water radio, device version 0B: a fixed payload in the place of records."""

from __future__ import annotations

from decimal import Decimal

from protocols.errors import Truncated
from protocols.profiles.payloads.layout import counted
from protocols.profiles.payloads.model import Item, Payload, behind_fillers, bit_names

SIZE = 13
"""Bytes behind the check bytes 2F 2F."""

_MARKER = 0x0F
_STATUS = slice(1, 5)
_MONTH_START = slice(5, 9)
_TOTAL = slice(9, 13)
_COUNTS_PER_M3 = Decimal(256000)
"""1/256 of a litre, as the few telegrams seen so far have it."""


def decode_zenner_0b(plain: bytes, start: int, end: int) -> Payload:
    """Status word, volume at the end of the last month, total; what does not begin with the marker are records."""
    start = behind_fillers(plain, start, end)
    if start < end and plain[start] != _MARKER:
        return Payload(foreign=True)
    if end - start < SIZE:
        return Payload(problem=Truncated("Zenner payload ends before its total", layer="records", offset=end))
    status = _number(plain, start, _STATUS)
    return Payload(
        (
            Item("info_code", "info_code", status, "", start + _STATUS.start, start + _STATUS.stop),
            _volume("month_end_volume", plain, start, _MONTH_START, storage=1),
            _volume("total_volume", plain, start, _TOTAL),
        ),
        bit_names(status, {}),
    )


def _volume(name: str, plain: bytes, start: int, place: slice, storage: int = 0) -> Item:
    first, last = start + place.start, start + place.stop
    count, quality = counted(plain[first:last], Decimal(1))
    volume = count / _COUNTS_PER_M3 if isinstance(count, Decimal) else None
    return Item(name, "volume", volume, "m3", first, last, quality, storage=storage)


def _number(plain: bytes, start: int, place: slice) -> int:
    return int.from_bytes(plain[start + place.start : start + place.stop], "little")
