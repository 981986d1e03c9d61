"""A broker as a source, over TCP: network servers, gateways, who may listen, TLS, brokers that come and go, secrets."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.errors import ConfigError, UsageError
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.mqtt import MqttSource
from fieldtool.sources.mqtt_address import PASSWORD_FILE_VARIABLE, parse_address
from fieldtool.sources.mqtt_message import MAX_PAYLOAD, read_message
from fieldtool.sources.registry import OPTIONS, SOURCES, open_source
from fieldtool.sources.url import parse_url
from protocols.captures.model import NotRecognised
from protocols.learned import LearnedDecoder
from protocols.lorawan.facts import LoraReception
from protocols.model import Link, RawFrame, Telegram
from simulators.bench import Bench
from simulators.mqtt.broker import BrokerPort
from simulators.mqtt.packets import Kind, Message, Packet, text_field
from simulators.mqtt.session import Rules
from simulators.receivers.network_server import ChirpStackServer, NetworkServer
from simulators.scenario import Scenario
from tests.fieldtool.conftest import GAS_HEX, Run

PATIENCE_S = 15.0
PASSWORD = "canary-broker-Qx7"
CONNECT = Packet(Kind.CONNECT, 0, text_field("MQTT") + bytes.fromhex("04 02 003C") + text_field("x"))
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
PHY = "40F17DBE4900020001954378762B11FF0D"


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def broker(
    server: type[NetworkServer] = NetworkServer,
    rules: Rules | None = None,
    tls: ssl.SSLContext | None = None,
    speed: float = 1e-6,
) -> Iterator[Bench]:
    """A broker with a network server at it, whose devices stay silent unless a speed is given."""
    scenario = Scenario.load()
    port = BrokerPort(0, rules=rules, tls=tls)
    with Bench(scenario, server(devices=scenario.devices), port, speed=speed) as running:
        yield running


class Ear:
    """What listens to one address, and what it has heard so far."""

    def __init__(self, url: str) -> None:
        self.source = open_source(url)
        self.listening = Listening([self.source], LearnedDecoder())
        self.telegrams: list[Telegram] = []
        self.events: list[SourceEvent] = []

    def __enter__(self) -> Ear:
        self.listening.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.stop()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time; told: {self.events}"
            news = self.listening.next(0.1)
            if isinstance(news, Heard):
                self.telegrams.append(news.telegram)
            elif isinstance(news, SourceEvent):
                self.events.append(news)

    def told(self) -> bool:
        """Whether the source has told anything."""
        return bool(self.events)

    @property
    def states(self) -> list[SourceState]:
        return [event.state for event in self.events]


def publish(at: str, *messages: tuple[str, bytes], retain: bool = False) -> None:
    """Publish as another client, and wait until the broker has them."""
    host, _, number = at.partition(":")
    with socket.create_connection((host, int(number)), PATIENCE_S) as client:
        packets = [Message(topic, payload, retain=retain).packet() for topic, payload in messages]
        client.sendall(b"".join(packet.to_bytes() for packet in (CONNECT, *packets, Packet(Kind.PINGREQ))))
        answer = b""
        while len(answer) < 6:
            answer += client.recv(64)


@pytest.mark.parametrize("server", [NetworkServer, ChirpStackServer], ids=["the things stack", "chirpstack"])
def test_uplinks_and_joins_of_a_network_server(server: type[NetworkServer]) -> None:
    with broker(server, speed=200.0) as bench, Ear(bench.url()) as ear:
        ear.until(lambda: len({one.lorawan.dev_eui for one in ear.telegrams if one.lorawan}) >= 4)
        ear.until(lambda: len([one for one in ear.events if "joined, DevAddr " in one.detail]) >= 3)
    assert {one.frame.link for one in ear.telegrams} == {Link.LORAWAN_PAYLOAD}
    readings = {reading.name for one in ear.telegrams for reading in one.readings}
    assert {"total_volume", "total_energy"} <= readings
    assert all(one.ok for one in ear.telegrams)
    assert {one.frame.source for one in ear.telegrams} == {"mqtt 127.0.0.1"}
    assert ear.states[0] is SourceState.CONNECTED
    assert ear.events[0].detail.endswith("subscribed to v3/+/devices/+/up and 3 more")


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


def test_other_messages_are_told_of_once_and_passed_over() -> None:
    with broker() as bench, Ear(f"{bench.url()}/house/#") as ear:
        ear.until(lambda: ear.states == [SourceState.CONNECTED])
        hostile = "house/\x1b[2J"
        publish(bench.at, (hostile, b"21.5"), ("house/b", b"ON"), ("other", GAS_HEX.encode()))
        publish(bench.at, ("house/gas", GAS_HEX.encode()), ("house/gas", b"x" * 100_000), ("house/end", PHY.encode()))
        ear.until(lambda: len(ear.telegrams) == 2)
    assert [one.data.hex().upper() for one in ear.telegrams] == [GAS_HEX, PHY]
    useless = [event for event in ear.events if "holds no telegram" in event.detail]
    assert len(useless) == 1
    assert "\x1b" not in useless[0].detail
    assert "name the topic" in useless[0].hint


def test_what_the_broker_kept_has_the_time_of_its_reception() -> None:
    kept = {
        "end_device_ids": {"dev_eui": "70B3D5E75E004213"},
        "uplink_message": {"f_port": 1, "frm_payload": "AAAA", "received_at": "2026-01-02T03:04:05Z"},
    }
    with broker() as bench:
        publish(bench.at, ("v3/a/devices/b/up", json.dumps(kept).encode()), retain=True)
        with Ear(bench.url()) as ear:
            ear.until(lambda: ear.telegrams)
            publish(bench.at, ("v3/a/devices/c/up", json.dumps(kept).encode().replace(b"4213", b"4214")))
            ear.until(lambda: len(ear.telegrams) == 2)
    old, new = (one.frame.at for one in ear.telegrams)
    assert old == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert new is not None
    assert datetime.now(UTC) - new < timedelta(minutes=5)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "broker-password"
    path.write_text(f"{PASSWORD}\n")
    return path


def test_user_and_password(password_file: Path) -> None:
    with broker(rules=Rules(users={"app@tenant": PASSWORD})) as bench:
        for user in ("app@tenant", "app%40tenant"):
            with Ear(f"mqtt://{user}@{bench.at}?password-file={password_file}") as ear:
                ear.until(ear.told)
            assert ear.states == [SourceState.CONNECTED]
            assert "unencrypted" not in ear.events[0].detail


@pytest.mark.parametrize(
    ("user", "detail", "hint"),
    [
        ("app@tenant@", "user or password is wrong", "check the user in the address and the password in the file"),
        ("", "nobody may connect without a user", "write the user in front, mqtt://USER@127.0.0.1:"),
    ],
)
def test_a_wrong_password_is_final(tmp_path: Path, user: str, detail: str, hint: str) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(f"{PASSWORD}-wrong")
    option = f"?password-file={wrong}" if user else ""
    rules = Rules(users={"app@tenant": PASSWORD})
    with broker(rules=rules) as bench, Ear(f"mqtt://{user}{bench.at}{option}") as ear:
        ear.until(ear.told)
        wait_for(lambda: ear.listening.drained)
    (event,) = ear.events
    assert (event.state, event.final) == (SourceState.FAILED, True)
    assert detail in event.detail
    assert hint in event.hint
    assert PASSWORD not in event.detail + event.hint


def test_topics_that_the_broker_refuses() -> None:
    rules = Rules(may_subscribe=lambda name: name.startswith("v3/"))
    with broker(rules=rules) as bench:
        with Ear(bench.url()) as ear:
            ear.until(lambda: ear.events)
        assert "but not to application/+/device/+/event/up and 1 more, which it refuses" in ear.events[0].detail
        with Ear(f"{bench.url()}/secret/%23") as ear:
            ear.until(lambda: ear.events)
        assert (ear.states, ear.events[0].final) == ([SourceState.FAILED], True)
        assert "lets this user hear none of secret/#" in ear.events[0].detail
        assert "name a topic" in ear.events[0].hint


def test_a_broker_that_goes_is_told_of_once_and_picked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldtool.sources.mqtt.BACK_OFF_S", (0.05, 0.1))
    with broker() as bench, Ear(bench.url()) as ear:
        ear.until(lambda: ear.states == [SourceState.CONNECTED])
        bench.unplug()
        ear.until(lambda: ear.states[-1] is SourceState.LOST)
        time.sleep(0.5)
        bench.replug()
        ear.until(lambda: ear.states[-1] is SourceState.RECOVERED)
        publish(bench.at, ("v3/a/devices/b/up", GAS_HEX.encode()))
        ear.until(lambda: ear.telegrams)
    assert ear.states == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED]
    assert "connection was lost" in ear.events[1].detail


@contextmanager
def tcp_server(answer: bytes) -> Iterator[str]:
    """Something that is no broker: it says one thing to everybody, and hangs up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.recv(1000)
                    if answer:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        thread.join()


