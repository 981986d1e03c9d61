"""The Semtech UDP gateway protocol: datagrams and packets both ways, and whatever a network may throw at it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadField, ProtocolError, Truncated
from protocols.lorawan.facts import LoraReception
from protocols.receivers.events import Damaged
from protocols.receivers.gwmp import Kind, Packet, acknowledge, parse_datagram, parse_push, push_body

GATEWAY = "0016c001f153a14c"
PHY = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
"""The first test frame of the npm package lora-packet."""

EXAMPLE = (
    b'{"rxpk":[{"tmst":3512348611,"time":"2024-05-01T10:00:00.000000Z","chan":2,"rfch":0,"freq":868.5,"stat":1,'
    b'"modu":"LORA","datr":"SF7BW125","codr":"4/5","rssi":-57,"lsnr":9.0,"size":17,"data":"QPF9vkkAAgABlUN4disR/w0="}]}'
)
PUSH = bytes.fromhex("02A1B2000016C001F153A14C") + EXAMPLE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rxpk", "data", "freq", "time", "rssi", "rsig", "rssic", "modu", "datr", "size", "stat"]),
            inner,
        )
    ),
    max_leaves=12,
)


def example(**members: object) -> bytes:
    packet = json.loads(EXAMPLE)["rxpk"][0] | members
    return json.dumps({"rxpk": [{name: value for name, value in packet.items() if value is not None}]}).encode()


def test_a_push_is_read_and_acknowledged() -> None:
    datagram = parse_datagram(PUSH)
    assert (datagram.kind, datagram.gateway, datagram.token.hex()) == (Kind.PUSH_DATA, GATEWAY, "a1b2")
    assert acknowledge(datagram) == bytes.fromhex("02A1B201")
    (packet,) = parse_push(datagram.body)
    assert packet == Packet(
        PHY, -57, LoraReception(5, None, 868_500_000, 7, 125_000, 9.0), datetime(2024, 5, 1, 10, tzinfo=UTC)
    )
    assert parse_push(push_body([packet])) == [packet]
    assert datagram.to_bytes() == PUSH


def test_a_packet_is_built_with_all_that_forwarders_send() -> None:
    sent = json.loads(EXAMPLE)["rxpk"][0]
    (packet,) = parse_push(EXAMPLE)
    assert isinstance(packet, Packet)
    built = json.loads(push_body([packet]))["rxpk"][0]
    assert list(built) == list(sent)
    assert built | {"tmst": sent["tmst"]} == sent
    assert 0 <= built["tmst"] < 1 << 32
    (downlink,) = parse_push(example(freq=869.525, time=None))
    assert isinstance(downlink, Packet)
    assert {"tmst", "time", "chan"}.isdisjoint(json.loads(push_body([downlink]))["rxpk"][0])


def test_a_pull_of_version_1_is_acknowledged_in_version_1() -> None:
    pull = parse_datagram(bytes.fromhex("01BEEF02") + bytes.fromhex(GATEWAY))
    assert acknowledge(pull) == bytes.fromhex("01BEEF04")


def test_a_transmission_report_needs_no_answer() -> None:
    assert acknowledge(parse_datagram(bytes.fromhex("02000005") + bytes.fromhex(GATEWAY))) is None


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ("02A1B2", Truncated, "too few"),
        ("03A1B200", BadField, "version 3"),
        ("02A1B209", BadField, "identifier 0x09"),
        ("02A1B2000016", Truncated, "EUI"),
    ],
)
def test_what_is_no_datagram_is_refused(data: str, kind: type[ProtocolError], words: str) -> None:
    with pytest.raises(kind, match=words):
        parse_datagram(bytes.fromhex(data))


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"rxpk": 5}', b"\xff", b"[" * 100_000])
def test_what_is_no_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadField):
        parse_push(body)


def test_a_body_with_status_only_holds_no_packets() -> None:
    assert parse_push(b'{"stat": {"rxnb": 2}}') == []


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"stat": -1}, "CRC was wrong"),
        ({"modu": "OOK"}, "modulation"),
        ({"modu": ["LORA"]}, "modulation"),
        ({"size": 18}, "size"),
        ({"data": "%"}, "Base64"),
        ({"data": None}, "Base64"),
    ],
)
def test_a_bad_packet_is_told(members: dict[str, object], reason: str) -> None:
    (damaged,) = parse_push(example(**members))
    assert isinstance(damaged, Damaged)
    assert reason in damaged.reason


def test_padding_may_be_missing_and_downlinks_have_no_crc() -> None:
    (packet,) = parse_push(example(data="QPF9vkkAAgABlUN4disR/w0", stat=0, size=None, time=None))
    assert isinstance(packet, Packet)
    assert (packet.data, packet.stat, packet.at) == (PHY, 0, None)


def test_frames_in_fsk_have_a_number_as_data_rate() -> None:
    (packet,) = parse_push(example(modu="FSK", datr=50000, freq=868.8))
    assert isinstance(packet, Packet)
    assert (packet.data, packet.lora.spreading_factor, packet.lora.frequency_hz) == (PHY, None, 868_800_000)
    assert packet.lora.data_rate == 7
    assert parse_push(push_body([packet])) == [packet]


def test_frames_in_lr_fhss_are_taken_too() -> None:
    (packet,) = parse_push(example(modu="LR-FHSS", datr="M0CW137"))
    assert isinstance(packet, Packet)
    assert (packet.data, packet.lora.data_rate) == (PHY, None)


def test_strength_may_stand_by_antenna() -> None:
    antennas = [{"ant": 0, "chan": 7, "rssic": -110, "lsnr": 2.0}, {"ant": 1, "chan": 7, "rssic": -60, "lsnr": 8.5}]
    (packet,) = parse_push(example(rssi=None, lsnr=None, rsig=antennas))
    assert isinstance(packet, Packet)
    assert (packet.rssi_dbm, packet.lora.snr_db) == (-60, 8.5)


@given(JSON)
def test_no_json_makes_it_raise_anything_else(value: object) -> None:
    try:
        received = parse_push(json.dumps({"rxpk": [value]}).encode())
        parse_push(push_body([packet for packet in received if isinstance(packet, Packet)]))
        parse_push(json.dumps(value).encode())
    except BadField:
        pass


@given(st.binary(max_size=40))
def test_no_bytes_make_it_raise_anything_else(data: bytes) -> None:
    try:
        datagram = parse_datagram(data)
    except ProtocolError:
        return
    assert parse_datagram(datagram.to_bytes()) == datagram
