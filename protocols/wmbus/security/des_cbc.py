"""Security modes 2 and 3: DES-CBC of old meters (EN 13757-3:2004, Annex A; OMS Vol. 2 no longer allows them)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from protocols.crypto import DES_BLOCK, des_cbc_decrypt
from protocols.errors import BadField, DecryptFailed, Truncated
from protocols.wmbus.security.blocks import starts_with_check_bytes
from protocols.wmbus.security.model import CHECK_BYTES, CHECK_BYTES_FIT, Opened, Protected

DAYS_BACK = 2
"""The meter's date may lag behind the day of reception: today, yesterday and the day before are tried."""


def des_region(protected: Protected) -> tuple[bytes, int]:
    """The encrypted bytes in whole blocks, and how many of those that the configuration word counts are left over."""
    size = (protected.transport.configuration or 0) & 0xFF
    start = protected.transport.end
    available = protected.data[start : start + size]
    whole = len(available) // DES_BLOCK * DES_BLOCK
    if not whole:
        raise Truncated("frame ends inside the first encrypted block", layer="transport", offset=len(protected.data))
    return available[:whole], len(available) - whole


def _open(protected: Protected, key: bytes, vectors: Iterator[tuple[bytes, str]]) -> Opened:
    ciphertext, cut = des_region(protected)
    for vector, note in vectors:
        plaintext = des_cbc_decrypt(key, vector, ciphertext)
        if plaintext.startswith(CHECK_BYTES):
            notes = (note,) if note else ()
            return Opened(protected.transport.end, plaintext, CHECK_BYTES_FIT, notes=notes, cut=cut)
    raise DecryptFailed("check bytes 2F2F do not appear", layer="transport", offset=protected.transport.end)


@dataclass(frozen=True, slots=True)
class DesCbcZero:
    """DES-CBC with an initial vector of zeros."""

    number: int = 2
    key_sizes: tuple[int, ...] = (8,)

    def encrypts(self, protected: Protected) -> bool:
        """Whether the header counts encrypted bytes."""
        return bool((protected.transport.configuration or 0) & 0xFF)

    def in_clear(self, protected: Protected) -> bool:
        """Whether the check bytes stand there unencrypted."""
        return starts_with_check_bytes(protected)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and compare the check bytes; `DecryptFailed` when they differ."""
        return _open(protected, key, iter([(bytes(DES_BLOCK), "")]))


@dataclass(frozen=True, slots=True)
class DesCbcDate:
    """DES-CBC with an initial vector of identification number, manufacturer and the meter's date.

    Sources differ on the order of the fields and on how the date is packed: all are tried, and which one fitted is
    said in a note. The date is that of reception or up to two days before.
    """

    number: int = 3
    key_sizes: tuple[int, ...] = (8,)

    def encrypts(self, protected: Protected) -> bool:
        """Whether the header counts encrypted bytes."""
        return bool((protected.transport.configuration or 0) & 0xFF)

    def in_clear(self, protected: Protected) -> bool:
        """Whether the check bytes stand there unencrypted."""
        return starts_with_check_bytes(protected)

    def open(self, protected: Protected, key: bytes) -> Opened:
        """Decrypt and compare the check bytes; `BadField` when the day of reception is not known."""
        if protected.received_on is None:
            raise BadField(
                "mode 3 needs the day on which the frame was received, and it has no time",
                layer="security",
                offset=protected.transport.start,
            )
        return _open(protected, key, _vectors(protected, protected.received_on))


def _vectors(protected: Protected, received_on: date) -> Iterator[tuple[bytes, str]]:
    number = protected.address.number_wire
    manufacturer = protected.address.to_wire()[:2]
    orders = ((number + manufacturer, "number before manufacturer"), (manufacturer + number, "manufacturer first"))
    for days in range(DAYS_BACK + 1):
        day = received_on - timedelta(days=days)
        for packed, packing in ((_type_g(day), "date of type G"), (_month_first(day), "date with month first")):
            for fields, order in orders:
                yield fields + packed, f"initial vector of {day.isoformat()}, {order}, {packing}"


def _type_g(day: date) -> bytes:
    year = day.year % 100
    return bytes((day.day | (year & 7) << 5, day.month | (year >> 3) << 4))


def _month_first(day: date) -> bytes:
    year = day.year % 100
    return bytes(((day.month & 7) << 5 | day.day, (year << 1 | day.month >> 3) & 0xFF))


MODE_2 = DesCbcZero()
MODE_3 = DesCbcDate()
