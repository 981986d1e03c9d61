"""PHYPayload: message types and fixed layouts of LoRaWAN 1.0.x and 1.1 (LoRaWAN L2 1.1, 4, 6.2; 1.0.4, 4, 6.2).

One schema a message, used for reading here and for building in `encode`. All fields are little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from construct import Array, Bytes, Int8ul, Int16ul, Int24ul, Padding, Struct

from protocols.errors import BadField, Truncated, Unsupported
from protocols.lorawan.fctrl import FOPTS_LENGTH
from protocols.lorawan.identifiers import printed

LAYER: Final = "phy"
MIC_SIZE: Final = 4
MHDR_SIZE: Final = 1
FHDR_SIZE: Final = 7
"""DevAddr, FCtrl and FCnt."""

MIN_DATA: Final = MHDR_SIZE + FHDR_SIZE + MIC_SIZE
MAX_PHY: Final = 255
"""A LoRa packet carries no more (SX127x, SX126x: payload length of one byte)."""

JOIN_REQUEST_SIZE: Final = 23
JOIN_ACCEPT_SIZES: Final = (17, 33)
REJOIN_SIZES: Final = {0: 19, 1: 24, 2: 19}
MAJOR_R1: Final = 0
FPORT_MAC: Final = 0


class MType(IntEnum):
    """Message types: bits 7..5 of MHDR (L2 1.1, 4.2.1)."""

    JOIN_REQUEST = 0
    JOIN_ACCEPT = 1
    UNCONFIRMED_DATA_UP = 2
    UNCONFIRMED_DATA_DOWN = 3
    CONFIRMED_DATA_UP = 4
    CONFIRMED_DATA_DOWN = 5
    REJOIN_REQUEST = 6
    PROPRIETARY = 7

    @property
    def text(self) -> str:
        """The type by name: `UnconfirmedDataUp`."""
        return _TYPE_NAMES[self]


_TYPE_NAMES: Final = {kind: kind.name.title().replace("_", "") for kind in MType}

UPLINKS: Final = frozenset({MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_UP})
DOWNLINKS: Final = frozenset({MType.UNCONFIRMED_DATA_DOWN, MType.CONFIRMED_DATA_DOWN})
DATA: Final = UPLINKS | DOWNLINKS
CONFIRMED: Final = frozenset({MType.CONFIRMED_DATA_UP, MType.CONFIRMED_DATA_DOWN})

FHDR: Final = Struct(
    "dev_addr" / Bytes(4),
    "fctrl" / Int8ul,
    "fcnt" / Int16ul,
)
DATA_HEADER: Final = struct.Struct("<B4sBH")
"""MHDR and FHDR in one step, for the messages that come most; a test holds it and `FHDR` together."""

JOIN_REQUEST: Final = Struct(
    "mhdr" / Int8ul,
    "join_eui" / Bytes(8),
    "dev_eui" / Bytes(8),
    "dev_nonce" / Int16ul,
    "mic" / Bytes(MIC_SIZE),
)
JOIN_ACCEPT: Final = Struct(
    "mhdr" / Int8ul,
    "join_nonce" / Bytes(3),
    "net_id" / Bytes(3),
    "dev_addr" / Bytes(4),
    "dl_settings" / Int8ul,
    "rx_delay" / Int8ul,
)
CF_LIST_FREQUENCIES: Final = Struct("frequencies" / Array(5, Int24ul), "type" / Int8ul)
CF_LIST_MASKS: Final = Struct("masks" / Array(7, Int16ul), Padding(1), "type" / Int8ul)
CF_LIST_SIZE: Final = 16
CF_LIST_TYPE_FREQUENCIES: Final = 0
CF_LIST_TYPE_MASKS: Final = 1
FREQUENCY_STEP_HZ: Final = 100
REJOIN_0_2: Final = Struct(
    "mhdr" / Int8ul,
    "type" / Int8ul,
    "net_id" / Bytes(3),
    "dev_eui" / Bytes(8),
    "rj_count" / Int16ul,
    "mic" / Bytes(MIC_SIZE),
)
REJOIN_1: Final = Struct(
    "mhdr" / Int8ul,
    "type" / Int8ul,
    "join_eui" / Bytes(8),
    "dev_eui" / Bytes(8),
    "rj_count" / Int16ul,
    "mic" / Bytes(MIC_SIZE),
)
REJOIN_SCHEMAS: Final = {0: REJOIN_0_2, 1: REJOIN_1, 2: REJOIN_0_2}


@dataclass(frozen=True, slots=True)
class DataFrame:
    """A data message: `message` is everything but the MIC, `payload` the FRMPayload as received.

    `fcnt` are the 16 bits of the air. `payload_start` is the offset of FRMPayload, `mic_start` that of the MIC.
    """

    mtype: MType
    dev_addr_wire: bytes
    dev_addr: str
    fctrl: int
    fcnt: int
    fopts: bytes
    fport: int | None
    payload: bytes
    message: bytes
    mic: bytes
    payload_start: int
    mic_start: int

    @property
    def uplink(self) -> bool:
        """True for a message of a device."""
        return self.mtype in UPLINKS


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A request to join, sent in clear; `message` is what the MIC covers."""

    join_eui: str
    dev_eui: str
    dev_nonce: int
    message: bytes
    mic: bytes


