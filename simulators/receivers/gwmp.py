"""A simulated LoRaWAN gateway: a packet forwarder that hands over what it hears by the Semtech UDP protocol.

It listens to all channels and data rates at once and, as a second radio with inverted signal would, to what networks
answer. Not simulated: transmitting (a PULL_RESP is refused), GPS, more packets in one datagram, status reports.
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.errors import ProtocolError
from protocols.receivers.gwmp import Datagram, Kind, Packet, parse_datagram, push_body
from protocols.receivers.gwmp.packets import CRC_OK, NO_CRC
from simulators.air import Transmission

GATEWAY: Final = "0016c001f153a14c"
KEEP_ALIVE_S: Final = 10.0
MAX_WAITING: Final = 1000
TOKEN_SIZE: Final = 2


@dataclass(slots=True)
class ForwarderCounters:
    """What the forwarder has done so far."""

    heard: int = 0
    pushed: int = 0
    acknowledged: int = 0
    crc_errors: int = 0
    overflowed: int = 0


class PacketForwarder:
    """The gateway's side of the protocol: PULL_DATA at once and every 10 s, PUSH_DATA for each good packet.

    Each piece of `due` is one datagram. Packets whose CRC is wrong are dropped, as forwarders are set up.
    """

    KIND: ClassVar[str] = "gwmp"
    BAUD: ClassVar[int] = 115200
    """Means nothing here: a gateway has no serial port."""

    def __init__(self, *, seed: int = 0, gateway: str = GATEWAY) -> None:
        self.counters = ForwarderCounters()
        self._gateway = gateway
        self._tokens = random.Random(f"{seed}/gwmp")
        self._waiting: deque[bytes] = deque()
        self._open: set[bytes] = set()
        self._pull_at_s: float | None = None

    def receive(self, data: bytes, now_s: float) -> None:
        """Take a datagram from the server."""
        try:
            datagram = parse_datagram(data)
        except ProtocolError:
            return
        if datagram.kind in (Kind.PUSH_ACK, Kind.PULL_ACK) and datagram.token in self._open:
            self._open.discard(datagram.token)
            self.counters.acknowledged += 1
        elif datagram.kind is Kind.PULL_RESP:
            body = json.dumps({"txpk_ack": {"error": "TX_FREQ"}}).encode()
            self._waiting.append(Datagram(Kind.TX_ACK, datagram.token, self._gateway, body).to_bytes())

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a LoRa transmission off the air."""
        if transmission.lora is None:
            return
        self.counters.heard += 1
        if transmission.damaged:
            self.counters.crc_errors += 1
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.counters.overflowed += 1
        stat = NO_CRC if transmission.downlink else CRC_OK
        packet = Packet(transmission.coded, transmission.rssi_dbm, transmission.lora, transmission.at, stat)
        self.counters.pushed += 1
        self._waiting.append(self._datagram(Kind.PUSH_DATA, push_body([packet])))

    def due(self, now_s: float) -> list[bytes]:
        """Return the datagrams to be sent by now, in order."""
        pieces = []
        if self._pull_at_s is None or now_s >= self._pull_at_s:
            self._pull_at_s = now_s + KEEP_ALIVE_S
            pieces.append(self._datagram(Kind.PULL_DATA))
        pieces.extend(self._waiting)
        self._waiting.clear()
        return pieces

    def power_cycle(self) -> None:
        """Begin anew."""
        self._waiting.clear()
        self._open.clear()
        self._pull_at_s = None

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something."""
        return 0.0 if self._waiting or self._pull_at_s is None else self._pull_at_s

    def _datagram(self, kind: Kind, body: bytes = b"") -> bytes:
        token = self._tokens.randbytes(TOKEN_SIZE)
        if len(self._open) >= MAX_WAITING:
            self._open.clear()
        self._open.add(token)
        return Datagram(kind, token, self._gateway, body).to_bytes()
