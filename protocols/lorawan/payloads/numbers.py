"""How bytes of a proprietary payload become a value: one `Number` for each coding."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from protocols.mbus.values import bcd, real
from protocols.text import text_from_bytes

Raw = int | Decimal | str | datetime | None
"""What stands in the bytes; None where they are no such value."""

NO_CLOCK = 0xFFFFFFFF
ALL_ONES_32 = frozenset({0xFFFFFFFF})
"""No count: what an unsigned number of 32 bits says that has none."""

ABOVE_100 = frozenset(range(101, 256))
"""No percentages: what a byte that says one may not be."""

_INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Number:
    """A coding of `size` bytes."""

    size: int
    read: Callable[[bytes], Raw]


def unsigned_le(data: bytes) -> int:
    """Least significant byte first."""
    return int.from_bytes(data, "little")


def unsigned_be(data: bytes) -> int:
    """Most significant byte first."""
    return int.from_bytes(data, "big")


def signed_le(data: bytes) -> int:
    """Two's complement, least significant byte first."""
    return int.from_bytes(data, "little", signed=True)


def signed_be(data: bytes) -> int:
    """Two's complement, most significant byte first."""
    return int.from_bytes(data, "big", signed=True)


def real_be(data: bytes) -> Decimal | None:
    """IEEE single, most significant byte first, as the shortest decimal that means the same."""
    return real(data[::-1])


def half_le(data: bytes) -> Decimal | None:
    """IEEE half, least significant byte first, to five places: it holds three to four."""
    return _real("<e", data, 5)


def double_le(data: bytes) -> Decimal | None:
    """IEEE double, least significant byte first, to fifteen places."""
    return _real("<d", data, 15)


def _real(code: str, data: bytes, digits: int) -> Decimal | None:
    number: float = struct.unpack(code, data)[0]
    if number != number or number in (_INFINITY, -_INFINITY):
        return None
    return exact(Decimal(f"{number:.{digits}g}"))


def exact(number: Decimal) -> Decimal:
    """The same number without trailing zeros and without a positive exponent."""
    if number.is_zero():
        return Decimal(0)
    plain = number.normalize()
    exponent = plain.as_tuple().exponent
    return Decimal(int(plain)) if isinstance(exponent, int) and exponent > 0 else plain


def unix_le(data: bytes) -> datetime | None:
    """Seconds since 1970 in UTC, least significant byte first; 0 is a clock that was never set."""
    return unix_time(unsigned_le(data))


def unix_be(data: bytes) -> datetime | None:
    """Seconds since 1970 in UTC, most significant byte first; 0 is a clock that was never set."""
    return unix_time(unsigned_be(data))


def unix_time(seconds: int) -> datetime | None:
    """The moment `seconds` after 1970 in UTC; None for 0, for 32 bits all ones and for what no calendar has."""
    if not 0 < seconds < 1 << 36 or seconds == NO_CLOCK:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def digits_le(data: bytes) -> str | None:
    """BCD digits as text, least significant pair first; None when there are other digits."""
    digits = data[::-1].hex()
    return digits if digits.isdecimal() else None


def hexadecimal(data: bytes) -> str:
    """The bytes as they stand, in hex."""
    return data.hex().upper()


def server_id(data: bytes) -> str:
    """An electricity meter's server identification: 09, 01, three letters, a block byte, four bytes (DIN 43863-5)."""
    if data[:2] != b"\x09\x01" or not data[2:5].isalpha():
        return hexadecimal(data)
    number = int.from_bytes(data[6:10], "big")
    return f"1{text_from_bytes(data[2:5])}{data[5]:02X}{number:08d}"


def ascii_text(size: int) -> Number:
    """Text of `size` characters, padding removed."""
    return Number(size, lambda data: text_from_bytes(data.rstrip(b"\x00").strip(b" ")))


def raw_bytes(size: int) -> Number:
    """`size` bytes in hex."""
    return Number(size, hexadecimal)


U8 = Number(1, unsigned_le)
I8 = Number(1, signed_le)
U16LE, U16BE = Number(2, unsigned_le), Number(2, unsigned_be)
I16LE, I16BE = Number(2, signed_le), Number(2, signed_be)
U24LE, U24BE = Number(3, unsigned_le), Number(3, unsigned_be)
I24BE = Number(3, signed_be)
U32LE, U32BE = Number(4, unsigned_le), Number(4, unsigned_be)
I32LE, I32BE = Number(4, signed_le), Number(4, signed_be)
U40LE = Number(5, unsigned_le)
U64LE, U64BE = Number(8, unsigned_le), Number(8, unsigned_be)
I64BE = Number(8, signed_be)
F16LE = Number(2, half_le)
F32LE, F32BE = Number(4, real), Number(4, real_be)
F64LE = Number(8, double_le)
UNIX_LE, UNIX_BE = Number(4, unix_le), Number(4, unix_be)
DIGITS4_LE = Number(4, digits_le)
BCD4_LE = Number(4, bcd)
