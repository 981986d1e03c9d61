"""Packets as OpenMQTTGateway publishes them under `LORAtoMQTT`: one JSON object with the bytes in hex.

It says nothing of channel and spreading factor; what is printable text it publishes as `message` instead, without hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocols.captures.lorawan_frame import looks_like_lorawan
from protocols.captures.model import NotRecognised, Pasted
from protocols.model import Link, RawFrame
from protocols.receivers.lora_radio import reception

KIND: Final = "OpenMQTTGateway packet"
STRONGEST: Final = 1000


def read_object(members: Mapping[str, object]) -> Pasted | None:
    """Return the packet of an object, None when it is another program's; `NotRecognised` when it is no LoRaWAN."""
    if not isinstance(members, dict) or not {"packetSize", "hex"} <= set(members):
        return None
    size, digits = members["packetSize"], members["hex"]
    try:
        data = bytes.fromhex(digits) if isinstance(digits, str) else b""
    except ValueError:
        data = b""
    if not data or size != len(data):
        raise NotRecognised(f"{KIND} whose bytes are not as many as it says", "paste one whole object")
    if not looks_like_lorawan(data):
        raise NotRecognised(
            f"{KIND} of {len(data)} bytes that are not a LoRaWAN frame", "set its sync word to 52 (0x34)"
        )
    rssi, snr = _number(members.get("rssi")), _number(members.get("snr"))
    radio = reception(None, None, None, snr)
    return Pasted(RawFrame(data, None, "", None, None if rssi is None else round(rssi), Link.LORAWAN, radio), KIND)


def _number(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < STRONGEST
    return float(value) if good and isinstance(value, int | float) else None
