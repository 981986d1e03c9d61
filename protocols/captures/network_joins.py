"""Join events of LoRaWAN network servers: who joined, and which DevAddr it got. They hold no frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.captures.network_server import DEV_ADDR_DIGITS, EUI_DIGITS, identifier


@dataclass(frozen=True, slots=True)
class Joined:
    """A device that a network server has just accepted; identifiers in lower-case hex."""

    dev_eui: str
    dev_addr: str | None


def join_of(text: str) -> Joined | None:
    """Return the join that a text tells of, None when it is no join event of a known server."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return None
    ids = members.get("end_device_ids")
    if isinstance(ids, dict) and isinstance(members.get("join_accept"), dict):
        return _joined(ids.get("dev_eui"), ids.get("dev_addr"))
    info = members.get("deviceInfo")
    if isinstance(info, dict) and _is_chirpstack_join(members):
        return _joined(info.get("devEui"), members.get("devAddr"))
    return None


def _is_chirpstack_join(members: Mapping[str, object]) -> bool:
    """ChirpStack names the kind of an event in its topic only; a join alone tells a DevAddr and nothing of radio."""
    return "devAddr" in members and not {"data", "fCnt", "rxInfo", "txInfo", "dr"} & set(members)


def _joined(dev_eui: object, dev_addr: object) -> Joined | None:
    eui = identifier(dev_eui, EUI_DIGITS)
    return None if eui is None else Joined(eui, identifier(dev_addr, DEV_ADDR_DIGITS))
