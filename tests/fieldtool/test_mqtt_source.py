"""A broker as a source, over TCP: network servers, gateways, TLS, brokers that come and go, and what is none."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldtool.errors import ConfigError
from fieldtool.pipeline.listening import Listening
from fieldtool.sources.events import SourceState
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from protocols.model import Link
from simulators.mqtt.session import Rules
from simulators.receivers.network_server import ChirpStackServer, NetworkServer
from tests.fieldtool.conftest import GAS_HEX, Run
from tests.fieldtool.mqtt_bench import PHY, Ear, broker, certificates, publish


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


def test_topics_that_the_broker_refuses() -> None:
    rules = Rules(may_subscribe=lambda name: name.startswith("v3/"))
    with broker(rules=rules) as bench:
        with Ear(bench.url()) as ear:
            ear.until(lambda: ear.events)
        assert "but not to application/+/device/+/event/up and 1 more, which it refuses" in ear.events[0].detail
        with Ear(f"{bench.url()}/secret/%23") as ear:
            ear.until(lambda: ear.events)
        assert (ear.states, ear.events[0].final) == ([SourceState.FAILED], True)
        assert "lets this user read none of secret/#" in ear.events[0].detail
        assert "name a topic" in ear.events[0].hint


def test_a_broker_that_goes_is_told_of_once_and_picked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldtool.sources.mqtt.PAUSES_S", (0.05, 0.1))
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
    assert "no computer has this name" in ran.err


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
