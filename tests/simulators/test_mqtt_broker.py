"""The broker: packets and topics as MQTT 3.1.1 has them, who may connect and hear, and clients that misbehave."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protocols.captures.network_joins import Joined, join_of
from protocols.captures.paste import recognise
from protocols.model import Link
from simulators.air import Air
from simulators.bench import Bench
from simulators.errors import PortError
from simulators.mqtt.broker import MAX_OUT, BrokerPort
from simulators.mqtt.packets import MAX_BODY, BadPacket, Kind, Message, Packet, PacketStream, text_field
from simulators.mqtt.session import ClientSession, Rules
from simulators.mqtt.topics import is_filter, matches
from simulators.ports import open_port
from simulators.receivers.device import device
from simulators.receivers.network_server import ChirpStackServer, NetworkServer
from simulators.scenario import Faults, Scenario

STARTS = datetime(2026, 11, 20, 8, tzinfo=UTC)
CONNECT = Packet(Kind.CONNECT, 0, text_field("MQTT") + bytes.fromhex("04 02 003C") + text_field("x"))
PATIENCE_S = 10.0


def connect_as(user: str, password: bytes | None) -> Packet:
    flags = 0x82 if password is None else 0xC2
    given = b"" if password is None else len(password).to_bytes(2, "big") + password
    head = text_field("MQTT") + bytes((4, flags, 0, 60)) + text_field("x")
    return Packet(Kind.CONNECT, 0, head + text_field(user) + given)


def subscribe(*filters: str, qos: int = 0) -> Packet:
    body = b"\0\7" + b"".join(text_field(name) + bytes((qos,)) for name in filters)
    return Packet(Kind.SUBSCRIBE, 2, body)


def sent(session: ClientSession) -> list[tuple[Kind, bytes]]:
    packets = [(packet.kind, packet.body) for packet in PacketStream().feed(bytes(session.out))]
    session.out.clear()
    return packets


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (MAX_BODY, "808010")],
)
def test_lengths_as_in_table_2_4_of_the_standard(size: int, length: str) -> None:
    packet = Packet(Kind.PUBLISH, 1, bytes(size))
    data = packet.to_bytes()
    assert data[:1] + data[1 : 1 + len(length) // 2] == bytes((0x31,)) + bytes.fromhex(length)
    assert PacketStream().feed(data) == [packet]


def test_packets_byte_by_byte_and_many_at_once() -> None:
    packets = [CONNECT, subscribe("a/#"), Message("a/b", b"x" * 300, 1).packet(5), Packet(Kind.PINGREQ)]
    data = b"".join(packet.to_bytes() for packet in packets)
    stream = PacketStream()
    assert [packet for byte in data for packet in stream.feed(bytes((byte,)))] == packets
    assert PacketStream().feed(data) == packets


@pytest.mark.parametrize("data", ["00", "F000", "30FFFFFFFF7F", "30FFFFFFFFFF", "10818010" + "00" * 9])
def test_bytes_that_are_no_packet(data: str) -> None:
    with pytest.raises(BadPacket):
        PacketStream().feed(bytes.fromhex(data) + bytes(2))


@pytest.mark.parametrize(
    ("name", "topic", "fits"),
    [
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("sport/tennis/#", "sport/tennis", True),
        ("sport/tennis/#", "sport/tennis/player1/ranking", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "a/b", True),
        ("#", "$SYS/load", False),
        ("+/load", "$SYS/load", False),
        ("$SYS/#", "$SYS/load", True),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("v3/+/devices/+/up", "v3/app@tenant/devices/eui-1/up", True),
        ("v3/+/devices/+/up", "v3/app@tenant/devices/eui-1/join", False),
    ],
)
def test_filters_as_in_4_7_of_the_standard(name: str, topic: str, fits: bool) -> None:
    assert is_filter(name)
    assert matches(name, topic) is fits


@pytest.mark.parametrize("name", ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "a/+b", "a\0"])
def test_filters_that_are_none(name: str) -> None:
    assert not is_filter(name)


def test_a_session_subscribes_pings_and_leaves() -> None:
    session = ClientSession()
    session.receive(CONNECT.to_bytes() + subscribe("a/+", "a/#/b", qos=2).to_bytes() + b"\xc0\0")
    assert sent(session) == [
        (Kind.CONNACK, b"\0\0"),
        (Kind.SUBACK, bytes.fromhex("0007 01 80")),
        (Kind.PINGRESP, b""),
    ]
    assert session.deliver(Message("a/b", b"x", 1))
    assert session.deliver(Message("a/b", b"y", 0))
    assert not session.deliver(Message("b/b", b"x"))
    assert sent(session) == [(Kind.PUBLISH, b"\0\3a/b\0\1x"), (Kind.PUBLISH, b"\0\3a/by")]
    session.receive(Packet(Kind.UNSUBSCRIBE, 2, b"\0\x08" + text_field("a/+")).to_bytes())
    assert not session.deliver(Message("a/b", b"x"))
    assert sent(session) == [(Kind.UNSUBACK, b"\0\x08")]
    session.receive(b"\xe0\0")
    assert session.over


def test_what_a_client_publishes_is_handed_on_and_confirmed() -> None:
    session = ClientSession()
    session.receive(CONNECT.to_bytes())
    session.out.clear()
    messages = [Message("t", b"1", 0, retain=True), Message("t", b"2", 1)]
    assert session.receive(messages[0].packet().to_bytes() + messages[1].packet(9).to_bytes()) == messages
    assert sent(session) == [(Kind.PUBACK, b"\0\x09")]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (connect_as("ann", b"right"), 0),
        (connect_as("ann", b"wrong"), 4),
        (connect_as("ann", None), 4),
        (connect_as("bob", b"right"), 4),
        (connect_as("bob", b""), 4),
        (CONNECT, 5),
    ],
    ids=["right", "wrong", "no password", "unknown user", "unknown user without", "nobody"],
)
def test_who_may_connect(packet: Packet, code: int) -> None:
    session = ClientSession(Rules(users={"ann": "right"}))
    session.receive(packet.to_bytes())
    assert sent(session) == [(Kind.CONNACK, bytes((0, code)))]
    assert session.over is (code != 0)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        subscribe("#").to_bytes(),
        CONNECT.to_bytes() * 2,
        CONNECT.to_bytes() + Packet(Kind.PUBLISH, 4, b"\0\1t\0\1").to_bytes(),
        CONNECT.to_bytes() + Packet(Kind.PUBLISH, 0, b"\0\x09t").to_bytes(),
        Packet(Kind.CONNECT, 0, text_field("MQIsdp") + b"\3\2\0\0\0\0").to_bytes(),
        CONNECT.to_bytes() + Packet(Kind.PUBLISH, 0, b"\0\2\xff\xff").to_bytes(),
    ],
    ids=["http", "not connected", "twice", "qos 2", "cut", "3.1", "no utf-8"],
)
def test_what_is_not_allowed_ends_the_connection(data: bytes) -> None:
    session = ClientSession()
    session.receive(data)
    assert session.over


def test_noise_never_raises() -> None:
    rng = random.Random(3)
    for _ in range(300):
        session = ClientSession()
        session.receive(rng.choice([b"", CONNECT.to_bytes()]) + rng.randbytes(200))


class Client:
    """A client made of a socket and packets."""

    def __init__(self, at: str) -> None:
        host, _, number = at.partition(":")
        self._socket = socket.create_connection((host, int(number)), PATIENCE_S)
        self._stream = PacketStream()

    def send(self, *packets: Packet) -> None:
        self._socket.sendall(b"".join(packet.to_bytes() for packet in packets))

    def read(self, count: int) -> list[Packet]:
        packets: list[Packet] = []
        while len(packets) < count and (data := self._socket.recv(4096)):
            packets += self._stream.feed(data)
        return packets

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    scenario = Scenario.load()
    with Bench(scenario, NetworkServer(devices=scenario.devices), BrokerPort(0), speed=200.0) as running:
        yield running


@pytest.fixture
def connect(bench: Bench) -> Iterator[Callable[[], Client]]:
    clients: list[Client] = []

    def open_client() -> Client:
        clients.append(Client(bench.at))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


def test_several_clients_hear_each_other_and_what_was_retained(connect: Callable[[], Client]) -> None:
    first, second = connect(), connect()
    first.send(CONNECT, Message("a/kept", b"old", retain=True).packet(), Packet(Kind.PINGREQ))
    assert [packet.kind for packet in first.read(2)] == [Kind.CONNACK, Kind.PINGRESP]
    first.send(subscribe("a/#"))
    assert [packet.kind for packet in first.read(2)] == [Kind.SUBACK, Kind.PUBLISH]
    second.send(CONNECT, Message("a/b", b"new").packet(), subscribe("a/kept"))
    (heard,) = first.read(1)
    assert Message.of(heard)[0] == Message("a/b", b"new")
    late = second.read(3)[-1]
    assert Message.of(late)[0] == Message("a/kept", b"old", retain=True)


def test_a_client_that_does_not_read_is_hung_up_on(bench: Bench, connect: Callable[[], Client]) -> None:
    deaf, busy = connect(), connect()
    deaf.send(CONNECT, subscribe("flood"))
    deaf.read(2)
    busy.send(CONNECT)
    big = Message("flood", bytes(200_000)).packet()
    assert isinstance(bench.port, BrokerPort)
    deadline = time.monotonic() + PATIENCE_S
    sent_bytes = 0
    while "flood" in bench.port.subscriptions and time.monotonic() < deadline:
        busy.send(big)
        sent_bytes += len(big.body)
    assert "flood" not in bench.port.subscriptions
    assert sent_bytes > MAX_OUT
    busy.send(Packet(Kind.PINGREQ))
    assert busy.read(2)[-1].kind is Kind.PINGRESP


@pytest.mark.parametrize("server", [NetworkServer, ChirpStackServer])
def test_a_server_publishes_what_its_devices_send_and_nothing_of_others(server: type[NetworkServer]) -> None:
    scenario = Scenario.load()
    own = [one for one in scenario.devices if one.name != scenario.devices[0].name]
    peer = server(devices=own)
    air = Air(scenario, STARTS)
    while air.next_at < STARTS.replace(minute=5):
        for transmission in air.advance(air.next_at):
            peer.hear(transmission, 0.0)
    joins: set[str] = set()
    devices: set[str] = set()
    for piece in peer.due(0.0):
        (packet,) = PacketStream().feed(piece)
        message, _ = Message.of(packet)
        text = message.payload.decode()
        joined = join_of(text)
        if joined is not None:
            joins.add(joined.dev_eui)
            assert message.topic.endswith("/join")
            continue
        frame = recognise(text).frame
        assert frame.link is Link.LORAWAN_PAYLOAD
        assert frame.lora is not None
        devices.add(frame.lora.dev_eui or "")
        assert frame.lora.profile is not None
        assert frame.rssi_dbm is not None
        assert frame.lora.data_rate is not None
        assert message.topic.endswith("/up")
    assert devices == {one.dev_eui for one in own}
    assert joins == {one.dev_eui for one in own if not one.dev_addr}
    assert peer.counters.not_its_own > 0
    assert peer.next_due_s is None


def test_a_damaged_packet_is_never_published() -> None:
    scenario = Scenario.load()
    peer = NetworkServer(devices=scenario.devices)
    air = Air(replace(scenario, faults=Faults(bit_errors=1.0)), STARTS)
    for transmission in air.advance(STARTS.replace(minute=2)):
        peer.hear(transmission, 0.0)
    assert peer.due(0.0) == []
    assert peer.counters.crc_errors == peer.counters.heard > 0


@pytest.mark.parametrize(
    ("event", "joined"),
    [
        (
            {"end_device_ids": {"dev_eui": "70B3D5E75E004213", "dev_addr": "26C9256E"}, "join_accept": {}},
            Joined("70b3d5e75e004213", "26c9256e"),
        ),
        ({"end_device_ids": {"dev_eui": "70B3D5E75E004213"}, "join_accept": {}}, Joined("70b3d5e75e004213", None)),
        ({"deviceInfo": {"devEui": "70b3d5e75e004213"}, "devAddr": "26c9256e"}, Joined("70b3d5e75e004213", "26c9256e")),
        ({"deviceInfo": {"devEui": "70b3d5e75e004213"}, "devAddr": "26c9256e", "fCnt": 3}, None),
        ({"deviceInfo": {"devEui": "70b3d5e75e004213"}, "batteryLevel": 3}, None),
        ({"end_device_ids": {"dev_eui": "70b3"}, "join_accept": {}}, None),
        ({"end_device_ids": {"dev_eui": "70B3D5E75E004213"}, "uplink_message": {}}, None),
    ],
)
def test_join_events_are_told_apart(event: dict[str, object], joined: Joined | None) -> None:
    assert join_of(json.dumps(event)) == joined


@pytest.mark.parametrize("text", ["", "{", "40F17DBE49", "[1]", "{" * 5000, '{"a": ' * 3000])
def test_other_texts_are_no_join(text: str) -> None:
    assert join_of(text) is None


def test_ports_in_words() -> None:
    assert isinstance(open_port("mqtt:0", 9600), BrokerPort)
    assert open_port("mqtt", 9600).address == "127.0.0.1:1883"
    for at in ("mqtt:70000", "mqtt:x", "mqtt:-1"):
        with pytest.raises(PortError):
            open_port(at, 9600)
    scenario = Scenario.load()
    with pytest.raises(PortError, match="does not stand at 'pty'"):
        Bench.of(scenario, "mqtt", "pty")
    bench = Bench.of(scenario, "mqtt-chirpstack", "mqtt:0")
    assert bench.url().startswith("mqtt://127.0.0.1:")
    assert isinstance(device("mqtt-chirpstack"), ChirpStackServer)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(PortError, match=str(number)):
            BrokerPort(number).plug()
