"""What a message of a broker holds: telegrams in every form, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.sources.mqtt_message import MAX_PAYLOAD, read_message
from protocols.captures.model import NotRecognised
from protocols.lorawan.facts import LoraReception
from protocols.model import Link, RawFrame
from tests.fieldtool.conftest import GAS_HEX
from tests.fieldtool.mqtt_bench import PHY

JSON = st.dictionaries(
    st.sampled_from(["end_device_ids", "join_accept", "deviceInfo", "devAddr", "hex", "packetSize", "uplink_message"]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["dev_eui", "devEui", "f_port", "frm_payload", "settings"]), inner)
        ),
        max_leaves=6,
    ),
)


def test_messages_in_every_form_that_decode_takes() -> None:
    messages = [
        GAS_HEX.encode(),
        bytes.fromhex(GAS_HEX),
        json.dumps({"model": "Wireless-MBus", "data": GAS_HEX}).encode(),
        f"{GAS_HEX}\n{GAS_HEX}\n".encode(),
        f"telegram=|{GAS_HEX}|+1".encode(),
        PHY.encode(),
        b'{"rssi":-57,"snr":9,"pferror":-29116,"packetSize":17,"hex":"' + PHY.encode() + b'"}',
    ]
    frames = [frame for payload in messages for frame in _frames(payload)]
    assert [frame.data.hex().upper() for frame in frames] == [GAS_HEX] * 6 + [PHY] * 2
    assert [frame.link for frame in frames] == [Link.MBUS] * 6 + [Link.LORAWAN] * 2
    assert (frames[-1].rssi_dbm, frames[-1].lora) == (-57, LoraReception(snr_db=9.0))


def test_all_packets_of_a_gateways_message() -> None:
    packet = {"freq": 868.5, "datr": "SF7BW125", "data": "QPF9vkkAAgABlUN4disR/w0="}
    for payload in ({"rxpk": [packet, packet]}, [packet, packet]):
        assert [frame.data.hex().upper() for frame in _frames(json.dumps(payload).encode())] == [PHY] * 2


def _frames(payload: bytes) -> tuple[RawFrame, ...]:
    held = read_message(payload)
    assert isinstance(held, tuple)
    return held


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\n" * 5,
        b"ON",
        b"21.5",
        b"1234567890",
        b"1\n2",
        b"\xff\xfe\x00",
        bytes(300),
        b"{",
        b"[]",
        b'{"temperature": 21.5}',
        b'{"deviceInfo": {}, "batteryLevel": 3}',
        b'{"packetSize": 17, "hex": "40F1"}',
        b'{"packetSize": 2, "hex": 40}',
        b'{"packetSize": 3, "hex": "FFFFFF"}',
        b"x" * (MAX_PAYLOAD + 1),
    ],
    ids=lambda payload: payload[:12].hex() or "nothing",
)
def test_messages_of_other_things_are_no_telegrams(payload: bytes) -> None:
    with pytest.raises(NotRecognised):
        read_message(payload)


@given(
    st.binary(max_size=80) | st.text(max_size=80).map(str.encode) | JSON.map(lambda value: json.dumps(value).encode())
)
def test_no_message_raises_anything_else(payload: bytes) -> None:
    try:
        held = read_message(payload)
    except NotRecognised:
        return
    assert held is not None