@dataclass(frozen=True, slots=True)
class RejoinRequest:
    """A request to join anew (LoRaWAN 1.1): types 0 and 2 name the NetID, type 1 the JoinEUI."""

    type: int
    net_id: str | None
    join_eui: str | None
    dev_eui: str
    rj_count: int
    message: bytes
    mic: bytes


@dataclass(frozen=True, slots=True)
class JoinAccept:
    """A join accept in plain: `body` is what was encrypted, without the MIC.

    `join_nonce` and `net_id` as printed. `opt_neg` says that a 1.1 network answered.
    """

    join_nonce: str
    net_id: str
    dev_addr: str
    dl_settings: int
    rx_delay: int
    frequencies_hz: tuple[int, ...]
    channel_masks: tuple[int, ...]
    body: bytes
    mic: bytes

    @property
    def opt_neg(self) -> bool:
        """Bit 7 of DLSettings (L2 1.1, 6.2.3)."""
        return bool(self.dl_settings & 0x80)

    @property
    def rx_delay_s(self) -> int:
        """Seconds from the end of an uplink to RX1; 0 on the air means 1."""
        return self.rx_delay & 0x0F or 1


def message_type(data: bytes) -> MType:
    """Read MHDR; `Truncated` without one, `Unsupported` for a major version other than R1."""
    if not data:
        raise Truncated("no bytes at all", layer=LAYER, offset=0)
    major = data[0] & 0x03
    if major != MAJOR_R1:
        raise Unsupported(f"major version {major} of LoRaWAN is not defined", layer=LAYER, offset=0)
    return MType(data[0] >> 5)


def parse_data(data: bytes) -> DataFrame:
    """Read a data message; `Truncated` or `BadField` where it breaks its layout (L2 1.1, 4.3)."""
    if len(data) < MIN_DATA:
        raise Truncated(f"{len(data)} bytes are too few for a data message of {MIN_DATA}", layer=LAYER, offset=0)
    mhdr, wire, fctrl, fcnt = DATA_HEADER.unpack_from(data)
    mic_start = len(data) - MIC_SIZE
    position = MHDR_SIZE + FHDR_SIZE
    fopts_end = position + (fctrl & FOPTS_LENGTH)
    if fopts_end > mic_start:
        raise BadField(f"FOptsLen {fctrl & FOPTS_LENGTH} points past the end of the frame", layer=LAYER, offset=5)
    fport = data[fopts_end] if fopts_end < mic_start else None
    if fport == FPORT_MAC and fopts_end > position:
        raise BadField("MAC commands in FOpts and on FPort 0 at once", layer=LAYER, offset=fopts_end)
    payload_start = min(fopts_end + 1, mic_start)
    return DataFrame(
        mtype=MType(mhdr >> 5),
        dev_addr_wire=wire,
        dev_addr=printed(wire),
        fctrl=fctrl,
        fcnt=fcnt,
        fopts=data[position:fopts_end],
        fport=fport,
        payload=data[payload_start:mic_start],
        message=data[:mic_start],
        mic=data[mic_start:],
        payload_start=payload_start,
        mic_start=mic_start,
    )


