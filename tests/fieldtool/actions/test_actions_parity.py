"""Parity on the line, which neither sockets nor pseudo terminals keep: seen by a serial server of RFC 2217."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import serial
from serial.rfc2217 import PortManager

from fieldtool.actions.links import MeterChoice, open_link
from fieldtool.actions.read_out import take_read_out
from protocols.decode import no_keys
from simulators.field_meter.wired import WiredMeter
from tests.fieldtool.actions.action_bench import Bench, Clock

WAKE = 0x55


class SeenPort:
    """What the server takes for its serial port: it only remembers how it was set."""

    def __init__(self) -> None:
        self.baudrate, self.bytesize, self.stopbits, self.parity = 9600, 8, 1, serial.PARITY_NONE
        self.xonxoff = self.rtscts = self.dtr = self.rts = self.break_condition = False
        self.cts = self.dsr = self.ri = self.cd = False

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""


@contextmanager
def serial_server(meter: WiredMeter, clock: Clock, seen: list[tuple[str, int, bytes]]) -> Iterator[str]:
    """A meter behind a serial server; what came with which parity and speed is in `seen`."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not stop.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                with peer:
                    talk(peer)

        def talk(peer: socket.socket) -> None:
            port = SeenPort()
            peer.settimeout(0.02)
            made: Any = PortManager
            manager = made(port, SocketWriter(peer))
            while not stop.is_set():
                try:
                    raw = peer.recv(4096)
                    if not raw:
                        return
                except TimeoutError:
                    raw = b""
                except OSError:
                    return
                data = b"".join(manager.filter(raw))
                now_s = time.monotonic()
                if data:
                    seen.append((port.parity, port.baudrate, data))
                    meter.receive(data, now_s, clock())
                for answer in meter.due(now_s):
                    peer.sendall(b"".join(manager.escape(answer)))

        thread = threading.Thread(target=serve, name="serial server", daemon=True)
        thread.start()
        try:
            yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join(5)


class SocketWriter:
    """The server's way back to the client."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def write(self, data: bytes) -> None:
        self._peer.sendall(data)


@pytest.mark.filterwarnings("ignore:set:DeprecationWarning")
@pytest.mark.parametrize("optical", [False, True], ids=["wired", "optical"])
def test_frames_go_with_even_parity_and_the_wake_up_with_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, optical: bool
) -> None:
    # Long enough for the meter; its full length is another test's.
    monkeypatch.setattr("fieldtool.actions.wired_master.WAKE_S", 0.5)
    seen: list[tuple[str, int, bytes]] = []
    meter = WiredMeter(bench.lock, optical=optical)
    with serial_server(meter, bench.clock, seen) as target:
        kind, rest = "optical" if optical else "mbus", target.removeprefix("rfc2217:")
        with closing(open_link(f"{kind}+rfc2217:{rest}?baud=4800", MeterChoice("10002345"))) as link:
            assert take_read_out(link, no_keys).meter == bench.meter.address
    wake_ups = [(parity, baud) for parity, baud, data in seen if set(data) == {WAKE}]
    frames = [(parity, baud) for parity, baud, data in seen if set(data) != {WAKE}]
    assert frames
    assert set(frames) == {(serial.PARITY_EVEN, 4800)}
    assert set(wake_ups) == ({(serial.PARITY_NONE, 4800)} if optical else set())
