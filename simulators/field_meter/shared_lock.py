"""One lock behind two links: a meter on a wire and on the air, each link with a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from keystore.certificates.certificate import FieldCertificate
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import FieldMeter
from simulators.field_meter.radio_lock import RADIO_LIFETIME_S
from simulators.field_meter.state import MeterState
from simulators.field_meter.state_file import StateFile


class SharedLock(MeterLock):
    """A lock that is used by the threads of two links at once: on a wire and on the air."""

    def __init__(
        self,
        meter: FieldMeter,
        state: MeterState,
        anchors: Sequence[FieldCertificate],
        random_bytes: Callable[[int], bytes],
        *,
        state_file: StateFile | None = None,
        lifetime_s: int = RADIO_LIFETIME_S,
    ) -> None:
        super().__init__(meter, state, anchors, random_bytes, state_file=state_file, lifetime_s=lifetime_s)
        self._guard = threading.RLock()

    def receive(self, message: bytes, now: datetime) -> bytes:
        """As `MeterLock.receive`, one message at a time."""
        with self._guard:
            return super().receive(message, now)

    def read_out(self, now: datetime) -> tuple[bytes, ...]:
        """As `MeterLock.read_out`."""
        with self._guard:
            return super().read_out(now)

    def tick(self, now: datetime) -> None:
        """As `MeterLock.tick`."""
        with self._guard:
            super().tick(now)
