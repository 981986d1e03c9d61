"""A gas meter after OMS, profile B: security mode 7, a derived key for every message, and a MAC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from protocols.mbus.encode import encode_records
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, extended_link, link_frame, transport_mode_7
from protocols.wmbus.two_way import SND_NR
from simulators.meters.model import SYNCHRONOUS_CC, Item, Meter, SimulatedMeter, meter_time, scaled


class OmsGas(Meter):
    """Volume, clock and error flags; the message counter of the authentication layer grows with every telegram.

    Not simulated: fragmented messages, and the access window that a bidirectional meter opens.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x03})
    CURVE: ClassVar[str] = "heating"

    def __init__(self, meter: SimulatedMeter) -> None:
        super().__init__(meter)
        self._first_counter = meter.random("message counter").randrange(1000, 100_000)

    def message_counter(self, sequence: int) -> int:
        """Return the message counter of a frame."""
        return self._first_counter + sequence

    def items(self, now: datetime) -> Sequence[Item]:
        return (
            (bytes.fromhex("0C14"), scaled(self.meter.counter.at(now), -2)),
            (bytes.fromhex("046D"), meter_time(now)),
            (bytes.fromhex("02FD17"), 0),
        )

    def frame(self, sequence: int, now: datetime) -> bytes:
        access_number = self.access_number(sequence)
        message = transport_mode_7(
            Content.RECORDS,
            encode_records(self.items(now)),
            TransportHeader(access_number, self.meter.status),
            key=self.key,
            counter=self.message_counter(sequence),
            sender=self.meter.sender,
        )
        return link_frame(SND_NR, self.meter.sender, extended_link(SYNCHRONOUS_CC, access_number, message))
