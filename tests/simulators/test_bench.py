"""A simulated stick on a real port, read by a raw client that knows nothing but the bytes of a recorded exchange."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from simulators.bench import Bench
from simulators.errors import PortError
from simulators.ports import PtyPort, TcpPort, open_port
from simulators.receivers.im871a import Im871aStick
from simulators.scenario import Scenario

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals are POSIX")
PORTS = ["tcp", pytest.param("pty", marks=posix_only)]

# Reference sheet 17.1, run 2; the last line is what follows once a T1 meter is heard.
DETECT = (bytes.fromhex("A5010F00"), bytes.fromhex("A58110083300141730201000460E"))
GET_CONFIG = (bytes.fromhex("A5010500"), bytes.fromhex("A5810616FF000346A2251715100001310BFF07003200000000005086"))
SET_T1 = (bytes.fromhex("A5010306000203300100"), bytes.fromhex("A5810401013BA6"))
SET_C1_T1 = (bytes.fromhex("A501030600020A300100"), bytes.fromhex("A5810401013BA6"))
EXCHANGE = (DETECT, GET_CONFIG, GET_CONFIG, DETECT, SET_T1)


class RawClient:
    """Moves bytes over a descriptor or socket; does no framing."""

    def __init__(self, at: str) -> None:
        if at.startswith("/"):
            self._descriptor = os.open(at, os.O_RDWR | os.O_NOCTTY)
            self._socket = None
        else:
            host, _, port = at.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), timeout=2)
            self._descriptor = self._socket.fileno()

    def send(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.sendall(data)
        else:
            os.write(self._descriptor, data)

    def read(self, count: int, timeout_s: float = 2.0) -> bytes:
        """Read `count` bytes, fewer when the time is over or the other end is gone."""
        data, deadline = b"", time.monotonic() + timeout_s
        while len(data) < count and (left_s := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._descriptor], [], [], left_s)
            if not ready:
                break
            piece = (
                self._socket.recv(count - len(data)) if self._socket else os.read(self._descriptor, count - len(data))
            )
            if not piece:
                break
            data += piece
        return data

    def finds_other_end_gone(self, within_s: float = 2.0) -> bool:
        """Send and read until the system says that nobody is there: an error, or the end of the stream."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                self.send(DETECT[0])
                ready, _, _ = select.select([self._descriptor], [], [], 0.05)
                if ready and self._socket is not None and not self._socket.recv(4096):
                    return True
                if ready and self._socket is None:
                    os.read(self._descriptor, 4096)
            except OSError:
                return True
        return False

    def ask(self, request: bytes, response: bytes) -> None:
        self.send(request)
        assert self.read(len(response)).hex() == response.hex()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._descriptor)


@pytest.fixture
def connect() -> Iterator[Callable[[str], RawClient]]:
    clients: list[RawClient] = []

    def open_client(at: str) -> RawClient:
        clients.append(RawClient(at))
        return clients[-1]

    yield open_client
    for client in clients:
        with contextlib.suppress(OSError):
            client.close()


@pytest.fixture(params=PORTS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with Bench.of(Scenario.load(), at=request.param, speed=20.0) as running:
        yield running
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("simulated ")]


Connect = Callable[[str], RawClient]


def frames_of(client: RawClient, count: int) -> list[bytes]:
    """Cut receive indications (RSSI and FCS attached) out of the stream by their length byte."""
    frames = []
    for _ in range(count):
        head = client.read(4)
        assert head[:3] == bytes.fromhex("A5C203")
        frames.append(bytes((head[3],)) + client.read(head[3]))
        assert len(client.read(3)) == 3
    return frames


def test_recorded_exchange_byte_for_byte(bench: Bench, connect: Connect) -> None:
    client = connect(bench.at)
    for request, response in EXCHANGE:
        client.ask(request, response)
    addresses = {meter.sender.to_wire() for meter in bench.scenario.meters if meter.mode == "T1"}
    for frame in frames_of(client, 10):
        assert len(frame) == frame[0] + 1
        assert frame[2:10] in addresses


def test_nothing_comes_before_the_link_mode_is_set(bench: Bench, connect: Connect) -> None:
    client = connect(bench.at)
    assert client.read(1, 0.3) == b""
    client.ask(*DETECT)
    assert client.read(1, 0.3) == b""


def test_request_in_pieces_and_noise(bench: Bench, connect: Connect) -> None:
    client = connect(bench.at)
    client.send(b"\x00\xff")
    for byte in DETECT[0]:
        client.send(bytes((byte,)))
        time.sleep(0.002)
    assert client.read(len(DETECT[1])) == DETECT[1]


