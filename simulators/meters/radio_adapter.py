"""A water meter behind a radio adapter: the adapter's address on the link layer, the meter's in the long header."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from protocols.mbus.encode import encode_records
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, extended_link, link_frame, transport_mode_5
from protocols.wmbus.two_way import SND_NR
from simulators.consumption import month_start
from simulators.meters.model import SYNCHRONOUS_CC, Item, Meter, meter_date, scaled


class RadioAdapter(Meter):
    """Volume, due date and volume at it, encrypted under the meter's key; the customer's location in the clear.

    Not simulated: an adapter with several meters, and its own status telegrams.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x06, 0x07, 0x16})
    NEEDS_ADAPTER: ClassVar[bool] = True

    def items(self, now: datetime) -> Sequence[Item]:
        return (*self._encrypted(now), (bytes.fromhex("0CFD10"), self.meter.address.number))

    def _encrypted(self, now: datetime) -> Sequence[Item]:
        counter, due = self.meter.counter, month_start(now)
        return (
            (bytes.fromhex("0C13"), scaled(counter.at(now), -3)),
            (bytes.fromhex("426C"), meter_date(due)),
            (bytes.fromhex("4C13"), scaled(counter.at(due), -3)),
        )

    def frame(self, sequence: int, now: datetime) -> bytes:
        access_number = self.access_number(sequence)
        items = self.items(now)
        encrypted = self._encrypted(now)
        payload = transport_mode_5(
            Content.RECORDS,
            encode_records(encrypted),
            TransportHeader(access_number, self.meter.status, self.meter.address),
            key=self.key,
            sender=self.meter.sender,
            clear=encode_records(items[len(encrypted) :]),
        )
        return link_frame(SND_NR, self.meter.sender, extended_link(SYNCHRONOUS_CC, access_number, payload))
