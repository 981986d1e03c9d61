"""A stick that hears meters and answers them: the port, the session on it, and how fast this computer reacts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from fieldtool.actions.errors import LinkLost, LinkSilent
from fieldtool.errors import ReceiverSilent
from fieldtool.sources.serial_port import lost_hint
from protocols.model import Address
from protocols.receivers.events import Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.im871a.two_way import TwoWaySession

PILED_UP_AFTER_S: Final = 0.05
"""After so long without reading, frames that are there at once may have been waiting: their windows may be over."""

AT_ONCE_S: Final = 0.002
CLOSING_S: Final = 0.5


class Port(Protocol):
    """An open port, as `fieldtool.sources.serial_port` has it; methods raise `OSError` when it is gone."""

    @property
    def target(self) -> str:
        """What was opened."""

    def read(self) -> bytes:
        """Wait a moment for bytes."""

    def write(self, data: bytes) -> None:
        """Send all bytes."""

    def close(self) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame with its L field, when it was handed to this program, and whether it had just come."""

    frame: bytes
    at_s: float
    fresh: bool


@dataclass(slots=True)
class Reaction:
    """How long answers took, in seconds: in this program, the last and the worst, and until the stick confirmed."""

    last_s: float = 0.0
    worst_s: float = 0.0
    confirmed_s: float = 0.0

    def note(self, seconds: float) -> None:
        """Take the time from a telegram to the answer to it."""
        self.last_s = seconds
        self.worst_s = max(self.worst_s, seconds)


class RadioStick:
    """An iM871A in a two-way mode; used by one thread.

    Methods raise `LinkLost` when the port is gone, `LinkSilent` when the stick fell silent.
    """

    def __init__(self, port: Port, mode: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.mode = mode.upper()
        self.reaction = Reaction()
        self._port = port
        self._clock = clock
        self._session = TwoWaySession(mode)
        self._closed = False
        self._read_at_s = clock()
        self._written_at_s = 0.0
        self._confirmed = 0

    @property
    def target(self) -> str:
        """The port."""
        return self._port.target

    @property
    def address(self) -> Address:
        """The address that is set in the stick."""
        return self._session.address

    def connect(self) -> None:
        """Identify the stick and put it into the mode; raises `ReceiverSilent` when it is none or does not obey."""
        with self._watched():
            self._port.write(self._session.start())
            while not self._session.listening:
                self._read()

    def listen(self) -> list[Heard]:
        """Wait a moment for frames."""
        began_s = self._clock()
        with self._watched():
            events = self._read()
        now_s = self._clock()
        piled_up = began_s - self._read_at_s > PILED_UP_AFTER_S and now_s - began_s < AT_ONCE_S
        self._read_at_s = now_s
        if self._session.confirmed + self._session.refused > self._confirmed:
            self._confirmed = self._session.confirmed + self._session.refused
            self.reaction.confirmed_s = now_s - self._written_at_s
        if self._session.refused:
            self._session.confirmed = self._session.refused = self._confirmed = 0
            raise LinkSilent(f"{self.target}: the stick refuses to send", "unplug it, plug it in again, and retry")
        return [Heard(event.data, now_s, not piled_up) for event in events if isinstance(event, Frame)]

    def send(self, frame: bytes, heard: Heard) -> None:
        """Send a frame in answer to one that was heard."""
        with self._watched():
            self._port.write(self._session.send(frame))
        self._written_at_s = self._clock()
        self.reaction.note(self._written_at_s - heard.at_s)

    def close(self) -> None:
        """Set the stick as it was found, and close the port."""
        if self._closed:
            return
        self._closed = True
        restore = self._session.restore()
        with suppress(OSError):
            if restore:
                self._port.write(restore)
                # The port stays open until the stick has answered; what else it says is of no interest any more.
                until_s = self._clock() + CLOSING_S
                while not self._session.restored and self._clock() < until_s:
                    self._session.receive(self._port.read())
        self._port.close()

    def _read(self) -> list[HostEvent]:
        data = self._port.read()
        events = self._session.receive(data) if data else []
        events += self._session.tick(self._clock())
        for event in events:
            if isinstance(event, Send):
                self._port.write(event.data)
            elif isinstance(event, Failed):
                error = ReceiverSilent if not self._session.was_ready else LinkSilent
                raise error(f"{self.target}: {event.reason}", event.hint)
        return [event for event in events if not isinstance(event, Ready)]

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"{self.target}: the stick was unplugged, or the connection to it closed"
            raise LinkLost(message, lost_hint(self.target)) from error
