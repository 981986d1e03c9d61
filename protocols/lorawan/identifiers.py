"""DevAddr classes, NetID, and the byte order of identifiers (LoRaWAN Backend Interfaces 1.0, 13; TS001, 6.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEV_ADDR_BITS: Final = 32
NET_ID_BITS: Final = 24

_NWK_ID_BITS: Final = (6, 6, 9, 11, 12, 13, 15, 17)
"""NwkID bits of a DevAddr by NetID type; the type's ones and a zero stand before them, NwkAddr behind them."""

_NET_ID_ID_BITS: Final = (6, 6, 9, 21, 21, 21, 21, 21)
"""Bits of the id in a NetID, by type."""

NETWORKS: Final = {
    "000000": "experimental",
    "000001": "experimental",
    "000013": "The Things Network",
}
"""Networks by NetID, as far as they matter on a test bench."""


def printed(wire: bytes) -> str:
    """Return an identifier as it is printed: lower-case hex, most significant byte first."""
    return wire[::-1].hex()


def on_air(text: str, size: int) -> bytes:
    """Return a printed identifier of `size` bytes as transmitted; `ValueError` when it is none."""
    data = bytes.fromhex(text)
    if len(data) != size:
        raise ValueError(f"{text!r} has {len(data)} bytes where {size} are needed")
    return data[::-1]


def reversed_text(text: str) -> str:
    """The same identifier with its bytes in the other order, as it is often typed by mistake."""
    return bytes.fromhex(text)[::-1].hex()


@dataclass(frozen=True, slots=True)
class DevAddr:
    """A device address taken apart: NetID type, NwkID, NwkAddr."""

    type: int
    nwk_id: int
    nwk_addr: int

    @classmethod
    def of(cls, text: str) -> DevAddr | None:
        """Take apart a printed DevAddr; None for FF.., which no type has."""
        number = int(text, 16)
        kind = DEV_ADDR_BITS - (number ^ 0xFFFFFFFF).bit_length()
        if kind >= len(_NWK_ID_BITS):
            return None
        nwk_id_bits = _NWK_ID_BITS[kind]
        addr_bits = DEV_ADDR_BITS - (kind + 1) - nwk_id_bits
        return cls(kind, number >> addr_bits & (1 << nwk_id_bits) - 1, number & (1 << addr_bits) - 1)

    @property
    def network(self) -> str:
        """What is known of the network from the address alone."""
        if self.type == 0:
            name = NETWORKS.get(f"{self.nwk_id:06x}")
            if name is not None:
                return f"NwkID {self.nwk_id} ({name})"
        return f"NetID type {self.type}, NwkID {self.nwk_id}"


@dataclass(frozen=True, slots=True)
class NetId:
    """A network identifier taken apart: type, and the id that its bits hold."""

    type: int
    id: int

    @classmethod
    def of(cls, text: str) -> NetId:
        """Take apart a printed NetID."""
        number = int(text, 16)
        kind = number >> (NET_ID_BITS - 3)
        return cls(kind, number & (1 << _NET_ID_ID_BITS[kind]) - 1)

    @property
    def dev_addr_prefix(self) -> str:
        """The DevAddr range of the network, as `26000000/7`."""
        nwk_id_bits = _NWK_ID_BITS[self.type]
        prefix_bits = self.type + 1 + nwk_id_bits
        ones = (1 << self.type) - 1
        head = (ones << 1) << nwk_id_bits | (self.id & (1 << nwk_id_bits) - 1)
        return f"{head << (DEV_ADDR_BITS - prefix_bits):08x}/{prefix_bits}"


def holds(net_id: str, dev_addr: str) -> bool:
    """Whether a DevAddr lies in the range of a network."""
    prefix, bits = NetId.of(net_id).dev_addr_prefix.split("/")
    shift = DEV_ADDR_BITS - int(bits)
    return int(prefix, 16) >> shift == int(dev_addr, 16) >> shift
