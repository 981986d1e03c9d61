"""What tests of MQTT share: a broker with a network server at it, what listens to it, and what publishes."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from protocols.model import Telegram
from simulators.bench import Bench
from simulators.mqtt.broker import BrokerPort
from simulators.mqtt.packets import Kind, Message, Packet, text_field
from simulators.mqtt.session import Rules
from simulators.receivers.network_server import NetworkServer
from simulators.scenario import Scenario

PATIENCE_S = 15.0


PASSWORD = "canary-broker-Qx7"


CONNECT = Packet(Kind.CONNECT, 0, text_field("MQTT") + bytes.fromhex("04 02 003C") + text_field("x"))


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
