"""Uplinks as network servers hand them on, one JSON object a line: The Things Stack v3, ChirpStack v4, forwarders.

The Things Stack and ChirpStack hand over payloads that they decrypted already; a member that is zero or empty is left
out by both. ChirpStack's gateway events and the packets of forwarders (`rxpk`, `txpk`) hold the whole frame.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from protocols.captures.model import NotRecognised, Pasted, SeveralFrames
from protocols.captures.times import time_in
from protocols.errors import ProtocolError
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.meters.registry import named_meter
from protocols.model import Link, RawFrame
from protocols.plural import counted
from protocols.receivers.events import Damaged
from protocols.receivers.gwmp.packets import Packet, parse_push
from protocols.receivers.lora_radio import mode_text, reception

KIND_TTS: Final = "The Things Stack uplink"
KIND_CHIRPSTACK: Final = "ChirpStack uplink"
KIND_CHIRPSTACK_GATEWAY: Final = "ChirpStack gateway event"
KIND_RXPK: Final = "packet forwarder JSON"

_WRAPS: Final = ("result", "data")
"""Where The Things Stack puts an uplink: in answers of its storage, in events of its console."""

_PACKET: Final = frozenset({"data", "datr", "freq"})
"""Members of a forwarder's packet that stands alone."""

MAX_FPORT: Final = 255
MAX_FCNT: Final = 0xFFFFFFFF
_INSTEAD: Final = "paste one whole uplink event"
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
EUI_DIGITS: Final = 16
DEV_ADDR_DIGITS: Final = 8


def read_object(members: Mapping[str, object]) -> Pasted | None:
    """Return the frame or payload of an uplink, None when no known server wrote it; `NotRecognised` without one."""
    if not isinstance(members, dict):
        return None
    if isinstance(members.get("end_device_ids"), dict):
        return _things_stack(members)
    for wrap in _WRAPS:
        inner = members.get(wrap)
        if isinstance(inner, dict) and isinstance(inner.get("end_device_ids"), dict):
            return _things_stack(inner)
    if isinstance(members.get("deviceInfo"), dict):
        return _chirpstack(members)
    if isinstance(members.get("phyPayload"), str):
        return _chirpstack_gateway(members)
    packets = members.get("rxpk")
    if isinstance(packets, list):
        return _packet(packets)
    sent = members.get("txpk")
    if isinstance(sent, dict):
        return _packet([sent])
    return _packet([members]) if members.keys() >= _PACKET else None


def _things_stack(members: Mapping[str, Any]) -> Pasted:
    ids, uplink = members["end_device_ids"], members.get("uplink_message")
    if not isinstance(uplink, dict):
        raise NotRecognised(f"{KIND_TTS} without uplink_message: an event of another kind", _INSTEAD)
    best = _strongest(uplink.get("rx_metadata"))
    settings = _object(uplink.get("settings"))
    lora = _object(_object(settings.get("data_rate")).get("lora"))
    radio = reception(
        _whole(settings.get("frequency")),
        _whole(lora.get("spreading_factor")),
        _whole(lora.get("bandwidth")),
        _snr(best.get("snr")),
    )
    at = _time(uplink.get("received_at")) or _time(members.get("received_at"))
    identity = (ids.get("dev_eui"), ids.get("dev_addr"), uplink.get("f_port", 0), uplink.get("f_cnt", 0))
    version = _object(uplink.get("version_ids"))
    brand, model = version.get("brand_id"), version.get("model_id")
    radio = replace(radio, profile=_profile(model, f"{brand}-{model}"))
    return _payload(KIND_TTS, uplink.get("frm_payload", ""), identity, radio, best, at)


def _chirpstack(members: Mapping[str, Any]) -> Pasted:
    if "data" not in members and "fCnt" not in members and "rxInfo" not in members:
        raise NotRecognised(f"{KIND_CHIRPSTACK} without data: an event of another kind", _INSTEAD)
    best = _strongest(members.get("rxInfo"))
    identity = (
        members["deviceInfo"].get("devEui"),
        members.get("devAddr"),
        members.get("fPort", 0),
        members.get("fCnt", 0),
    )
    radio = replace(_chirpstack_radio(members, best), profile=_profile(members["deviceInfo"].get("deviceProfileName")))
    return _payload(KIND_CHIRPSTACK, members.get("data", ""), identity, radio, best, _time(members.get("time")))


