"""Security modes 2 and 3: DES-CBC of old meters (EN 13757-3:2004, Annex A; OMS Vol. 2 no longer allows them)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from protocols.crypto import DES_BLOCK, des_cbc_decrypt
from protocols.errors import DecryptFailed, Truncated, Unsupported
from protocols.mbus.records import parse_records
from protocols.model import Value
from protocols.wmbus.security.blocks import starts_with_check_bytes
from protocols.wmbus.security.model import CHECK_BYTES, CHECK_BYTES_FIT, Opened, Protected

DAYS_BACK = 2
"""The meter's date may lag behind the day of reception: today, yesterday and the day before are tried."""

_DATE_SIZE = 2
_DAY_NAMED = 2
_NOT_PROVED = "nothing proves the day, and bytes 7 and 8 of the payload depend on it"
_NO_CHECK_BYTES = "check bytes 2F2F do not appear"


def des_region(protected: Protected) -> tuple[bytes, int]:
    """The encrypted bytes in whole blocks, and how many of those that the configuration word counts are left over."""
    size = (protected.transport.configuration or 0) & 0xFF
    start = protected.transport.end
    available = protected.data[start : start + size]
    whole = len(available) // DES_BLOCK * DES_BLOCK
    if not whole:
        raise Truncated("frame ends inside the first encrypted block", layer="transport", offset=len(protected.data))
    return available[:whole], len(available) - whole


class _DesCbc:
    """What the header and the first bytes after it say, in both modes."""

    __slots__ = ()

    def encrypts(self, protected: Protected) -> bool:
        """Whether the header counts encrypted bytes."""
        return bool((protected.transport.configuration or 0) & 0xFF)

    def in_clear(self, protected: Protected) -> bool:
        """Whether the check bytes are there unencrypted."""
        return starts_with_check_bytes(protected)


@dataclass(frozen=True, slots=True)
class DesCbcZero(_DesCbc):
    """DES-CBC with an initial vector of zeros."""

    number: int = 2
    key_sizes: tuple[int, ...] = (8,)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and compare the check bytes; `DecryptFailed` when they differ."""
        ciphertext, cut = des_region(protected)
        plaintext = des_cbc_decrypt(key, bytes(DES_BLOCK), ciphertext)
        if not plaintext.startswith(CHECK_BYTES):
            raise DecryptFailed(_NO_CHECK_BYTES, layer="transport", offset=protected.transport.end)
        return Opened(protected.transport.end, plaintext, CHECK_BYTES_FIT, cut=cut)


@dataclass(frozen=True, slots=True)
class DesCbcDate(_DesCbc):
    """DES-CBC with an initial vector of identification number, manufacturer and the meter's date.

    Sources differ on the order of the fields and on how the date is packed: all are tried, and which one fitted is
    said in a note. The date is that of reception or up to two days before.
    """

    number: int = 3
    key_sizes: tuple[int, ...] = (8,)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and compare the check bytes, then find the day.

        The day enters only bytes 7 and 8 of the payload, so the check bytes prove the key and the order of the fields
        but not the day: it is proved by a date in the payload, else taken to be that of reception. Raises
        `Unsupported` when the key fits and that is not known.
        """
        ciphertext, cut = des_region(protected)
        fields, order = _order(protected, key, ciphertext)
        if protected.received_on is None:
            raise Unsupported(
                "the key fits, but mode 3 needs the day on which the frame was received, and it has no time",
                layer="security",
                offset=protected.transport.start,
            )
        best: tuple[int, bytes, str] = (-1, b"", "")
        for packed, day, packing in _days(protected.received_on):
            plaintext = des_cbc_decrypt(key, fields + packed, ciphertext)
            evidence = _evidence(plaintext + _behind(protected, len(ciphertext)), day)
            note = f"initial vector of {day.isoformat()}, {order}, {packing}"
            if evidence > best[0]:
                best = evidence, plaintext, note if evidence == _DAY_NAMED else f"{note}; {_NOT_PROVED}"
        return Opened(protected.transport.end, best[1], CHECK_BYTES_FIT, notes=(best[2],), cut=cut)


def _order(protected: Protected, key: bytes, ciphertext: bytes) -> tuple[bytes, str]:
    """Number and manufacturer in the order that gives the check bytes; `DecryptFailed` when none does."""
    number = protected.address.number_wire
    manufacturer = protected.address.to_wire()[:2]
    orders = ((number + manufacturer, "number before manufacturer"), (manufacturer + number, "manufacturer first"))
    for fields, order in orders:
        if des_cbc_decrypt(key, fields + bytes(_DATE_SIZE), ciphertext[:DES_BLOCK]).startswith(CHECK_BYTES):
            return fields, order
    raise DecryptFailed(_NO_CHECK_BYTES, layer="transport", offset=protected.transport.end)


def _days(received_on: date) -> Iterator[tuple[bytes, date, str]]:
    """The days that the vector may hold, packed in both ways, the likeliest first."""
    for days in range(DAYS_BACK + 1):
        day = received_on - timedelta(days=days)
        yield _type_g(day), day, "date of type G"
        yield _month_first(day), day, "date with month first"


def _behind(protected: Protected, size: int) -> bytes:
    return protected.data[protected.transport.end + size :]


def _evidence(payload: bytes, day: date) -> int:
    """How strongly a payload supports a day: best a date after the first block, else records that can be read."""
    parsed = parse_records(payload, 0, len(payload))
    # A date within the first block comes out as whatever day was tried.
    named = any(_is_on(record.value, day) for record in parsed.records if record.start >= DES_BLOCK)
    return _DAY_NAMED if named else int(parsed.problem is None)


def _is_on(value: Value, day: date) -> bool:
    return (value.date() if isinstance(value, datetime) else value) == day


def _type_g(day: date) -> bytes:
    year = day.year % 100
    return bytes((day.day | (year & 7) << 5, day.month | (year >> 3) << 4))


def _month_first(day: date) -> bytes:
    year = day.year % 100
    return bytes(((day.month & 7) << 5 | day.day, (year << 1 | day.month >> 3) & 0xFF))


MODE_2 = DesCbcZero()
MODE_3 = DesCbcDate()
