"""Extended link layer I to IV (EN 13757-4, 13; CI 8C to 8F)."""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int8ul, Int16ul, Int32ul, Struct

from protocols.errors import Truncated
from protocols.model import Address, Span
from protocols.wmbus.link import tile

ELL_I = Struct("ci" / Int8ul, "cc" / Int8ul, "acc" / Int8ul)
ELL_II = Struct("ci" / Int8ul, "cc" / Int8ul, "acc" / Int8ul, "session_number" / Int32ul, "payload_crc" / Int16ul)
ELL_III = Struct("ci" / Int8ul, "cc" / Int8ul, "acc" / Int8ul, "receiver" / Bytes(8))
ELL_IV = Struct(
    "ci" / Int8ul,
    "cc" / Int8ul,
    "acc" / Int8ul,
    "receiver" / Bytes(8),
    "session_number" / Int32ul,
    "payload_crc" / Int16ul,
)

ELL_SCHEMAS = {0x8C: ELL_I, 0x8D: ELL_II, 0x8E: ELL_III, 0x8F: ELL_IV}
_SIZES = {ci: schema.sizeof() for ci, schema in ELL_SCHEMAS.items()}

ELL_TYPES = {0x8C: "I", 0x8D: "II", 0x8E: "III", 0x8F: "IV"}

PAYLOAD_CRC_SIZE = 2

ENCRYPTION_NONE = 0
ENCRYPTION_AES_CTR = 1

CC_BITS: tuple[tuple[int, str], ...] = (
    (0x80, "bidirectional"),
    (0x40, "fast response"),
    (0x20, "synchronous"),
    (0x10, "repeated by a hop"),
    (0x08, "priority"),
    (0x04, "accessible"),
    (0x02, "repeated access"),
    (0x01, "extended delay"),
)

CC_CHANGED_BY_REPEATERS = 0x12
"""Bits H and R: a repeater may set them, so they are cleared before CC enters the counter block."""


@dataclass(frozen=True, slots=True)
class ExtendedLinkLayer:
    """CC, ACC and, in types II and IV, session number and payload CRC; in III and IV the receiver's address.

    `end` lies after the payload CRC, which is part of the encrypted region that starts at `crypt_start`.
    """

    ci: int
    cc: int
    acc: int
    start: int
    end: int
    receiver: Address | None = None
    session_number: int | None = None
    name: str = "ell"

    @property
    def encryption(self) -> int:
        """ENC, bits 31-29 of the session number: 0 none, 1 AES-128-CTR."""
        return 0 if self.session_number is None else self.session_number >> 29

    @property
    def session(self) -> int:
        """Bits 3-0 of the session number."""
        return (self.session_number or 0) & 0x0F

    @property
    def session_time(self) -> int:
        """Bits 28-4 of the session number: a counter of minutes."""
        return ((self.session_number or 0) >> 4) & 0x1FFFFFF

    @property
    def crypt_start(self) -> int:
        """Offset of the payload CRC, where encryption begins."""
        return self.end - PAYLOAD_CRC_SIZE if self.session_number is not None else self.end

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """CI, CC, ACC and what the type adds."""
        set_bits = ", ".join(word for bit, word in CC_BITS if self.cc & bit) or "unidirectional"
        clause = "EN 13757-4, 13.2"
        fields: list[tuple[int, str, str, str]] = [
            (1, "CI", f"extended link layer {ELL_TYPES[self.ci]}", "EN 13757-7, Table 2"),
            (1, "CC", set_bits, clause),
            (1, "ACC", f"access number {self.acc}", clause),
        ]
        if self.receiver is not None:
            fields.append((2, "M2", f"receiver's manufacturer {self.receiver.manufacturer}", clause))
            fields.append((6, "A2", f"receiver's number {self.receiver.number}, {self.receiver.medium}", clause))
        if self.session_number is not None:
            cipher = {ENCRYPTION_NONE: "not encrypted", ENCRYPTION_AES_CTR: "AES-128-CTR"}.get(
                self.encryption, f"reserved encryption {self.encryption}"
            )
            meaning = f"{cipher}, session {self.session}, minute {self.session_time}"
            fields.append((4, "SN", meaning, clause))
            crc = plain[self.end - PAYLOAD_CRC_SIZE : self.end][::-1].hex().upper()
            fields.append((2, "PayloadCRC", f"0x{crc} over all bytes after it", clause))
        return tile(self.name, self.start, tuple(fields))


def parse_ell(data: bytes, start: int) -> ExtendedLinkLayer:
    """Read an extended link layer at its CI field; `Truncated` when the frame ends inside it."""
    ci = data[start]
    size = _SIZES[ci]
    if start + size > len(data):
        raise Truncated(f"frame ends inside the extended link layer (CI {ci:02X})", layer="ell", offset=len(data))
    fields = ELL_SCHEMAS[ci].parse(data[start : start + size])
    receiver = fields.get("receiver")
    return ExtendedLinkLayer(
        ci=ci,
        cc=fields.cc,
        acc=fields.acc,
        start=start,
        end=start + size,
        receiver=None if receiver is None else Address.from_wire(receiver),
        session_number=fields.get("session_number"),
    )
