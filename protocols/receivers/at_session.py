"""The host side of a LoRa module with AT commands: a script of commands and answers, and then packets line by line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.model import Link
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.lora_channel import Channel
from protocols.receivers.open_request import OpenRequest, Patience
from protocols.receivers.text_lines import LineStream, packet_in, to_line

PATIENCE: Final = Patience()
ONCE: Final = Patience(attempts=1)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command of a handshake: how a line begins that confirms it, one that refuses it, one that asks to wait.

    Where `may_stay_silent`, a command without any answer counts as confirmed.
    """

    command: str
    done: tuple[str, ...]
    refused: tuple[str, ...]
    patience: Patience = PATIENCE
    busy: tuple[str, ...] = ()
    may_stay_silent: bool = False


class AtSession(ABC):
    """One session with a module: `start`, then `receive` and `tick` until `Failed`.

    `mode` is a channel, as `868.1/sf7`; `ValueError` when there is none such. Reception stays on after the last
    exchange of the script; a family says in `_hear` what the lines from then on mean.
    """

    IDENTIFIED_FROM: ClassVar[int]
    """The first place in the script where the answers before it can be no other module's."""

    def __init__(self, model: str, mode: str) -> None:
        self._channel = Channel.of(mode)
        self._model = model
        self._mode = mode
        self._lines = LineStream()
        self._script: Sequence[Exchange] = self._exchanges(self._channel)
        self._place = 0
        self._request = OpenRequest()
        self._failed = self._ready = self._busy = False

    @staticmethod
    @abstractmethod
    def _exchanges(channel: Channel) -> Sequence[Exchange]:
        """Return the script that ends with reception switched on."""

    @abstractmethod
    def _hear(self, line: str) -> list[HostEvent]:
        """Return what a line means while the module receives."""

    def start(self) -> bytes:
        """Return the probe."""
        return self._ask(0).data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        events: list[HostEvent] = []
        for line in self._lines.feed(data):
            if not self._failed:
                events.extend(self._answered(line) if self._request.is_open else self._hear(line))
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a command that was not answered in time."""
        return self._request.tick(now_s, self._no_answer)

    def _no_answer(self) -> list[HostEvent]:
        exchange = self._script[self._place]
        if exchange.may_stay_silent:
            return [self._ask(self._place + 1)]
        if self._busy:
            return [
                self._fail(f"the module stays busy at {exchange.command!r}", "unplug it, plug it in again, and retry")
            ]
        reason = f"no answer within {self._request.patience.total_s:g} s to {exchange.command!r}"
        return [self._fail(reason, f"check that this is the port of a {self._model}, then plug it in anew")]

    def _listen_again(self) -> list[HostEvent]:
        """Switch reception on anew, with the last exchange of the script."""
        return [self._ask(len(self._script) - 1)]

    def _packet(self, digits: str, rssi_dbm: int | None, snr_db: float | None) -> Frame | Damaged:
        """Return the packet that stands in a line in hex; `Damaged` when there is none."""
        packet = packet_in(digits)
        if packet is None:
            return Damaged("a reception without a packet in hex", digits.encode())
        return Frame(packet, rssi_dbm, link=Link.LORAWAN, lora=self._channel.reception(snr_db))

    def _answered(self, line: str) -> list[HostEvent]:
        exchange = self._script[self._place]
        if line.startswith(exchange.busy):
            self._busy = True
            return []
        if line.startswith(exchange.done):
            if self._place + 1 < len(self._script):
                return [self._ask(self._place + 1)]
            self._request.close()
            if self._ready:
                return []
            self._ready = True
            return [Ready(ReceiverInfo(self._model, "", "", self._mode))]
        if line.startswith(exchange.refused):
            reason = f"the module refuses {exchange.command!r}: {line}"
            return [self._fail(reason, "check its region and firmware; it needs the maker's AT commands")]
        return []

    def _ask(self, place: int) -> Send:
        self._place, self._busy = place, False
        exchange = self._script[place]
        return self._request.ask(to_line(exchange.command), exchange.patience)

    def _fail(self, reason: str, hint: str) -> Failed:
        self._request.close()
        self._failed = True
        return Failed(reason, hint, identified=self._place >= self.IDENTIFIED_FROM)
