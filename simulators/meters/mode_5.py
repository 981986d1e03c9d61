"""How OMS meters of profile A send: short header, everything encrypted in security mode 5."""

from __future__ import annotations

from datetime import datetime

from protocols.mbus.encode import encode_records
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import SYNCHRONOUS, TransportHeader, link_frame, transport_mode_5
from protocols.wmbus.two_way import SND_NR
from simulators.meters.model import Meter


class Mode5Meter(Meter):
    """A meter with a short transport header in security mode 5."""

    def frame(self, sequence: int, now: datetime) -> bytes:
        header = TransportHeader(self.access_number(sequence), self.meter.status, configuration=SYNCHRONOUS)
        payload = transport_mode_5(
            Content.RECORDS, encode_records(self.items(now)), header, key=self.key, sender=self.meter.sender
        )
        return link_frame(SND_NR, self.meter.sender, payload)
