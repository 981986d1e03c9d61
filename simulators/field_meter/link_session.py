"""The field link's end in a meter: fragments in, fragments out, whatever link carries them.

A message that comes again under the same number is answered again, and not given to the lock a second time.
"""

from __future__ import annotations

from datetime import datetime

from protocols.actions.fragments import (
    CI_FROM_METER,
    CI_TO_METER,
    WIRED_PAYLOAD,
    Fragment,
    Reassembly,
    cut,
    parse_fragment,
)
from protocols.errors import ProtocolError
from simulators.field_meter.lock import CableCut, MeterLock


class LinkSession:
    """Joins a lock to a link that carries one fragment a frame."""

    def __init__(self, lock: MeterLock) -> None:
        self.lock = lock
        self._incoming = Reassembly()
        self._last: tuple[int, bytes] | None = None
        self._answer: bytes | None = None
        self._is_whole = False

    def receive(self, data: bytes, now: datetime) -> bool:
        """Take a fragment, CI field first; whether it was one, and came in order.

        Raises `CableCut` where the lock's faults say so.
        """
        self._is_whole = False
        try:
            fragment = parse_fragment(data)
            message = self._incoming.take(fragment) if fragment.ci == CI_TO_METER else None
        except ProtocolError:
            return False
        if message is not None:
            self._give(fragment.message_number, message, now)
        return fragment.ci == CI_TO_METER

    def _give(self, number: int, message: bytes, now: datetime) -> None:
        self._is_whole = True
        if self._last == (number, message):
            return
        self._last, self._answer = (number, message), None
        try:
            answer = self.lock.receive(message, now)
        except CableCut:
            self.reset()
            raise
        if self.lock.faults.lost_answers:
            self.lock.faults.lost_answers -= 1
        else:
            self._answer = answer

    def answers(self, payload_length: int = WIRED_PAYLOAD) -> tuple[Fragment, ...]:
        """Return the fragments of the answer to the last whole message; empty when there is none, or it was lost."""
        if not self._is_whole or self._last is None or self._answer is None:
            return ()
        return cut(self._answer, CI_FROM_METER, self._last[0], payload_length)

    def reset(self) -> None:
        """Forget messages that are under way, as after a power failure."""
        self._incoming.drop()
        self._last = self._answer = None
        self._is_whole = False
