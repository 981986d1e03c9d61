"""Datagrams of the Semtech UDP gateway protocol: version, token, identifier, gateway, body."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from construct import Bytes, ConstructError, Int8ub, Struct

from protocols.errors import BadField, Truncated

VERSIONS: Final = (1, 2)
HEADER_SIZE: Final = 4
EUI_SIZE: Final = 8
MAX_DATAGRAM: Final = 65_507
"""The largest body of a UDP datagram over IPv4."""

LAYER: Final = "gwmp"


class Kind(IntEnum):
    """What a datagram is for."""

    PUSH_DATA = 0
    PUSH_ACK = 1
    PULL_DATA = 2
    PULL_RESP = 3
    PULL_ACK = 4
    TX_ACK = 5


FROM_GATEWAY: Final = frozenset({Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK})
"""Datagrams that name the gateway behind the header."""

_HEADER: Final = Struct("version" / Int8ub, "token" / Bytes(2), "kind" / Int8ub)
_ANSWERS: Final = {Kind.PUSH_DATA: Kind.PUSH_ACK, Kind.PULL_DATA: Kind.PULL_ACK}


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram. `token` is two bytes that an answer repeats; `gateway` the EUI as lower-case hex, empty where the
    datagram names none; `body` the JSON text behind it.
    """

    kind: Kind
    token: bytes
    gateway: str = ""
    body: bytes = field(default=b"", repr=False)
    version: int = 2

    def to_bytes(self) -> bytes:
        """Build it; `ValueError` for a token or EUI of a wrong size."""
        try:
            header = bytes(_HEADER.build({"version": self.version, "token": self.token, "kind": self.kind}))
        except ConstructError as error:
            raise ValueError(f"a field does not fit: {error}") from None
        gateway = bytes.fromhex(self.gateway)
        if len(gateway) != (EUI_SIZE if self.kind in FROM_GATEWAY else 0):
            raise ValueError(f"{self.kind.name} with a gateway EUI of {len(gateway)} bytes")
        return header + gateway + self.body


def parse_datagram(data: bytes) -> Datagram:
    """Read a datagram; raises `Truncated`, `BadField`."""
    if len(data) < HEADER_SIZE:
        raise Truncated(f"{len(data)} bytes are too few for a datagram", layer=LAYER, offset=len(data))
    fields = _HEADER.parse(data[:HEADER_SIZE])
    if fields.version not in VERSIONS:
        raise BadField(f"protocol version {fields.version} is not known", layer=LAYER, offset=0)
    try:
        kind = Kind(fields.kind)
    except ValueError:
        raise BadField(f"identifier {fields.kind:#04x} is not known", layer=LAYER, offset=HEADER_SIZE - 1) from None
    position = HEADER_SIZE
    gateway = b""
    if kind in FROM_GATEWAY:
        position += EUI_SIZE
        gateway = data[HEADER_SIZE:position]
        if len(gateway) < EUI_SIZE:
            raise Truncated(f"{kind.name} ends within the gateway's EUI", layer=LAYER, offset=len(data))
    return Datagram(kind, bytes(fields.token), gateway.hex(), data[position:], fields.version)


def acknowledge(datagram: Datagram) -> bytes | None:
    """Return what a server answers at once; None for what needs no answer."""
    kind = _ANSWERS.get(datagram.kind)
    return None if kind is None else Datagram(kind, datagram.token, version=datagram.version).to_bytes()
