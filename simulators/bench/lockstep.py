"""A simulated receiver whose time moves only while its host waits: no thread, no port, the same course every time.

It stands where a host expects an open serial port. What the host itself takes is a figure that is handed in; a real
computer's, which varies, needs a `Bench`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from simulators.air import Air
from simulators.air.two_way import Transmitter
from simulators.receivers.device import Device

READ_WAITS_S: Final = 0.1
SHORTEST_STEP_S: Final = 1e-6


class Lockstep:
    """The port of a receiver on an air; `clock` is the time of both, in seconds from 0.

    `reaction_s` passes between what the host reads and what it writes. `unplugged` makes every use fail.
    """

    target = "lockstep"

    def __init__(self, air: Air, receiver: Device, starts: datetime, *, reaction_s: float = 0.005) -> None:
        self.reaction_s = reaction_s
        self.unplugged = False
        self.closed = False
        self._air = air
        self._receiver = receiver
        self._starts = starts
        self._now_s = 0.0
        self._waiting = bytearray()

    def clock(self) -> float:
        """Return the seconds since the start."""
        return self._now_s

    @property
    def now(self) -> datetime:
        """The time on the air."""
        return self._starts + timedelta(seconds=self._now_s)

    def read(self) -> bytes:
        """Return what comes within a tenth of a second; empty when nothing does."""
        self._check()
        self._run(self._now_s + READ_WAITS_S, until_data=True)
        data = bytes(self._waiting)
        self._waiting.clear()
        return data

    def write(self, data: bytes) -> None:
        """Hand bytes to the receiver."""
        self._check()
        self.pass_time(self.reaction_s)
        self._receiver.receive(data, self._now_s)
        if isinstance(self._receiver, Transmitter):
            for downlink in self._receiver.downlinks(self.now):
                self._air.send(downlink)

    def pass_time(self, seconds: float) -> None:
        """Let the host be busy with something else; what it is told meanwhile waits."""
        self._run(self._now_s + seconds, until_data=False)

    def close(self) -> None:
        """Close the port."""
        self.closed = True

    def _run(self, until_s: float, *, until_data: bool) -> None:
        while True:
            for transmission in self._air.advance(self.now):
                self._receiver.hear(transmission, self._now_s)
            self._waiting += b"".join(self._receiver.due(self._now_s))
            if self._now_s >= until_s or (until_data and self._waiting):
                return
            due_s = self._receiver.next_due_s
            next_s = min((self._air.next_at - self._starts).total_seconds(), until_s, due_s or until_s)
            self._now_s = max(next_s, self._now_s + SHORTEST_STEP_S)

    def _check(self) -> None:
        if self.unplugged or self.closed:
            raise OSError("device is gone")
