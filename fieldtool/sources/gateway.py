"""LoRaWAN gateways as a source, `gwmp://127.0.0.1:1700`: the server's side of the Semtech UDP gateway protocol.

Packet forwarders send here what they hear; every PUSH_DATA and PULL_DATA is acknowledged, nothing is ever transmitted.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from fieldtool.errors import PortBusy, ReceiverError, UsageError
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.url import ReceiverUrl, port_number
from protocols.errors import ProtocolError
from protocols.model import Link, RawFrame
from protocols.receivers.events import Damaged
from protocols.receivers.gwmp import Kind, Packet, acknowledge, parse_datagram, parse_push
from protocols.receivers.gwmp.datagram import MAX_DATAGRAM
from protocols.receivers.lora_radio import mode_text

KIND: Final = "gwmp"
DEFAULT_PORT: Final = 1700
ANY_PORT: Final = "0"
"""Takes a free port; an event says which one."""

_ADDRESS_HINT: Final = f"write an address of this computer, as in {KIND}://127.0.0.1, or {KIND}://0.0.0.0 for all"
_BUSY_HINT: Final = "close the program that uses it, or choose another port"
_HINTS: Final = {
    errno.EADDRNOTAVAIL: _ADDRESS_HINT,
    errno.EACCES: "choose a port above 1023, and send the gateways there",
}

READ_TIMEOUT_S: Final = 0.1
JOIN_S: Final = 5.0
MAX_GATEWAYS: Final = 256
"""Gateways whose connection is reported; datagrams of further ones are read all the same."""

_log = logging.getLogger(__name__)


class GatewaySource:
    """Listens on a UDP port in a thread of its own; any number of gateways may send to it."""

    def __init__(self, host: str, port: int, now: Callable[[], datetime], name: str | None = None) -> None:
        self._host = host
        self._port = port
        self._now = now
        self._name = name or f"{KIND} {host}:{port}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._gateways: set[str] = set()
        self.bound_port = port

    @property
    def name(self) -> str:
        """Protocol, host and port, unless it was named otherwise."""
        return self._name

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Bind the port, which may raise `PortBusy` or `ReceiverError`, and begin to listen."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            server.bind((self._host, self._port))
        except OSError as error:
            server.close()
            raise self._refused(error) from error
        self.bound_port = server.getsockname()[1]
        server.settimeout(READ_TIMEOUT_S)
        self._thread = threading.Thread(
            target=self._run, args=(server, frames, tell), name=f"{KIND}-{self.bound_port}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the port."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _refused(self, error: OSError) -> ReceiverError:
        where = f"UDP port {self._port} of {self._host}"
        reason = error.strerror or "it cannot be opened"
        if isinstance(error, socket.gaierror):
            return ReceiverError(f"{where}: {reason}", _ADDRESS_HINT)
        return PortBusy(f"{where}: {reason}", _HINTS.get(error.errno or 0, _BUSY_HINT))

    def _run(self, server: socket.socket, frames: FrameQueue, tell: Tell) -> None:
        detail = f"UDP port {self.bound_port} is open; waits for gateways"
        tell(SourceEvent(self.name, SourceState.CONNECTED, detail, self._now()))
        with server:
            while not self._stop.is_set():
                try:
                    data, peer = server.recvfrom(MAX_DATAGRAM)
                except TimeoutError:
                    continue
                except ConnectionError:
                    # Windows tells here that an earlier answer found nobody.
                    continue
                except OSError as error:
                    detail = f"{self.name}: {error.strerror or 'the port is gone'}"
                    hint = "check the network, then listen again"
                    tell(SourceEvent(self.name, SourceState.FAILED, detail, self._now(), hint, final=True))
                    return
                self._take(data, server, peer, frames, tell)

    def _take(self, data: bytes, server: socket.socket, peer: tuple[str, int], frames: FrameQueue, tell: Tell) -> None:
        try:
            datagram = parse_datagram(data)
        except ProtocolError as error:
            frames.count_unusable()
            _log.info("%s: datagram of %d bytes: %s", self.name, len(data), error)
            return
        answer = acknowledge(datagram)
        if answer is not None:
            try:
                server.sendto(answer, peer)
            except OSError as error:
                _log.info("%s: no answer to %s: %s", self.name, peer[0], error)
        if datagram.gateway:
            self._greet(datagram.gateway, peer, tell)
        if datagram.kind is not Kind.PUSH_DATA:
            return
        try:
            received = parse_push(datagram.body)
        except ProtocolError as error:
            frames.count_unusable()
            _log.info("%s: gateway %s: %s", self.name, datagram.gateway, error)
            return
        for packet in received:
            if isinstance(packet, Damaged):
                frames.count_unusable()
                _log.info("%s: gateway %s: %s", self.name, datagram.gateway, packet.reason)
            else:
                frames.put(self._frame(packet, datagram.gateway))

    def _greet(self, gateway: str, peer: tuple[str, int], tell: Tell) -> None:
        if gateway not in self._gateways and len(self._gateways) < MAX_GATEWAYS:
            self._gateways.add(gateway)
            detail = f"gateway {gateway} at {peer[0]}"
            tell(SourceEvent(self.name, SourceState.CONNECTED, detail, self._now()))

    def _frame(self, packet: Packet, gateway: str) -> RawFrame:
        # A gateway's own clock may be wrong by days; what all frames are compared by is this computer's.
        return RawFrame(
            packet.data,
            self._now(),
            f"{KIND} {gateway}",
            mode_text(packet.lora),
            packet.rssi_dbm,
            Link.LORAWAN,
            packet.lora,
        )


def open_source(url: ReceiverUrl, now: Callable[[], datetime]) -> GatewaySource:
    """Return the source of a `gwmp:` URL; `UsageError` when it names no host and port."""
    host, colon, digits = url.target.rstrip("/").partition(":")
    port = port_number(digits) if colon else DEFAULT_PORT
    if digits == ANY_PORT:
        port = 0
    if port is None:
        raise UsageError(f"{url}: no port number after the colon", f"as in {KIND}://127.0.0.1:{DEFAULT_PORT}")
    return GatewaySource(host, port, now)
