"""A field meter on the air: what its radio sends of it, and the field link in the frames of an access."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

from protocols.actions.fragments import RADIO_PAYLOAD, Fragment
from protocols.mbus.tables import MANUFACTURER_DATA_MORE
from protocols.model import Address
from protocols.wmbus.two_way import CI_APPLICATION_ERROR, CI_RECORDS, carried, carry
from simulators.field_meter.link_session import LinkSession
from simulators.field_meter.lock import CableCut, MeterLock
from simulators.field_meter.read_out import TEMPORARY_ERROR, telegrams

RADIO_LIFETIME_S: Final = 300
"""How long a challenge is good for over radio: some twenty parts, each in a window of its own."""

HEADER: Final = 13
"""CI field and long header of a wired read-out's telegram."""

ACCESS_DENIED: Final = b"\x10"
"""Application error: what was written came outside of a session."""


class LockOnAir:
    """A lock as the application of a `RadioMeter`; it transmits once it was told to start its radio."""

    def __init__(self, lock: MeterLock) -> None:
        self.lock = lock
        self.confirmations = 0
        self._session = LinkSession(lock)
        self._answer: deque[Fragment] = deque()
        self._parts: deque[bytes] = deque()
        self._denied = False

    @property
    def address(self) -> Address:
        """The meter's address."""
        return self.lock.meter.address

    @property
    def key(self) -> bytes | None:
        """The key that holds now."""
        return self.lock.state.key

    @property
    def status(self) -> int:
        """The status byte: a temporary error while alarms are set."""
        return TEMPORARY_ERROR if self.lock.state.alarms else 0

    @property
    def transmits(self) -> bool:
        """Whether the radio was started."""
        return self.lock.state.radio_on

    @property
    def installing(self) -> bool:
        """Whether its installation is still to be confirmed."""
        return not self.lock.state.installed

    @property
    def interval_s(self) -> float:
        """How often it sends."""
        return self.lock.state.radio_interval_s

    def records(self, now: datetime) -> bytes:
        """Return the current values, which are the first part of a read-out."""
        self.lock.tick(now)
        first = telegrams(self.lock.meter, self.lock.state, now, 0)[0]
        return first[HEADER:].removesuffix(bytes((MANUFACTURER_DATA_MORE,)))

    def begin_access(self, now: datetime) -> None:
        """Begin read-outs with their first part."""
        self.lock.tick(now)
        self._parts.clear()

    def command(self, application: bytes, now: datetime) -> bool | None:
        """Take a fragment; anything else is denied, which the next answer says."""
        self._parts.clear()
        fragment = carried(application)
        self._denied = fragment is None
        if fragment is None:
            return True
        try:
            taken = self._session.receive(fragment, now)
        except CableCut:
            self._session.reset()
            self._answer.clear()
            return None
        self._answer = deque(self._session.answers(RADIO_PAYLOAD))
        return taken

    def response(self, now: datetime) -> tuple[int, bytes]:
        """Return the next part of an answer, and a read-out when there is no answer left."""
        if self._denied:
            return CI_APPLICATION_ERROR, ACCESS_DENIED
        if self._answer:
            return CI_RECORDS, carry(self._answer.popleft().to_bytes())
        if not self._parts:
            self._parts.extend(part[HEADER:] for part in self.lock.read_out(now))
        return CI_RECORDS, self._parts.popleft()

    def confirm_installation(self, now: datetime) -> None:
        """Count a CNF-IR: what ends the installation is the command, which needs a certificate."""
        self.lock.tick(now)
        self.confirmations += 1
