"""The JSON body of PUSH_DATA: received packets (`rxpk`) with their radio facts; what else it holds is passed over."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from protocols.errors import BadField
from protocols.lorawan.facts import LoraReception
from protocols.receivers.events import Damaged
from protocols.receivers.gwmp.datagram import LAYER
from protocols.receivers.lora_radio import EU868_FSK_RATE, data_rate_text, is_eu868, radio_of, reception

MAX_PACKETS: Final = 256
"""Packets of one datagram that are looked at; a concentrator hands over at most 16 at a time."""

LORA: Final = "LORA"
FSK: Final = "FSK"
FSK_BITS_PER_S: Final = 50_000
MODULATIONS: Final = (LORA, FSK, "LR-FHSS")
"""What LoRaWAN sends in (Regional Parameters, 2.4); the bytes are of one kind in all of them."""

CRC_OK: Final = 1
NO_CRC: Final = 0
CRC_BAD: Final = -1
HZ: Final = 1_000_000

CHAINS: Final[Mapping[int, tuple[int, int]]] = {
    868_100_000: (0, 0),
    868_300_000: (1, 0),
    868_500_000: (2, 0),
    867_100_000: (3, 1),
    867_300_000: (4, 1),
    867_500_000: (5, 1),
    867_700_000: (6, 1),
    867_900_000: (7, 1),
}
"""Receive chain and radio of a gateway for region EU868, by frequency in Hz."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: PHYPayload, strength, radio facts, and the gateway's own time where it has one.

    `stat` is 1 for a good CRC and 0 for none, which is what downlinks have.
    """

    data: bytes = field(repr=False)
    rssi_dbm: int | None
    lora: LoraReception
    at: datetime | None = None
    stat: int = CRC_OK


Received: TypeAlias = Packet | Damaged


def parse_push(body: bytes) -> list[Received]:
    """Return the packets of a body, each good or with what is wrong with it; `BadField` when it is no JSON object."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        raise BadField("the body is no JSON", layer=LAYER, offset=0) from None
    if not isinstance(members, dict):
        raise BadField("the body is not a JSON object", layer=LAYER, offset=0)
    packets = members.get("rxpk", [])
    if not isinstance(packets, list):
        raise BadField("rxpk is not a list", layer=LAYER, offset=0)
    return [_received(packet) for packet in packets[:MAX_PACKETS]]


def _received(packet: object) -> Received:
    if not isinstance(packet, dict):
        return Damaged("a packet of rxpk is not an object", b"")
    text = packet.get("data")
    data = _base64(text) if isinstance(text, str) else None
    if data is None:
        return Damaged("a packet's data are not Base64", b"")
    if packet.get("stat", CRC_OK) == CRC_BAD:
        return Damaged("the packet's CRC was wrong", data)
    if packet.get("modu", LORA) not in MODULATIONS:
        return Damaged("the packet's modulation is none of LoRaWAN's", data)
    size = packet.get("size", len(data))
    if size != len(data):
        return Damaged(f"the packet has {len(data)} bytes, its size is another", data)
    return _packet(packet, data)


def _packet(packet: Mapping[str, Any], data: bytes) -> Packet:
    spreading_factor, bandwidth_hz = radio_of(str(packet.get("datr"))) or (None, None)
    frequency = _number(packet.get("freq"))
    rssi, snr = _strength(packet)
    lora = reception(None if frequency is None else round(frequency * HZ), spreading_factor, bandwidth_hz, snr)
    if packet.get("modu") == FSK and is_eu868(lora.frequency_hz):
        lora = replace(lora, data_rate=EU868_FSK_RATE)
    return Packet(
        data,
        None if rssi is None else round(rssi),
        lora,
        _time(packet.get("time")),
        NO_CRC if packet.get("stat") == NO_CRC else CRC_OK,
    )


def _strength(packet: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Strength and signal to noise ratio: the packet's, or those of the antenna that heard it best."""
    rssi, snr = _number(packet.get("rssi")), _number(packet.get("lsnr"))
    antennas = packet.get("rsig")
    if rssi is not None or not isinstance(antennas, list):
        return rssi, snr
    heard = [
        (strength, _number(antenna.get("lsnr")))
        for antenna in antennas
        if isinstance(antenna, dict) and (strength := _number(antenna.get("rssic"))) is not None
    ]
    return max(heard, key=lambda one: one[0], default=(rssi, snr))


def _base64(text: str) -> bytes | None:
    """Decode Base64, whose padding some forwarders leave out."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _number(value: object) -> float | None:
    """A number that can be used, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= HZ:
        return None
    return float(value) if math.isfinite(value) else None


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def push_body(packets: Sequence[Packet]) -> bytes:
    """Build the body that a gateway sends; the inverse of `parse_push`."""
    return json.dumps({"rxpk": [_members(packet) for packet in packets]}, separators=(",", ":")).encode()


def _members(packet: Packet) -> dict[str, object]:
    lora, at = packet.lora, packet.at
    chain = CHAINS.get(lora.frequency_hz or 0)
    rate: int | str | None = None
    if lora.data_rate == EU868_FSK_RATE:
        rate = FSK_BITS_PER_S
    elif lora.spreading_factor is not None and lora.bandwidth_hz is not None:
        rate = data_rate_text(lora.spreading_factor, lora.bandwidth_hz)
    members = {
        "tmst": None if at is None else (at - _EPOCH) // _MICROSECOND % (1 << 32),
        "time": None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "chan": None if chain is None else chain[0],
        "rfch": None if chain is None else chain[1],
        "freq": None if lora.frequency_hz is None else lora.frequency_hz / HZ,
        "stat": packet.stat,
        "modu": FSK if rate == FSK_BITS_PER_S else LORA,
        "datr": rate,
        "codr": "4/5",
        "rssi": packet.rssi_dbm,
        "lsnr": lora.snr_db,
        "size": len(packet.data),
        "data": base64.b64encode(packet.data).decode(),
    }
    return {name: value for name, value in members.items() if value is not None}
