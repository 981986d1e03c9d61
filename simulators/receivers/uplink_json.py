"""What network servers write of an uplink and of a join: The Things Stack v3 and ChirpStack v4.

Both leave members out whose value is zero or empty. Not simulated: payload codecs of the server, locations, versions,
and what neither names a device nor says how it was received.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from protocols.lorawan.facts import LoraReception

GATEWAY: Final = "0016c001f153a14c"
APPLICATION: Final = "meters"
TENANT: Final = "simulated"
_NAMESPACE: Final = uuid.UUID("6f1c1f64-6d17-4f0e-9a55-0d6a6f3b1c20")


@dataclass(frozen=True, slots=True)
class Uplink:
    """An uplink that a server decrypted, or, with `joined`, a join that it accepted; identifiers in lower-case hex.

    `model` is the kind of device as the server's registry has it.
    """

    name: str
    dev_eui: str
    join_eui: str
    dev_addr: str
    at: datetime
    rssi_dbm: int
    lora: LoraReception
    payload: bytes = field(default=b"", repr=False)
    fport: int = 0
    fcnt: int = 0
    joined: bool = False
    model: str = ""


class Dialect(Protocol):
    """How one kind of server names the topic of an event, and writes it."""

    def topic(self, uplink: Uplink) -> str:
        """The topic it is published under."""

    def event(self, uplink: Uplink) -> dict[str, object]:
        """The JSON object."""


class ThingsStack:
    """The Things Stack v3."""

    def topic(self, uplink: Uplink) -> str:
        """`v3/<application>@<tenant>/devices/<device>/up` or `join`."""
        word = "join" if uplink.joined else "up"
        return f"v3/{APPLICATION}@{TENANT}/devices/eui-{uplink.dev_eui}/{word}"

    def event(self, uplink: Uplink) -> dict[str, object]:
        """The object of the v3 API, `ApplicationUp`."""
        at = _time(uplink.at)
        event: dict[str, object] = {
            "end_device_ids": {
                "device_id": f"eui-{uplink.dev_eui}",
                "application_ids": {"application_id": APPLICATION},
                "dev_eui": uplink.dev_eui.upper(),
                "join_eui": uplink.join_eui.upper(),
                "dev_addr": uplink.dev_addr.upper(),
            },
            "received_at": at,
        }
        if uplink.joined:
            return event | {"join_accept": {"received_at": at}}
        lora = uplink.lora
        message = {
            "f_port": uplink.fport,
            "f_cnt": uplink.fcnt,
            "frm_payload": _base64(uplink.payload),
            "rx_metadata": [
                {
                    "gateway_ids": {"gateway_id": f"eui-{GATEWAY}", "eui": GATEWAY.upper()},
                    "rssi": uplink.rssi_dbm,
                    "snr": lora.snr_db,
                }
            ],
            "settings": {
                "data_rate": {
                    "lora": {
                        "bandwidth": lora.bandwidth_hz,
                        "spreading_factor": lora.spreading_factor,
                        "coding_rate": "4/5",
                    }
                },
                "frequency": str(lora.frequency_hz),
            },
            "version_ids": {"model_id": uplink.model} if uplink.model else None,
            "received_at": at,
        }
        return event | {"uplink_message": _without_zeros(message)}


class ChirpStack:
    """ChirpStack v4."""

    def topic(self, uplink: Uplink) -> str:
        """`application/<id>/device/<dev eui>/event/up` or `join`."""
        word = "join" if uplink.joined else "up"
        return f"application/{uuid.uuid5(_NAMESPACE, APPLICATION)}/device/{uplink.dev_eui}/event/{word}"

    def event(self, uplink: Uplink) -> dict[str, object]:
        """The object of its integrations, `UplinkEvent` or `JoinEvent`."""
        event: dict[str, object] = {
            "time": _time(uplink.at),
            "deviceInfo": {
                "tenantName": TENANT,
                "applicationName": APPLICATION,
                "deviceProfileName": uplink.model,
                "deviceName": uplink.name,
                "devEui": uplink.dev_eui,
            },
            "devAddr": uplink.dev_addr,
        }
        if uplink.joined:
            return event
        lora = uplink.lora
        message = {
            "dr": lora.data_rate,
            "fCnt": uplink.fcnt,
            "fPort": uplink.fport,
            "data": _base64(uplink.payload),
            "rxInfo": [{"gatewayId": GATEWAY, "rssi": uplink.rssi_dbm, "snr": lora.snr_db}],
            "txInfo": {
                "frequency": lora.frequency_hz,
                "modulation": {
                    "lora": {
                        "bandwidth": lora.bandwidth_hz,
                        "spreadingFactor": lora.spreading_factor,
                        "codeRate": "CR_4_5",
                    }
                },
            },
        }
        return event | _without_zeros(message)


def encode_event(event: Mapping[str, object]) -> bytes:
    """The bytes of an event."""
    return json.dumps(event, separators=(",", ":")).encode()


def _without_zeros(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