def test_client_may_leave_and_come_back_with_the_mode_alone(bench: Bench, connect: Connect) -> None:
    first = connect(bench.at)
    first.ask(*SET_T1)
    frames_of(first, 1)
    first.close()
    second = connect(bench.at)
    # Telegrams of the earlier setting may stand in the line: only what follows the confirmation counts.
    second.send(SET_C1_T1[0])
    seen = b""
    while SET_C1_T1[1] not in seen:
        piece = second.read(1)
        assert piece
        seen += piece
    modes = {meter.sender.to_wire(): meter.mode for meter in bench.scenario.meters}
    assert {modes[frame[2:10]] for frame in frames_of(second, 20)} == {"C1", "T1"}


def test_unplugged_and_plugged_in_again(bench: Bench, connect: Connect) -> None:
    client = connect(bench.at)
    client.ask(*SET_T1)
    bench.unplug()
    assert client.finds_other_end_gone()
    client.close()
    bench.replug()
    again = connect(bench.at)
    # The setting was not stored: the stick is silent until it is set again.
    assert again.read(1, 0.2) == b""
    again.ask(*DETECT)
    again.ask(*SET_T1)
    assert frames_of(again, 1)


def test_twenty_starts(bench: Bench, connect: Connect) -> None:
    for _ in range(20):
        client = connect(bench.at)
        client.send(DETECT[0])
        assert client.read(len(DETECT[1])) == DETECT[1]
        client.close()


@posix_only
def test_pyserial_opens_the_terminal_again_and_again() -> None:
    with Bench.of(Scenario.load(), at="pty", speed=20.0) as bench:
        for _ in range(3):
            with serial.Serial(bench.at, 57600, timeout=1, exclusive=True) as port:
                port.write(DETECT[0])
                assert port.read(len(DETECT[1])) == DETECT[1]


@posix_only
def test_wrong_speed_is_not_heard() -> None:
    with (
        Bench.of(Scenario.load(), at="pty") as bench,
        serial.Serial(bench.at, 9600, timeout=0.2) as port,
    ):
        port.write(DETECT[0])
        assert port.read(1) == b""
        port.baudrate = 57600
        port.write(DETECT[0])
        port.timeout = 2
        assert port.read(len(DETECT[1])) == DETECT[1]


@posix_only
def test_link_follows_the_terminal(tmp_path: Path) -> None:
    link = tmp_path / "ttyMETER"
    with Bench(Scenario.load(), Im871aStick(), PtyPort(57600, link)) as bench:
        assert bench.url("t1") == f"im871a://{link}?mode=t1"
        assert link.is_symlink()
        bench.unplug()
        assert not link.is_symlink()
        bench.replug()
        with serial.Serial(str(link), 57600, timeout=2) as port:
            port.write(DETECT[0])
            assert port.read(len(DETECT[1])) == DETECT[1]
    assert not link.is_symlink()


@posix_only
def test_what_nobody_reads_is_dropped() -> None:
    port = PtyPort(57600)
    port.plug()
    try:
        for _ in range(100):
            port.write(bytes(200))
        assert port.dropped > 0
        assert port.read(0.0) == b""
    finally:
        port.unplug()


@posix_only
def test_next_client_does_not_find_what_the_last_one_left_unread() -> None:
    port = PtyPort(57600, abandoned_s=0.05)
    port.plug()
    try:
        port.write(b"long ago")
        deadline = time.monotonic() + 2
        while not port.dropped and time.monotonic() < deadline:
            port.read(0.01)
        assert port.dropped == len(b"long ago")
        client = RawClient(port.address)
        port.write(b"now")
        assert client.read(8, 0.3) == b"now"
        client.close()
    finally:
        port.unplug()


def test_second_client_of_a_tcp_port_is_turned_away(connect: Connect) -> None:
    with Bench.of(Scenario.load(), at="tcp") as bench:
        first = connect(bench.at)
        first.ask(*DETECT)
        second = connect(bench.at)
        assert second.read(1) == b""
        first.ask(*DETECT)


def test_tcp_port_keeps_its_number_and_says_when_it_is_taken() -> None:
    with Bench.of(Scenario.load(), at="tcp") as bench:
        assert bench.url() == f"im871a+socket://{bench.at}"
        number = int(bench.at.rpartition(":")[2])
        bench.unplug()
        bench.replug()
        assert bench.at == f"127.0.0.1:{number}"
        with pytest.raises(PortError, match="cannot listen"):
            TcpPort(number).plug()


@pytest.mark.parametrize("at", ["", "ptty", "pty:1", "tcp:x", "tcp:70000", "usb"])
def test_unknown_ports_are_named(at: str) -> None:
    with pytest.raises(PortError) as caught:
        open_port(at, 57600)
    assert "pty, tcp" in caught.value.hint


def test_stopping_is_quick_and_may_be_repeated() -> None:
    bench = Bench.of(Scenario.load(), at="tcp").start()
    began_s = time.monotonic()
    bench.stop()
    bench.stop()
    assert time.monotonic() - began_s < 1.0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("simulated ")]