CONNACK = bytes.fromhex("20020000")
SUBACK = bytes.fromhex("90060001 00000000")
GONE = (SourceState.FAILED, SourceState.LOST)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"", "ended the connection before it answered"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "ended the connection before it answered"),
        (CONNACK, "ended the connection when asked for v3/+/devices/+/up and 3 more"),
        (bytes.fromhex("20020003"), "refuses: "),
        (b"\xff" * 50, "ended the connection before it answered"),
        (CONNACK + SUBACK + b"\x30\xff\xff\xff\xff\xff", "the connection was lost"),
        (CONNACK + SUBACK + bytes.fromhex("300400ff6162"), "the connection was lost"),
        (CONNACK + SUBACK + bytes.fromhex("30050002fffe31"), "the connection was lost"),
    ],
    ids=["silent", "http", "after subscribing", "unavailable", "noise", "bad length", "cut publish", "no utf-8"],
)
def test_something_else_at_the_port(answer: bytes, detail: str) -> None:
    with tcp_server(answer) as at, Ear(f"mqtt://{at}") as ear:
        ear.until(lambda: any(event.state in GONE for event in ear.events))
    failed = next(event for event in ear.events if event.state in GONE)
    assert not failed.final
    assert detail in failed.detail
    assert failed.hint


def test_nobody_there_and_no_such_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    ran = run("listen", f"mqtt://127.0.0.1:{number}", "--seconds", "20")
    assert ran.code == 3
    assert f"127.0.0.1:{number}: nobody answers there" in ran.err
    assert "with TLS it is mqtts://" in ran.err

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    ran = run("listen", "mqtt://no-such-broker.invalid", "--seconds", "20")
    assert ran.code == 3
    assert "there is no computer of this name" in ran.err


