"""A heat cost allocator that does not encrypt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from protocols.mbus.encode import encode_records
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import SYNCHRONOUS, TransportHeader, link_frame, transport_clear
from protocols.wmbus.two_way import SND_NR
from simulators.consumption import month_start, temperature
from simulators.meters.model import Item, Meter, meter_date, scaled


class HeatCostAllocator(Meter):
    """Units now and at the due date, the due date, radiator and room temperature; security mode 0.

    Not simulated: the reset of the units at the due date.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x08})
    CURVE: ClassVar[str] = "heating"
    NEEDS_KEY: ClassVar[bool] = False

    def items(self, now: datetime) -> Sequence[Item]:
        counter, due = self.meter.counter, month_start(now)
        return (
            (bytes.fromhex("0B6E"), scaled(counter.at(now), 0)),
            (bytes.fromhex("426C"), meter_date(due)),
            (bytes.fromhex("4B6E"), scaled(counter.at(due), 0)),
            (bytes.fromhex("0259"), temperature(self.meter.seed + "/radiator", now, Decimal(44), Decimal(6))),
            (bytes.fromhex("0265"), temperature(self.meter.seed + "/room", now, Decimal(21), Decimal(2))),
        )

    def frame(self, sequence: int, now: datetime) -> bytes:
        header = TransportHeader(self.access_number(sequence), self.meter.status, configuration=SYNCHRONOUS)
        payload = transport_clear(Content.RECORDS, encode_records(self.items(now)), header)
        return link_frame(SND_NR, self.meter.sender, payload)
