"""A payload that a network server decrypted, as a line of a capture: an uplink event in ChirpStack's form.

Its bytes alone would say neither whose they are nor that they are no whole frame.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC

from protocols.lorawan.facts import LoraReception
from protocols.model import RawFrame


def payload_line(frame: RawFrame) -> str:
    """Return a frame of link `LORAWAN_PAYLOAD` as a line that `network_server` reads back."""
    lora = frame.lora or LoraReception()
    event: dict[str, object] = {
        "time": None if frame.at is None else frame.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "deviceInfo": _known({"devEui": lora.dev_eui, "deviceProfileName": lora.profile}),
        "devAddr": lora.dev_addr,
        "fCnt": lora.fcnt,
        "fPort": lora.fport,
        "data": base64.b64encode(frame.data).decode(),
        "rxInfo": [_known({"rssi": frame.rssi_dbm, "snr": lora.snr_db})],
        "txInfo": _known({"frequency": lora.frequency_hz, "modulation": {"lora": _modulation(lora)}}),
    }
    return json.dumps(_known(event), separators=(",", ":"))


def _modulation(lora: LoraReception) -> dict[str, object]:
    return _known({"bandwidth": lora.bandwidth_hz, "spreadingFactor": lora.spreading_factor})


def _known(members: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