def parse_join_request(data: bytes) -> JoinRequest:
    """Read a join request of exactly 23 bytes (L2 1.1, 6.2.2)."""
    _exactly(data, (JOIN_REQUEST_SIZE,), "join request")
    fields = JOIN_REQUEST.parse(data)
    return JoinRequest(
        printed(fields.join_eui), printed(fields.dev_eui), fields.dev_nonce, data[:-MIC_SIZE], fields.mic
    )


def parse_rejoin_request(data: bytes) -> RejoinRequest:
    """Read a rejoin request of type 0, 1 or 2 (L2 1.1, 6.2.4)."""
    if len(data) <= MHDR_SIZE:
        raise Truncated("a rejoin request without its type", layer=LAYER, offset=len(data))
    kind = data[MHDR_SIZE]
    schema = REJOIN_SCHEMAS.get(kind)
    if schema is None:
        raise Unsupported(f"rejoin request of type {kind} is not defined", layer=LAYER, offset=MHDR_SIZE)
    _exactly(data, (REJOIN_SIZES[kind],), f"rejoin request of type {kind}")
    fields = schema.parse(data)
    return RejoinRequest(
        type=kind,
        net_id=printed(fields.net_id) if "net_id" in fields else None,
        join_eui=printed(fields.join_eui) if "join_eui" in fields else None,
        dev_eui=printed(fields.dev_eui),
        rj_count=fields.rj_count,
        message=data[:-MIC_SIZE],
        mic=fields.mic,
    )


def check_join_accept_size(data: bytes) -> None:
    """Refuse a join accept of a length that none has (L2 1.1, 6.2.3)."""
    _exactly(data, JOIN_ACCEPT_SIZES, "join accept")


def parse_join_accept(plain: bytes) -> JoinAccept:
    """Read a decrypted join accept, MHDR and MIC included, 17 or 33 bytes."""
    check_join_accept_size(plain)
    fields = JOIN_ACCEPT.parse(plain)
    frequencies: tuple[int, ...] = ()
    masks: tuple[int, ...] = ()
    if len(plain) == JOIN_ACCEPT_SIZES[1]:
        cf_list = plain[-MIC_SIZE - CF_LIST_SIZE : -MIC_SIZE]
        if cf_list[-1] == CF_LIST_TYPE_FREQUENCIES:
            steps = CF_LIST_FREQUENCIES.parse(cf_list).frequencies
            frequencies = tuple(step * FREQUENCY_STEP_HZ for step in steps)
        elif cf_list[-1] == CF_LIST_TYPE_MASKS:
            masks = tuple(CF_LIST_MASKS.parse(cf_list).masks)
    return JoinAccept(
        join_nonce=printed(fields.join_nonce),
        net_id=printed(fields.net_id),
        dev_addr=printed(fields.dev_addr),
        dl_settings=fields.dl_settings,
        rx_delay=fields.rx_delay,
        frequencies_hz=frequencies,
        channel_masks=masks,
        body=plain[MHDR_SIZE:-MIC_SIZE],
        mic=plain[-MIC_SIZE:],
    )


def _exactly(data: bytes, sizes: tuple[int, ...], what: str) -> None:
    if len(data) not in sizes:
        wanted = " or ".join(map(str, sizes))
        kind = Truncated if len(data) < sizes[-1] else BadField
        raise kind(f"{len(data)} bytes where a {what} has {wanted}", layer=LAYER, offset=min(len(data), sizes[-1]))
