"""Uplinks of LoRaWAN network servers as capture lines, and LoRaWAN frames as bare hex and Base64."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.captures.lines import parse_lines
from protocols.captures.model import BadLine, CaptureEntry, NotRecognised
from protocols.captures.paste import recognise
from protocols.learned import LearnedDecoder
from protocols.lorawan.facts import LoraReception
from protocols.model import Link

PHY = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
"""The first test frame of the npm package lora-packet; it carries the text `test`."""

CHIRPSTACK = (
    '{"deviceInfo":{"devEui":"0004a30b001a2b3c"},"devAddr":"49be7df1","dr":5,"fCnt":2,"fPort":1,"data":"dGVzdA==",'
    '"rxInfo":[{"gatewayId":"0016c001f153a14c","rssi":-57,"snr":9}],"txInfo":{"frequency":868500000,'
    '"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":7,"codeRate":"CR_4_5"}}}}'
)
THINGS_STACK = json.dumps(
    {
        "end_device_ids": {"device_id": "a", "dev_eui": "0004A30B001A2B3C", "dev_addr": "49BE7DF1"},
        "received_at": "2026-11-20T08:15:31.123456789Z",
        "uplink_message": {
            "f_port": 1,
            "f_cnt": 2,
            "frm_payload": "dGVzdA==",
            "rx_metadata": [{"rssi": -101, "snr": -3.5}, {"rssi": -57, "snr": 9}],
            "settings": {
                "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}},
                "frequency": "868500000",
            },
            "received_at": "2026-11-20T08:15:30.5Z",
        },
    }
)
GATEWAY_EVENT = (
    '{"phyPayload":"QPF9vkkAAgABlUN4disR/w0=","rxInfo":{"rssi":-57,"snr":9},'
    '"txInfo":{"frequency":868500000,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":7}}}}'
)
RXPK = '{"rxpk":[{"freq":868.5,"stat":1,"modu":"LORA","datr":"SF7BW125","rssi":-57,"data":"QPF9vkkAAgABlUN4disR/w0="}]}'

RXPK_ALONE = RXPK.removeprefix('{"rxpk":[').removesuffix("]}")
TXPK = (
    '{"txpk":{"imme":false,"tmst":3512348611,"freq":868.5,"modu":"LORA","datr":"SF7BW125","ipol":true,"size":17,'
    '"data":"IGoUZI4VEqTYFUo0Y3zfU1c="}}'
)

HEARD = LoraReception(5, None, 868_500_000, 7, 125_000, 9.0, "0004a30b001a2b3c", "49be7df1", 1, 2)

MEMBERS = (
    *("deviceInfo", "end_device_ids", "uplink_message", "rxInfo", "rx_metadata", "rssi", "data", "settings"),
    *("frm_payload", "phyPayload", "fCnt", "f_port", "received_at", "frequency", "txInfo", "rxpk"),
    *("txpk", "datr", "freq", "result"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
        )
    ),
    max_leaves=15,
)


@pytest.mark.parametrize(
    ("text", "kind", "at"),
    [
        (CHIRPSTACK, "ChirpStack uplink", None),
        (THINGS_STACK, "The Things Stack uplink", datetime(2026, 11, 20, 8, 15, 30, 500_000, UTC)),
    ],
    ids=["ChirpStack", "The Things Stack"],
)
def test_a_decrypted_uplink_is_a_payload(text: str, kind: str, at: datetime | None) -> None:
    pasted = recognise(text)
    frame = pasted.frame
    assert (pasted.kind, frame.data, frame.link) == (kind, b"test", Link.LORAWAN_PAYLOAD)
    assert (frame.rssi_dbm, frame.mode, frame.at, frame.lora) == (-57, "SF7", at, HEARD)
    telegram = LearnedDecoder().decode(frame)
    assert telegram.lorawan is not None
    assert (telegram.lorawan.dev_eui, telegram.lorawan.fcnt) == ("0004a30b001a2b3c", 2)


@pytest.mark.parametrize("text", [GATEWAY_EVENT, RXPK], ids=["ChirpStack gateway", "packet forwarder"])
def test_a_gateway_event_is_a_whole_frame(text: str) -> None:
    frame = recognise(text).frame
    assert (frame.data, frame.link, frame.rssi_dbm, frame.mode) == (PHY, Link.LORAWAN, -57, "SF7")


@pytest.mark.parametrize("text", [PHY.hex(), "QPF9vkkAAgABlUN4disR/w0="], ids=["hex", "Base64"])
def test_a_bare_frame_is_told_by_type_and_length(text: str) -> None:
    frame = recognise(text).frame
    assert (frame.data, frame.link) == (PHY, Link.LORAWAN)


def test_a_wireless_mbus_frame_that_was_cut_off_is_no_lorawan() -> None:
    assert recognise("4044" + "A511" * 12).frame.link is Link.MBUS


@pytest.mark.parametrize("around", ['{"result":%s}', '{"name":"as.up.data.forward","data":%s}'])
def test_an_uplink_is_found_in_what_the_things_stack_wraps_it_in(around: str) -> None:
    assert recognise(around % THINGS_STACK).frame == recognise(THINGS_STACK).frame


def test_one_packet_of_a_forwarder_may_stand_alone() -> None:
    assert recognise(RXPK_ALONE) == recognise(RXPK)


def test_what_a_forwarder_is_to_send_is_a_frame_too() -> None:
    pasted = recognise(TXPK)
    assert (pasted.kind, pasted.frame.link, pasted.frame.rssi_dbm) == ("packet forwarder JSON", Link.LORAWAN, None)
    assert pasted.frame.data.hex() == "206a14648e1512a4d8154a34637cdf5357"
    assert pasted.frame.lora is not None
    assert (pasted.frame.lora.frequency_hz, pasted.frame.lora.spreading_factor) == (868_500_000, 7)


def test_lines_of_a_packet_forwarders_log() -> None:
    assert recognise(f"JSON up: {RXPK}") == recognise(RXPK)
    assert recognise(f"Nov 20 08:15:30 gw lora_pkt_fwd[512]: JSON down: {TXPK}") == recognise(TXPK)
    with pytest.raises(NotRecognised, match="no JSON"):
        recognise("JSON up: {")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"stat": -1}, "CRC was wrong"), ({"size": 3}, "its size is another"), ({"data": "%"}, "Base64")],
)
def test_a_packet_that_cannot_be_used_says_why(change: dict[str, object], words: str) -> None:
    packet = json.loads(RXPK_ALONE) | change
    for text in (json.dumps(packet), json.dumps({"rxpk": [packet]})):
        with pytest.raises(NotRecognised, match=words):
            recognise(text)


def test_missing_members_are_zero() -> None:
    frame = recognise('{"deviceInfo":{"devEui":"0004a30b001a2b3c"},"fCnt":1,"data":"AQ=="}').frame
    assert frame.lora is not None
    assert (frame.lora.fport, frame.lora.fcnt, frame.lora.frequency_hz) == (0, 1, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"end_device_ids":{},"join_accept":{}}', "event of another kind"),
        ('{"deviceInfo":{},"margin":7}', "event of another kind"),
        ('{"deviceInfo":{},"fCnt":5}', "without a payload"),
        ('{"deviceInfo":{},"data":"%"}', "not Base64"),
        ('{"rxpk":[]}', "0 good packets"),
    ],
)
def test_what_holds_no_payload_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(NotRecognised, match=words):
        recognise(text)


def test_lines_of_servers_are_a_capture() -> None:
    entry, other, bad = parse_lines([CHIRPSTACK, THINGS_STACK, '{"deviceInfo":{},"margin":7}'])
    assert isinstance(entry, CaptureEntry)
    assert isinstance(other, CaptureEntry)
    assert isinstance(bad, BadLine)


@given(JSON)
def test_no_json_makes_it_raise_anything_else(value: object) -> None:
    try:
        recognise(json.dumps({"deviceInfo": value, "data": "AQ==", "rxInfo": value, "txInfo": value}))
        recognise(json.dumps(value))
    except NotRecognised:
        pass
