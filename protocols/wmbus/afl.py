"""Authentication and fragmentation layer (EN 13757-7, 6; CI 90)."""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, If, Int8ul, Int16ul, Int32ul, Struct, this

from protocols.errors import BadField, Truncated
from protocols.model import Span
from protocols.wmbus.link import tile

AFL_HEADER = Struct("ci" / Int8ul, "length" / Int8ul, "fragmentation_control" / Int16ul)

MORE_FRAGMENTS = 0x4000
MCL_PRESENT = 0x2000
ML_PRESENT = 0x1000
MCR_PRESENT = 0x0800
MAC_PRESENT = 0x0400
KI_PRESENT = 0x0200
FRAGMENT_ID = 0x00FF

MCL_SIZE, KI_SIZE, MCR_SIZE, ML_SIZE = 1, 2, 4, 2
"""Bytes of the message control field, key information, message counter and message length."""

MAC_TYPES: dict[int, tuple[str, int]] = {
    0: ("no MAC", 0),
    3: ("AES-CMAC", 2),
    4: ("AES-CMAC", 4),
    5: ("AES-CMAC", 8),
    6: ("AES-CMAC", 12),
    7: ("AES-CMAC", 16),
    8: ("AES-GMAC", 12),
    9: ("AES-GMAC", 16),
}
"""MCL.AT: algorithm and length of the MAC in bytes (EN 13757-7, Table 9)."""

AFL_BODY = Struct(
    "mcl" / If(this._.mcl_present, Int8ul),
    "ki" / If(this._.ki_present, Int16ul),
    "mcr" / If(this._.mcr_present, Int32ul),
    "mac" / Bytes(this._.mac_length),
    "ml" / If(this._.ml_present, Int16ul),
)
"""Fields in the order of the layer; which are there is said by the fragmentation control field."""


@dataclass(frozen=True, slots=True)
class AuthenticationLayer:
    """Fragmentation control, message control, key information, message counter, MAC, message length.

    `authenticated_prefix` is what the MAC covers before the transport layer: MCL, KI, MCR and ML as transmitted.
    """

    fragmentation_control: int
    start: int
    end: int
    mcl: int | None = None
    ki: int | None = None
    mcr: int | None = None
    mac: bytes | None = None
    ml: int | None = None
    name: str = "afl"

    @property
    def fragment(self) -> int:
        """Fragment number, 0 when the message is not fragmented."""
        return self.fragmentation_control & FRAGMENT_ID

    @property
    def more_fragments(self) -> bool:
        """True in all fragments but the last."""
        return bool(self.fragmentation_control & MORE_FRAGMENTS)

    @property
    def counter(self) -> bytes | None:
        """The message counter as transmitted (4 bytes, LE)."""
        return None if self.mcr is None else self.mcr.to_bytes(4, "little")

    @property
    def authenticated_prefix(self) -> bytes:
        """MCL, KI, MCR and ML as transmitted (EN 13757-7, 6.3.6)."""
        parts = ((self.mcl, MCL_SIZE), (self.ki, KI_SIZE), (self.mcr, MCR_SIZE), (self.ml, ML_SIZE))
        return b"".join(value.to_bytes(size, "little") for value, size in parts if value is not None)

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """CI, AFLL, FCL and the fields that are present."""
        clause = "EN 13757-7, 6.3"
        position = f"fragment {self.fragment}" if self.fragment else "not fragmented"
        more = ", more follow" if self.more_fragments else ""
        fields: list[tuple[int, str, str, str]] = [
            (1, "CI", "authentication and fragmentation layer", "EN 13757-7, Table 2"),
            (1, "AFLL", f"{plain[self.start + 1]} bytes follow", clause),
            (2, "FCL", position + more, clause),
        ]
        if self.mcl is not None:
            algorithm, size = MAC_TYPES.get(self.mcl & 0x0F, ("reserved", 0))
            fields.append((1, "MCL", f"{algorithm}, {size} bytes", clause))
        if self.ki is not None:
            fields.append((2, "KI", f"key version {self.ki >> 8}, key {self.ki & 0x0F}", clause))
        if self.mcr is not None:
            fields.append((4, "MCR", f"message counter {self.mcr}", clause))
        if self.mac is not None:
            fields.append((len(self.mac), "MAC", "message authentication code", clause))
        if self.ml is not None:
            fields.append((2, "ML", f"message of {self.ml} bytes", clause))
        rest = self.end - self.start - sum(size for size, *_ in fields)
        if rest:
            fields.append((rest, "reserved", "bytes that AFLL counts but no field explains", clause))
        return tile(self.name, self.start, tuple(fields))


def parse_afl(data: bytes, start: int) -> AuthenticationLayer:
    """Read the layer at its CI field.

    Raises `Truncated` when frame or AFLL end before the fields that FCL announces, `BadField` when AFLL is too small
    for any layer, or a MAC is announced without a known length.
    """
    if start + AFL_HEADER.sizeof() > len(data):
        raise Truncated("frame ends inside the authentication layer", layer="afl", offset=len(data))
    header = AFL_HEADER.parse(data[start:])
    end = start + 2 + header.length
    if end < start + AFL_HEADER.sizeof():
        raise BadField(f"AFLL is {header.length}; the FCL alone has 2 bytes", layer="afl", offset=start + 1)
    fcl = header.fragmentation_control
    body = data[start + AFL_HEADER.sizeof() : end]
    if end > len(data):
        raise Truncated("frame ends inside the authentication layer", layer="afl", offset=len(data))
    mac_length = _mac_length(fcl, body, start) if fcl & MAC_PRESENT else 0
    needed = sum(size for bit, size in _FIELD_SIZES if fcl & bit) + mac_length
    if needed > len(body):
        raise Truncated(
            f"AFLL counts {header.length} bytes, the announced fields need {needed + 2}", layer="afl", offset=start + 1
        )
    fields = AFL_BODY.parse(
        body,
        mcl_present=fcl & MCL_PRESENT,
        ki_present=fcl & KI_PRESENT,
        mcr_present=fcl & MCR_PRESENT,
        ml_present=fcl & ML_PRESENT,
        mac_length=mac_length,
    )
    return AuthenticationLayer(
        fragmentation_control=fcl,
        start=start,
        end=end,
        mcl=fields.mcl,
        ki=fields.ki,
        mcr=fields.mcr,
        mac=fields.mac or None,
        ml=fields.ml,
    )


_FIELD_SIZES = (
    (MCL_PRESENT, MCL_SIZE),
    (KI_PRESENT, KI_SIZE),
    (MCR_PRESENT, MCR_SIZE),
    (ML_PRESENT, ML_SIZE),
)


def _mac_length(fcl: int, body: bytes, start: int) -> int:
    """Length of the MAC: as MCL says, or, in the last fragment (no MCL), what the other fields leave."""
    if not fcl & MCL_PRESENT:
        return max(0, len(body) - sum(size for bit, size in _FIELD_SIZES if fcl & bit))
    if not body:
        raise Truncated("authentication layer has no message control field", layer="afl", offset=start + 4)
    kind = body[0] & 0x0F
    if kind not in MAC_TYPES:
        raise BadField(f"MCL names the reserved MAC type {kind}", layer="afl", offset=start + 4)
    return MAC_TYPES[kind][1]
