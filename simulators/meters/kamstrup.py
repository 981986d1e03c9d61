"""How Kamstrup meters send: encrypted in the extended link layer, one full frame and then seven compact ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final

from protocols.mbus.encode import compact_from_full, encode_records
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import extended_link_session, link_frame, session_number, transport_clear
from protocols.wmbus.two_way import SND_NR
from simulators.meters.model import SYNCHRONOUS_CC, Meter

FULL_EVERY: Final = 8
"""One telegram in eight carries the record headers."""

_INSTALLED: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""The minute counter of the session number runs from here on."""

_MINUTES: Final = 1 << 25


class KamstrupMeter(Meter):
    """A meter that encrypts in the extended link layer and sends no transport header."""

    MANUFACTURERS: ClassVar[tuple[str, ...]] = ("KAM", "KAW")
    MODES: ClassVar[tuple[str, ...]] = ("C1", "T1")

    @staticmethod
    def is_full(sequence: int) -> bool:
        """Say whether a frame carries its record headers."""
        return sequence % FULL_EVERY == 0

    def frame(self, sequence: int, now: datetime) -> bytes:
        records = encode_records(self.items(now))
        if self.is_full(sequence):
            payload = transport_clear(Content.RECORDS, records)
        else:
            payload = transport_clear(Content.COMPACT, compact_from_full(records))
        minute = int((now - _INSTALLED).total_seconds()) // 60 % _MINUTES
        sender = self.meter.sender
        layer = extended_link_session(
            SYNCHRONOUS_CC,
            self.access_number(sequence),
            session_number(sequence % 16, minute, encrypted=True),
            payload,
            sender=sender,
            key=self.key,
        )
        return link_frame(SND_NR, sender, layer)
