"""Diehl's own protection (HYD, SAP, DME, EWT, SPL): PRIOS, SAP PRIOS and "real data", scrambled by an LFSR.

The keys are public: every meter of a generation has the same. They hide nothing and prove little; a meter's own
8-byte key is tried before them. These makers also order the address bytes of some frames differently on the air.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

from protocols.errors import DecryptFailed, Truncated
from protocols.media import LETTERS_MASK, manufacturer_code
from protocols.model import Address
from protocols.wmbus.security.model import Opened

KEY_SIZE = 8
PUBLIC_KEYS: tuple[bytes, ...] = (bytes.fromhex("39BC8A10E66D83F8"), bytes.fromhex("51728910E66D83F8"))
"""The makers' default keys, the same in every meter and long published."""

PUBLIC_AES_KEY = PUBLIC_KEYS[1] * 2
"""The default key of their meters that encrypt by the standard."""

SCRAMBLED_FROM = 15
"""Offset in the frame of the first scrambled byte."""

SEED_SPANS = ((2, 6), (6, 10), (10, 14))
"""Bytes of the frame that enter the seed: manufacturer and address, address, CI field and the three after it."""

CHECK_OFFSET = 14
CHECK_MASK = 0xEF
PRIOS_CHECK = 0x4B

_VOLUMES = Struct("<BII")
"""A PRIOS body's check byte, total and due-date volume in litres."""

_MOST_LITRES = 100_000_000
"""What the eight digits of a water meter's display count to."""

_STATE_MASK = 0xFFFFFFFF
_REAL_DATA_BIT = 0x1000
"""Bit 12 of the configuration word (bit 4 of byte 14) marks real data after CI 7A."""

MAKERS = frozenset(manufacturer_code(letters) for letters in ("HYD", "SAP", "DME", "EWT", "SPL"))
_SAP = manufacturer_code("SAP")
_METER_MESSAGES = frozenset({0x44, 0x46})


class DiehlKind(StrEnum):
    """Which of the maker's frames it is."""

    PRIOS = "Diehl PRIOS"
    SAP_PRIOS = "SAP PRIOS"
    SCRAMBLED = "scrambled Diehl PRIOS"
    REAL_DATA = "Diehl real data"


@dataclass(frozen=True, slots=True)
class DiehlFrame:
    """A frame under this protection, with the meter's identity put right.

    `printed_number` is the number on the meter's front, where it is not that of the address.
    """

    kind: DiehlKind
    identity: Address
    printed_number: str


def diehl_frame(data: bytes, ci: int, configuration: int | None) -> DiehlFrame | None:
    """Recognise such a frame by maker, C field and CI field; None for everything else, plain OMS included."""
    maker = int.from_bytes(data[2:4], "little") & LETTERS_MASK
    if maker not in MAKERS or data[1] not in _METER_MESSAGES:
        return None
    if 0xA0 <= ci <= 0xA7:
        return _sap_frame(data) if maker == _SAP else _swapped(data, DiehlKind.PRIOS)
    if 0xB1 <= ci <= 0xB3:
        return _swapped(data, DiehlKind.SCRAMBLED)
    if ci == 0x71 or (ci == 0x7A and configuration is not None and configuration & _REAL_DATA_BIT):
        return _swapped(data, DiehlKind.REAL_DATA)
    return None


def _swapped(data: bytes, kind: DiehlKind) -> DiehlFrame:
    """Version and device type stand before the number."""
    identity = Address.from_wire(data[2:4] + data[6:10] + data[4:6])
    return DiehlFrame(kind, identity, identity.number)


def _sap_frame(data: bytes) -> DiehlFrame:
    """The six address bytes are a packed serial: type letter, year, two letters, six digits."""
    address = Address.from_wire(data[2:10])
    identity = Address(address.manufacturer_code, address.number, 0x00, 0x07)
    low, second, third, fourth, fifth, sixth = data[4:10]
    digits = f"{(fourth & 3) << 24 | third << 16 | second << 8 | low:08d}"
    first_letter = chr(64 + ((sixth & 0x0F) << 1 | fifth >> 7))
    letters = chr(64 + ((fifth & 0x7C) >> 2)) + chr(64 + ((fifth & 3) << 3 | fourth >> 5))
    return DiehlFrame(DiehlKind.SAP_PRIOS, identity, f"{first_letter}{digits[:2]}{letters}{digits[2:]}")


def open_diehl(data: bytes, kind: DiehlKind, key: bytes) -> Opened:
    """Descramble and check; `DecryptFailed` when the check byte does not fit, `Truncated` without a body."""
    body = data[SCRAMBLED_FROM:]
    if not body:
        raise Truncated("frame ends before its scrambled part", layer="security", offset=len(data))
    plaintext = descramble(data, key)
    if not _fits(data, kind, plaintext):
        raise DecryptFailed("check byte does not fit", layer="security", offset=SCRAMBLED_FROM)
    return Opened(SCRAMBLED_FROM, plaintext, "check byte fits")


def reads_as_volumes(plaintext: bytes) -> bool:
    """Whether a PRIOS body holds a total below 100,000 m³ and a due-date volume that is no more than it.

    Of random bytes after a check byte that fits, one in 3,700 does; bodies without a due-date volume cannot show it.
    """
    if len(plaintext) < _VOLUMES.size:
        return False
    _, total, due = _VOLUMES.unpack_from(plaintext)
    return bool(due <= total < _MOST_LITRES)


def as_received(data: bytes, kind: DiehlKind) -> Opened | None:
    """Return the body as it was received where the check already fits it."""
    body = data[SCRAMBLED_FROM:]
    return Opened(SCRAMBLED_FROM, body, "check byte fits") if body and _fits(data, kind, body) else None


def _fits(data: bytes, kind: DiehlKind, plaintext: bytes) -> bool:
    if kind is DiehlKind.REAL_DATA:
        return sum(plaintext) & CHECK_MASK == data[CHECK_OFFSET] & CHECK_MASK
    return plaintext[0] == PRIOS_CHECK


def descramble(data: bytes, key: bytes) -> bytes:
    """Return the bytes of a frame from offset 15 on, with the LFSR's stream taken off; its own inverse.

    Taps are bits 1, 2, 11 and 31 of a 32-bit state that is shifted eight times a byte.
    """
    state = int.from_bytes(key[:4], "big") ^ int.from_bytes(key[4:8], "big")
    for start, end in SEED_SPANS:
        state ^= int.from_bytes(data[start:end], "big")
    plaintext = bytearray()
    for byte in data[SCRAMBLED_FROM:]:
        for _ in range(8):
            bit = (state >> 1 ^ state >> 2 ^ state >> 11 ^ state >> 31) & 1
            state = (state << 1 | bit) & _STATE_MASK
        plaintext.append(byte ^ state & 0xFF)
    return bytes(plaintext)