def _chirpstack_gateway(members: Mapping[str, Any]) -> Pasted:
    info = _object(members.get("rxInfo"))
    data = _base64(members["phyPayload"], KIND_CHIRPSTACK_GATEWAY)
    radio = _chirpstack_radio(members, info)
    frame = _frame(data, Link.LORAWAN, radio, info, _time(info.get("nsTime")) or _time(info.get("gwTime")))
    return Pasted(frame, KIND_CHIRPSTACK_GATEWAY)


def _chirpstack_radio(members: Mapping[str, Any], best: Mapping[str, Any]) -> LoraReception:
    info = _object(members.get("txInfo"))
    lora = _object(_object(info.get("modulation")).get("lora"))
    return reception(
        _whole(info.get("frequency")),
        _whole(lora.get("spreadingFactor")),
        _whole(lora.get("bandwidth")),
        _snr(best.get("snr")),
    )


def _packet(packets: Sequence[object]) -> Pasted:
    """The one packet of a forwarder that can be used: heard (`rxpk`), or to be sent (`txpk`).

    Raises `SeveralFrames` when there are more; what came damaged beside good ones is left out.
    """
    try:
        received = parse_push(json.dumps({"rxpk": packets}).encode())
    except (ProtocolError, RecursionError) as error:
        raise NotRecognised(f"{KIND_RXPK}: {error}", _INSTEAD) from None
    good = [packet for packet in received if isinstance(packet, Packet)]
    damaged = len(packets) - len(good)
    notes = (f"{counted(damaged, 'packet')} left out",) if damaged else ()
    if len(received) == 1 and isinstance(received[0], Damaged):
        raise NotRecognised(f"{KIND_RXPK}: {received[0].reason}", "paste a packet that was received whole")
    if len(good) != 1:
        seen, instead = f"{KIND_RXPK} with {len(good)} good packets", "paste one with a single packet in it"
        pairs = zip(packets, received, strict=False)
        texts = tuple(json.dumps({"rxpk": [one]}) for one, read in pairs if isinstance(read, Packet))
        raise SeveralFrames(seen, instead, texts, notes) if texts else NotRecognised(seen, instead)
    packet = good[0]
    frame = RawFrame(packet.data, packet.at, "", mode_text(packet.lora), packet.rssi_dbm, Link.LORAWAN, packet.lora)
    return Pasted(frame, KIND_RXPK, notes)


def _payload(
    kind: str,
    text: object,
    identity: tuple[object, object, object, object],
    radio: LoraReception,
    best: Mapping[str, Any],
    at: datetime | None,
) -> Pasted:
    dev_eui, dev_addr, fport, fcnt = identity
    data = _base64(text, kind)
    if not data:
        raise NotRecognised(f"{kind} without a payload", "choose an uplink that carries one")
    known = replace(
        radio,
        dev_eui=identifier(dev_eui, EUI_DIGITS),
        dev_addr=identifier(dev_addr, DEV_ADDR_DIGITS),
        fport=_whole(fport, MAX_FPORT),
        fcnt=_whole(fcnt, MAX_FCNT),
    )
    return Pasted(_frame(data, Link.LORAWAN_PAYLOAD, known, best, at), kind)


def _frame(data: bytes, link: Link, lora: LoraReception, best: Mapping[str, Any], at: datetime | None) -> RawFrame:
    rssi = best.get("rssi")
    rssi_dbm = round(rssi) if isinstance(rssi, int | float) and _is_number(rssi) else None
    return RawFrame(data, at, "", mode_text(lora), rssi_dbm, link, lora)


def _profile(*names: object) -> str | None:
    """The first name that a meter has: servers name the kind of a device as whoever set them up liked."""
    return next((name for name in names if isinstance(name, str) and named_meter(name) is not None), None)


def _strongest(received: object) -> Mapping[str, Any]:
    """What the gateway says that heard it best."""
    gateways = [one for one in received if isinstance(one, dict)] if isinstance(received, list) else []
    return max(gateways, key=lambda one: one["rssi"] if _is_number(one.get("rssi")) else -999, default={})


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1000


def _snr(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and _is_number(value) else None


def _whole(value: object, highest: int = 10**10) -> int | None:
    """A whole number; some servers write large ones in quotes."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(highest)):
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest
    return value if good and isinstance(value, int) else None


def identifier(value: object, digits: int) -> str | None:
    """Return an identifier of so many hex digits in lower case; None for anything else."""
    text = value.lower() if isinstance(value, str) else ""
    return text if len(text) == digits and _HEX.fullmatch(text) else None


def _time(value: object) -> datetime | None:
    written = time_in(value) if isinstance(value, str) else None
    return written.at if written is not None and written.zoned else None


def _base64(text: object, kind: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raise NotRecognised(f"{kind} whose payload is not Base64", _INSTEAD) from None