def certificates(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """A CA and a broker's certificate under it; returns the CA's file and the broker's TLS."""
    now = datetime.now(UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])

    def certificate(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(ca_name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    authority = (
        certificate(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    named = x509.DNSName(host)
    own = (
        certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, own_file = folder / "ca.pem", folder / "broker.pem"
    ca_file.write_bytes(authority.public_bytes(pem))
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    own_file.write_bytes(plain + own.public_bytes(pem))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own_file)
    return ca_file, tls


# When TLS fails, the library leaves the socket for Python to close.
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
def test_tls_with_a_ca_of_ones_own(tmp_path: Path) -> None:
    ca, tls = certificates(tmp_path, "localhost")
    with broker(tls=tls, speed=200.0) as bench:
        number = bench.at.partition(":")[2]
        with Ear(f"mqtts://localhost:{number}?ca={ca}") as ear:
            ear.until(lambda: ear.telegrams)
        assert ear.states[0] is SourceState.CONNECTED
        for url in (f"mqtts://localhost:{number}", f"mqtts://127.0.0.1:{number}?ca={ca}"):
            with Ear(url) as ear:
                ear.until(ear.told)
            (event,) = ear.events
            assert (event.state, event.final) == (SourceState.FAILED, True)
            assert "its certificate is not trusted" in event.detail
            assert "?ca=FILE" in event.hint
        with Ear(f"mqtt://localhost:{number}") as ear:
            ear.until(lambda: ear.events)
        assert "with TLS it is mqtts://" in ear.events[0].hint
    with broker() as bench, Ear(f"mqtts://{bench.at}?ca={ca}") as ear:
        ear.until(lambda: ear.events)
    assert "without TLS it is mqtt://" in ear.events[0].hint


@pytest.mark.parametrize(("content", "what"), [(None, "No such file"), (b"no PEM", "no certificate in PEM")])
def test_a_file_of_certificates_that_is_none(tmp_path: Path, content: bytes | None, what: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    source = open_source(f"mqtts://localhost?ca={path}")
    with pytest.raises(ConfigError, match=what):
        Listening([source], LearnedDecoder()).start()


@pytest.mark.parametrize(
    ("text", "host", "port", "user", "topics"),
    [
        ("mqtt://broker", "broker", 1883, None, 4),
        ("mqtts://broker", "broker", 8883, None, 4),
        ("mqtts://app@ttn@eu1.example:8883/v3/app@ttn/devices/+/up", "eu1.example", 8883, "app@ttn", 1),
        ("mqtt://app%40ttn@eu1.example/a/%23,b/+", "eu1.example", 1883, "app@ttn", 2),
        ("mqtt://127.0.0.1:18830/v3/a@b/#?qos=1", "127.0.0.1", 18830, None, 1),
        ("mqtt://[::1]:1884/#", "::1", 1884, None, 1),
        ("mqtt://[::1]", "::1", 1883, None, 4),
    ],
)
def test_addresses(text: str, host: str, port: int, user: str | None, topics: int) -> None:
    address = parse_address(parse_url(text, tuple(SOURCES), OPTIONS))
    assert (address.host, address.port, address.user, len(address.topics)) == (host, port, user, topics)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("mqtt://", "names no"),
        ("mqtt:///topic", "names no broker"),
        ("mqtt://h:x/topic", "no port number"),
        ("mqtt://h:70000", "no port number"),
        ("mqtt://h/a#", "no MQTT topic"),
        ("mqtt://h/a/#/b", "no MQTT topic"),
        ("mqtt://h/a+", "no MQTT topic"),
        ("mqtt://h/a,", "no MQTT topic"),
        ("mqtt://h?qos=2", "qos is 0 or 1"),
        ("mqtt://h?ca=x", "unknown option 'ca'"),
    ],
)
def test_addresses_that_are_none(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        open_source(text)


@pytest.mark.parametrize(
    "address",
    [
        "mqtt://user:{}@host",
        "mqtts://user:{}@host:8883/topic?qos=1",
        "mqtts://app@tenant:{}@host:8883/topic",
        "mqtt://:{}@host",
        "mqtt://user:{}",
        "mqtt://user:12/{}@host",
        "mqtt://user:{}/x@host/topic",
        "mqtx://user:{}@host",
        "gwmp://user:{}@host",
        "mqtt://user@host?password={}",
        "mqtt://user@host?qos=1&pw={}",
        "mqtt://user@host?password-file=x&token={}",
        "sim:demo?speed=1&secret={}",
    ],
)
def test_a_password_in_an_address_is_refused_and_never_repeated(run: Run, address: str) -> None:
    ran = run("--verbose", "listen", address.format(PASSWORD), "--seconds", "1")
    assert ran.code == 2
    assert PASSWORD not in ran.out + ran.err


def test_the_password_is_shown_nowhere(run: Run, password_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with broker(rules=Rules(users={"ann": PASSWORD}), speed=200.0) as bench:
        url = f"mqtt://ann@{bench.at}"
        ran = run("--verbose", "listen", url, "--json", "--seconds", "3", "--mqtt-password-file", password_file)
        monkeypatch.setenv(PASSWORD_FILE_VARIABLE, str(password_file))
        with Ear(url) as ear:
            ear.until(lambda: ear.telegrams)
    assert ran.code == 0
    assert "connected: 127.0.0.1" in ran.err
    assert PASSWORD not in ran.out + ran.err + repr(ear.events) + repr(ear.telegrams)


def test_values_that_carry_the_password_do_not_show_it(password_file: Path) -> None:
    url = parse_url(f"mqtt://ann@h?password-file={password_file}", tuple(SOURCES), OPTIONS)
    source = open_source(f"mqtt://ann@h?password-file={password_file}")
    assert isinstance(source, MqttSource)
    assert PASSWORD not in repr(source) + repr(url) + source.name + repr(Rules(users={"ann": PASSWORD}))


@pytest.mark.parametrize(
    ("content", "user", "what"),
    [(None, "ann@", "No such file"), (b"", "ann@", "is empty"), (b"\xff", "ann@", "no UTF-8"), (b"x", "", "a user")],
)
def test_password_files_that_cannot_be_used(tmp_path: Path, content: bytes | None, user: str, what: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=what):
        open_source(f"mqtt://{user}h", defaults={"password-file": str(path)})


def test_a_probe_says_what_it_is_subscribed_to(run: Run, password_file: Path) -> None:
    with broker(rules=Rules(users={"ann": PASSWORD})) as bench:
        ran = run("receivers", "probe", f"mqtt://ann@{bench.at}/a/%23", "--mqtt-password-file", password_file)
    assert ran.code == 0
    assert "subscribed to a/#" in ran.out
